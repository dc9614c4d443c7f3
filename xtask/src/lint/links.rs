//! The relative links of every page: the file exists, and so does the heading that a fragment names.

use std::{
    collections::BTreeMap,
    fs,
    path::{Component, Path, PathBuf},
};

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
        pages.insert(PathBuf::from(name), text);
    }
    let broken = broken(&pages, |path| project::root().join(path).exists());
    ensure!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
    Ok(())
}

/// Every broken link of `pages`, whose paths are relative to the clone as those given to `exists` are.
fn broken(pages: &BTreeMap<PathBuf, String>, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("a valid pattern");
    let mut broken = Vec::new();
    for (page, text) in pages {
        let found = without_code_blocks(text);
        for link in link.captures_iter(&found).filter_map(|found| found.get(1)) {
            let link = link.as_str();
            if link.contains(':') {
                continue;
            }
            let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => page.clone(),
                path => normal(&page.parent().unwrap_or(Path::new("")).join(path)),
            };
            let has_heading = || {
                pages
                    .get(&target)
                    .is_none_or(|text| headings(text).contains(&fragment.to_owned()))
            };
            if !exists(&target) || !(fragment.is_empty() || has_heading()) {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    broken
}

fn without_code_blocks(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
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
    fn broken_links_are_reported() {
        let pages = BTreeMap::from([
            (PathBuf::from("README.md"), "# One\n[a](docs/a.md#in-the-pod) [b](#one) [c](https://x.test/y)".to_owned()),
            (
                PathBuf::from("docs/a.md"),
                "# A\n## In the pod\n[up](../README.md) [x](../b.md) [y](../README.md#two) [z](#none)\n```\n[w](no.md)\n```\n"
                    .to_owned(),
            ),
        ]);
        let exists = |path: &Path| pages.contains_key(path);
        assert_eq!(
            broken(&pages, exists),
            [
                "docs/a.md: ../b.md",
                "docs/a.md: ../README.md#two",
                "docs/a.md: #none"
            ]
        );
    }
}
