//! docs/demo.svg: the demo's own output, drawn as a terminal.

use std::{fmt::Write as _, fs, path::PathBuf, process::ExitCode, sync::LazyLock};

use anyhow::{Context as _, Result, bail};
use regex::Regex;
use test_cluster::control_plane::{Cluster, Options};

use crate::{
    demo::story,
    interrupt, project, release,
    transcript::{Line, Transcript, WIDTH},
};

const PICTURE: &str = "docs/demo.svg";
/// Size of a character and of a line, in the picture's units; monospace fonts are about 0.6 of their size wide.
const CHARACTER: f32 = 7.83;
const LINE: usize = 18;
const MARGIN: usize = 20;

/// What differs from one run to the next: times, digests, ports, how long it took.
static MASKED: LazyLock<[(Regex, &str); 4]> = LazyLock::new(|| {
    [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
        (r"sha256:[0-9a-f]{64}", "DIGEST"),
        (r"127\.0\.0\.1:\d+", "ADDRESS"),
        (r"\d+\.\d s\b", "SECONDS"),
    ]
    .map(|(pattern, name)| (Regex::new(pattern).expect("a pattern of ours"), name))
});

/// Draws the picture from a run, or, to check, compares its lines with a run's.
///
/// # Errors
/// Where the demo fails, the picture can't be written, or, when checking, its lines differ.
pub fn picture(check: bool) -> Result<ExitCode> {
    let binary = release::build()?;
    interrupt::run(run(binary, check))
}

async fn run(binary: PathBuf, check: bool) -> Result<ExitCode> {
    let cluster = Cluster::start(Options::new().registries()).await?;
    let lines = perform(&cluster, &binary).await?;
    if check {
        compare(&lines)?;
    } else {
        let path = project::file(PICTURE);
        fs::write(&path, svg(&lines)).with_context(|| format!("cannot write {}", path.display()))?;
        println!("wrote {PICTURE}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The lines of a run on a cluster that is there, without its last one, which says how long it took.
///
/// # Errors
/// Where the story isn't true.
pub async fn perform(cluster: &Cluster, binary: &std::path::Path) -> Result<Vec<Line>> {
    let mut transcript = Transcript::silent();
    story::introduce(&mut transcript);
    story::tell(cluster.access(), binary, &mut transcript).await?;
    Ok(transcript.lines().to_vec())
}

/// Compares the picture's lines with those of a run.
///
/// # Errors
/// Where one differs in more than what is masked.
pub fn compare(lines: &[Line]) -> Result<()> {
    let path = project::file(PICTURE);
    let drawn = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let drawn: Vec<String> = texts(&drawn).map(|line| mask(&line)).collect();
    let said: Vec<String> = lines.iter().map(|line| mask(&line.text)).collect();
    let length = drawn.len().max(said.len());
    for index in 0..length {
        let (drawn, said) = (drawn.get(index), said.get(index));
        if drawn != said {
            let shown = |line: Option<&String>| line.map_or("(nothing)", String::as_str).to_owned();
            bail!(
                "line {} of {PICTURE} is not what the demo says; `cargo xtask picture` draws it again\n  picture: {}\n  \
                 demo:    {}",
                index + 1,
                shown(drawn),
                shown(said)
            );
        }
    }
    Ok(())
}

fn mask(line: &str) -> String {
    MASKED
        .iter()
        .fold(line.to_owned(), |line, (pattern, name)| pattern.replace_all(&line, *name).into_owned())
}

/// The picture: one `<text>` a line.
fn svg(lines: &[Line]) -> String {
    let height = lines.len() * LINE + 2 * MARGIN;
    // A few hundred columns are exact in f32.
    let columns = f32::from(u16::try_from(WIDTH).unwrap_or(u16::MAX));
    let width = columns.mul_add(CHARACTER, f32::from(u16::try_from(2 * MARGIN).unwrap_or(u16::MAX))).ceil();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>cargo xtask demo</title>\n\
         <style>\n\
         text {{ font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; \
         white-space: pre }}\n\
         .heading {{ fill: #ffffff; font-weight: bold }} .text {{ fill: #c9d1d9 }} .command {{ fill: #79c0ff }}\n\
         .output {{ fill: #8b949e }} .good {{ fill: #7ee787 }} .bad {{ fill: #ff9492 }}\n\
         </style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#0d1117\"/>\n"
    );
    for (index, line) in lines.iter().enumerate() {
        // Writing to a String can't fail.
        let _ = writeln!(
            svg,
            "<text class=\"{}\" x=\"{MARGIN}\" y=\"{}\" xml:space=\"preserve\">{}</text>",
            line.kind.class(),
            MARGIN + LINE * (index + 1) - 5,
            escaped(&line.text)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// The texts that `svg` drew.
fn texts(svg: &str) -> impl Iterator<Item = String> {
    svg.lines().filter_map(|line| {
        let (_, text) = line.strip_prefix("<text ")?.strip_suffix("</text>")?.split_once('>')?;
        Some(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::Kind;

    #[test]
    fn what_was_drawn_can_be_read_again() {
        let texts_of = ["   $ a | b && c <d>", "", "&lt; stays what it is"];
        let lines = texts_of.map(|text| Line { kind: Kind::Text, text: text.to_owned() });
        let read: Vec<String> = texts(&svg(&lines)).collect();
        assert_eq!(read, texts_of);
    }

    #[test]
    fn only_what_changes_with_each_run_is_masked() {
        let digest = "0123456789abcdef".repeat(4);
        assert_eq!(
            mask(&format!("expires 2026-01-02T03:04:05Z, sha256:{digest}, 127.0.0.1:4711, in 1.5 s, exit 78")),
            "expires TIME, DIGEST, ADDRESS, in SECONDS, exit 78"
        );
    }
}
