//! The changes of a version in CHANGELOG.md, as Artifact Hub reads them.

use anyhow::{Context as _, Result};
use container_image::project::VERSION;
use regex::Regex;

use super::tekton::folded;

const UNRELEASED: &str = "## [Unreleased]";

/// Entries of one version: kind, and text without links.
pub struct Changes {
    entries: Vec<(String, String)>,
    is_first_release: bool,
}

/// The changes of this version, or, before its release, those that are not released.
///
/// # Errors
/// If CHANGELOG.md has neither.
pub fn changes(text: &str) -> Result<Changes> {
    let heading = format!("## [{VERSION}]");
    let (_, section) = text
        .split_once(&heading)
        .or_else(|| text.split_once(UNRELEASED))
        .with_context(|| format!("CHANGELOG.md has neither {heading} nor {UNRELEASED}"))?;
    let (section, earlier) = section.split_once("\n## ").unwrap_or((section, ""));
    let link = Regex::new(r"\[([^\]]*)\]\([^)]*\)")?;
    let mut entries: Vec<(String, String)> = Vec::new();
    let mut kind = String::new();
    let mut in_entry = false;
    for line in section.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            kind = heading.to_lowercase();
        } else if let Some(entry) = line.strip_prefix("- ") {
            entries.push((kind.clone(), entry.to_owned()));
        } else if let (true, Some(more)) = (in_entry, line.strip_prefix("  "))
            && let Some((_, entry)) = entries.last_mut()
        {
            entry.push(' ');
            entry.push_str(more);
        }
        in_entry = line.starts_with("- ") || in_entry && line.starts_with("  ");
    }
    for (_, entry) in &mut entries {
        *entry = link.replace_all(entry, "$1").into_owned();
    }
    Ok(Changes {
        entries,
        is_first_release: earlier.is_empty(),
    })
}

impl Changes {
    /// Whether an update from an earlier version fixes something under "Security".
    pub fn fix_security(&self) -> bool {
        !self.is_first_release && self.entries.iter().any(|(kind, _)| kind == "security")
    }

    /// The list in Chart.yaml's annotation.
    pub fn yaml(&self) -> String {
        let entries = self.entries.iter();
        let text: String = entries
            .map(|(kind, entry)| format!("- kind: {kind}\n{}", folded(entry)))
            .collect();
        text.lines().map(|line| format!("    {line}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTION: &str = "\n\n### Added\n\n- One [page](a.md)\n  of two lines.\n- Two: `x`.\n\n### Security\n\nFor all:\n\n- Three.\n";

    fn of(text: &str) -> Vec<(String, String)> {
        changes(text).map(|changes| changes.entries).unwrap_or_default()
    }

    #[test]
    fn entries_of_the_version_are_read_and_no_others() -> Result<()> {
        let entries = [
            ("added", "One page of two lines."),
            ("added", "Two: `x`."),
            ("security", "Three."),
        ];
        let entries = entries.map(|(kind, text)| (kind.to_owned(), text.to_owned()));
        let unreleased = format!("# C\n\n{UNRELEASED}{SECTION}");
        let released = format!(
            "# C\n\n{UNRELEASED}\n\n- New.\n\n## [{VERSION}] - 2026-12-01{SECTION}\n## [0.0.1]\n\n### Added\n\n- Old.\n"
        );
        assert_eq!(of(&unreleased), entries);
        assert_eq!(of(&released), entries);
        assert!(!changes(&unreleased)?.fix_security());
        assert!(changes(&released)?.fix_security());
        assert!(changes("# C\n").is_err());
        Ok(())
    }
}
