//! `docs/troubleshooting.md` as an administrator uses it: a section for each reason, with a line and two commands.

use anyhow::{Context as _, Result, bail};

/// Mark below a command that the test can't run; the reason follows.
const MARK: &str = "Not tested here: ";
/// Characters of a time in a line, such as `2026-11-30T01:39:08Z`.
const TIME: usize = 20;

/// The page.
pub struct Page {
    text: String,
}

/// Section of a reason.
pub struct Section<'a> {
    /// The result line.
    pub line: &'a str,
    /// Command that confirms the cause.
    pub confirm: Command<'a>,
    /// Command that fixes it.
    pub fix: Command<'a>,
}

/// Command of a section.
#[derive(Clone, Copy, Debug)]
pub enum Command<'a> {
    /// To be run as it is.
    Tested(&'a str),
    /// Marked, with a reason.
    Marked,
    /// The section has none.
    Absent,
}

impl Page {
    /// Reads the page.
    pub fn read() -> Result<Self> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/troubleshooting.md");
        let text = std::fs::read_to_string(path).with_context(|| path.to_owned())?;
        Ok(Self { text })
    }

    /// The names that its commands use: the first block.
    pub fn definitions(&self) -> Result<&str> {
        block(&self.text, "bash").context("the page begins with its definitions")
    }

    /// The section of a reason.
    pub fn section(&self, reason: &str) -> Result<Section<'_>> {
        let text = self.text(reason)?;
        Ok(Section {
            line: block(text, "text").with_context(|| format!("{reason} has no line"))?,
            confirm: command(text, "Confirm")?,
            fix: command(text, "Fix")?,
        })
    }

    /// The text of a section.
    pub fn text(&self, reason: &str) -> Result<&str> {
        let section = self.text.split(&format!("\n## {reason}\n")).nth(1);
        let section = section.and_then(|rest| rest.split("\n## ").next());
        section.with_context(|| format!("the page has no section {reason}"))
    }
}

fn command<'a>(section: &'a str, label: &str) -> Result<Command<'a>> {
    // "Fix: `…`", or "Fix:" and "Fix, after …:" above a block.
    let Some((_, rest)) = section.split_once(&format!("\n{label}")) else {
        return Ok(Command::Absent);
    };
    let (command, after) = rest
        .strip_prefix(": `")
        .and_then(|inline| inline.split_once('`'))
        .or_else(|| rest.split_once(":\n```bash\n")?.1.split_once("\n```"))
        .with_context(|| format!("{label} has no command"))?;
    let after = after.trim_start_matches('.').trim_start();
    Ok(
        match after.strip_prefix(MARK).map(|reason| reason.lines().next()) {
            Some(None | Some("")) => bail!("{label} is marked without a reason"),
            Some(Some(_)) => Command::Marked,
            None => Command::Tested(command),
        },
    )
}

fn block<'a>(text: &'a str, language: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("```{language}\n"))?;
    rest.split_once("```").map(|(block, _)| block.trim_end())
}

/// The line with the page's namespaces, and with one time for all.
pub fn normalised(line: &str, namespace: &str) -> String {
    let mut line = line
        .replace(&other(namespace), "shared-images")
        .replace(namespace, "my-models");
    let mut start = 0;
    while let Some(piece) = line.get(start..start + TIME) {
        let is_time = piece
            .bytes()
            .zip("dddd-dd-ddTdd:dd:ddZ".bytes())
            .all(|(byte, pattern)| {
                if pattern == b'd' {
                    byte.is_ascii_digit()
                } else {
                    byte == pattern
                }
            });
        if is_time {
            line.replace_range(start..start + TIME, "2026-11-30T01:39:08Z");
        }
        start += 1;
    }
    line
}

/// The namespace that the page calls `shared-images`.
pub fn other(namespace: &str) -> String {
    format!("{namespace}-other")
}

#[test]
fn mark_needs_a_reason_and_belongs_to_its_command() -> Result<()> {
    let section = "\n```text\nERROR\n```\nConfirm, after that:\n```bash\na\n```\nNot tested here: it needs a kubelet.\n\nFix: `b`\n";
    assert!(matches!(command(section, "Confirm")?, Command::Marked));
    assert!(matches!(command(section, "Fix")?, Command::Tested("b")));
    assert!(command(&section.replace("it needs a kubelet.", ""), "Confirm").is_err());
    assert!(matches!(
        command("\nConfirm:\n```bash\na\n```\n", "Fix")?,
        Command::Absent
    ));
    Ok(())
}

#[test]
fn normalised_line_has_the_names_and_time_of_the_page() {
    assert_eq!(
        normalised(
            "x-1/a of x-1-other expires at 2031-01-02T03:04:05Z, before",
            "x-1"
        ),
        "my-models/a of shared-images expires at 2026-11-30T01:39:08Z, before"
    );
}
