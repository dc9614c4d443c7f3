//! The relative links of every page: the file exists, and so does the heading that a fragment names.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use regex::Regex;
use xshell::{Shell, cmd};

use crate::project;

/// Checks all pages of the clone.
///
/// # Errors
/// Where a link is broken, or git can't list the pages.
pub fn check(shell: &Shell) -> Result<()> {
    let names = cmd!(shell, "git ls-files --cached --others --exclude-standard *.md")
        .quiet()
        .read()
        .context("cannot list the pages: this needs git and a clone")?;
    let mut pages = BTreeMap::new();
    for name in names.lines().filter(|name| project::file(name).exists()) {
        let text = fs::read_to_string(project::file(name)).with_context(|| format!("cannot read {name}"))?;
        pages.insert(name.to_owned(), text);
    }
    let root = project::root().canonicalize().context("the clone is gone")?;
    let broken = broken(&root, &pages);
    ensure!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
    Ok(())
}

/// Every broken link of `pages`, whose paths are relative to `root`.
fn broken(root: &Path, pages: &BTreeMap<String, String>) -> Vec<String> {
    let link = Regex::new(r"\]\(([^)\s:]+)\)").expect("a valid pattern");
    let mut broken = Vec::new();
    for (page, text) in pages {
        let text = without_code_blocks(text);
        for link in link.captures_iter(&text).filter_map(|found| found.get(1)) {
            let (path, fragment) = link.as_str().split_once('#').unwrap_or((link.as_str(), ""));
            let own = root.join(page);
            let target = if path.is_empty() {
                own
            } else {
                own.with_file_name(path)
            };
            // Without `..`; fails where there is no such file.
            let target = target.canonicalize().ok();
            let name = target
                .as_ref()
                .and_then(|target| target.strip_prefix(root).ok()?.to_str());
            let page_text = name.and_then(|name| pages.get(name));
            let lacks = |text: &String| !headings(text).iter().any(|heading| heading == fragment);
            if target.is_none() || !fragment.is_empty() && page_text.is_some_and(lacks) {
                broken.push(format!("{page}: {}", link.as_str()));
            }
        }
    }
    broken
}

fn without_code_blocks(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The fragments of a page's headings, as GitHub makes them.
fn headings(text: &str) -> Vec<String> {
    let text = without_code_blocks(text);
    let lines = text.lines().filter(|line| line.starts_with('#'));
    lines
        .map(|line| {
            let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
            let title = line.trim_start_matches('#').trim().to_lowercase();
            title.chars().filter(kept).collect::<String>().replace(' ', "-")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_links_are_reported() -> Result<()> {
        let root = tempfile::tempdir()?;
        let root = root.path().canonicalize()?;
        fs::create_dir(root.join("docs"))?;
        let mut pages = BTreeMap::new();
        for (page, text) in [
            (
                "README.md",
                "# One\n[a](docs/a.md#in-the-pod) [b](#one) [c](https://x.test/y)",
            ),
            (
                "docs/a.md",
                "# A\n## In the pod\n[up](../README.md) [x](../b.md) [y](../README.md#two) [z](#none)\n```\n[w](no.md)\n```\n",
            ),
        ] {
            fs::write(root.join(page), text)?;
            pages.insert(page.to_owned(), text.to_owned());
        }
        let reported = [
            "docs/a.md: ../b.md",
            "docs/a.md: ../README.md#two",
            "docs/a.md: #none",
        ];
        assert_eq!(broken(&root, &pages), reported);
        Ok(())
    }
}
