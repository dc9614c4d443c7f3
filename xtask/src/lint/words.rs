//! Words that pages, manifests and messages don't use: each has a standard term of Kubernetes or plain English.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use regex::Regex;
use xshell::{Shell, cmd};

use crate::project;

/// Words, and the term to use.
const WORDS: &[(&str, &str)] = &[
    (r"mint(s|ed|ing)?", "request a token"),
    (r"ours|foreign|somebody else", "managed, unmanaged"),
    (r"vouch(es)?|prove[sn]", "verify"),
    (r"alive|dies|died", "usable, expired, rejected"),
    (r"gravest", "most severe"),
    (r"mend(s|ed)?", "repair, fix, correct"),
    (r"shall|plainly", "leave it out"),
    (r"hears|heard", "receive"),
    (r"spoils?", "inject a fault"),
    (r"obstacle", "error"),
    (r"says", "report, show, message"),
];

/// Pages with tables of test names, which are no prose.
const EXCEPTIONS: &[&str] = &["docs/development/field.md", "docs/development/contract.md"];

/// Checks all pages, the report's schema, the manifests, and the text of the program's messages.
///
/// # Errors
/// Where a word is used, or git can't list the files.
pub fn check(shell: &Shell) -> Result<()> {
    let names = cmd!(
        shell,
        "git ls-files --cached --others --exclude-standard *.md docs/*.json src/*.rs tekton/*.yaml chart/*.yaml"
    )
    .quiet()
    .read()
    .context("cannot list the files: this needs git and a clone")?;
    let patterns = Patterns::new()?;
    let mut found = Vec::new();
    for name in names.lines().filter(|name| !EXCEPTIONS.contains(name)) {
        let path = project::file(name);
        if path.exists() {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
            found.extend(patterns.used(name, &text));
        }
    }
    ensure!(found.is_empty(), "words to replace:\n{}", found.join("\n"));
    Ok(())
}

/// [`WORDS`], and a string of a source file.
struct Patterns {
    words: Vec<(Regex, &'static str)>,
    string: Regex,
}

impl Patterns {
    fn new() -> Result<Self> {
        let pattern =
            |(word, term): &(&str, &'static str)| Ok((Regex::new(&format!(r"(?i)\b({word})\b"))?, *term));
        Ok(Self {
            words: WORDS.iter().map(pattern).collect::<Result<_>>()?,
            string: Regex::new(r#""(?:[^"\\]|\\.)*""#).context("a pattern is not valid")?,
        })
    }

    /// Every word in a page, or in a string of a source file.
    fn used(&self, name: &str, text: &str) -> Vec<String> {
        let is_source = name.ends_with(".rs");
        let mut found = Vec::new();
        if is_source && (name.contains("/tests") || name.contains("/fixtures/")) {
            return found;
        }
        let text = text.split("mod tests {").next().unwrap_or_default();
        for (index, line) in text.lines().enumerate() {
            let parts: Vec<&str> = if !is_source {
                vec![line]
            } else if line.trim_start().starts_with("//") {
                Vec::new()
            } else {
                self.string.find_iter(line).map(|part| part.as_str()).collect()
            };
            for (word, term) in &self.words {
                for part in parts.iter().filter_map(|part| word.find(part)) {
                    found.push(format!("{name}:{}: {}: use {term}", index + 1, part.as_str()));
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_pages_and_messages_are_reported() -> Result<()> {
        let patterns = Patterns::new()?;
        let page = "The program mints a token.\nA mint leaf; colours.\n";
        assert_eq!(
            patterns.used("a.md", page),
            [
                "a.md:1: mints: use request a token",
                "a.md:2: mint: use request a token"
            ]
        );
        let source =
            "// It is minted.\nlet a = \"the token dies\";\n#[cfg(test)]\nmod tests {\nlet b = \"ours\";\n";
        assert_eq!(
            patterns.used("src/a.rs", source),
            ["src/a.rs:2: dies: use usable, expired, rejected"]
        );
        assert_eq!(patterns.used("src/a/tests.rs", source), [""; 0]);
        Ok(())
    }
}
