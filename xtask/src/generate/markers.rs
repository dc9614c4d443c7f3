//! A file with generated parts, each between two marked lines.

use std::fs;

use anyhow::{Context as _, Result};

use crate::project;

/// Syntax of a comment.
#[derive(Clone, Copy, Debug)]
pub enum Comment {
    /// `<!-- text -->`, with an empty line around what is between: Markdown takes the comment for a part of a table
    /// otherwise.
    Markdown,
    /// `# text`, as far from the margin as its lines are.
    Yaml,
}

/// `text` with `content`, which ends with a line end, in place of what is between the markers of `name`. In YAML,
/// `content` is moved to the right as far as its markers are.
///
/// # Errors
/// Where a marker is missing.
pub fn between(comment: Comment, text: &str, name: &str, content: &str) -> Result<String> {
    between_by(comment, text, name, "cargo xtask generate", content)
}

/// Writes the parts of a page, by name, that another `command` than `cargo xtask generate` generates.
///
/// # Errors
/// Where a marker is missing, or the page can't be read or written.
pub fn write(page: &str, command: &str, parts: &[(&str, String)]) -> Result<()> {
    let path = project::file(page);
    let mut text = fs::read_to_string(&path).with_context(|| format!("cannot read {page}"))?;
    for (name, content) in parts {
        text = between_by(Comment::Markdown, &text, name, command, content)?;
    }
    fs::write(&path, text).with_context(|| format!("cannot write {page}"))?;
    println!("wrote {page}");
    Ok(())
}

fn between_by(comment: Comment, text: &str, name: &str, command: &str, content: &str) -> Result<String> {
    let (opening, closing) = match comment {
        Comment::Markdown => ("<!-- ", " -->\n"),
        Comment::Yaml => ("# ", "\n"),
    };
    let begin = format!("{opening}{name}: written by `{command}`{closing}");
    let end = format!("{opening}end of {name}{closing}");
    let (before, rest) = text
        .split_once(&begin)
        .with_context(|| format!("there is no line {begin:?}"))?;
    let (_, after) = rest
        .split_once(&end)
        .with_context(|| format!("there is no line {end:?} after it"))?;
    Ok(match comment {
        Comment::Markdown => format!("{before}{begin}\n{content}\n{end}{after}"),
        Comment::Yaml => {
            let margin = before.rsplit('\n').next().unwrap_or_default();
            format!("{before}{begin}{}{margin}{end}{after}", moved(content, margin))
        }
    })
}

/// Every line that isn't empty behind `margin`.
fn moved(content: &str, margin: &str) -> String {
    content
        .split_inclusive('\n')
        .map(|line| {
            if line.trim().is_empty() {
                line.to_owned()
            } else {
                format!("{margin}{line}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKDOWN: &str =
        "before\n<!-- a: written by `cargo xtask generate` -->\nold\n<!-- end of a -->\nafter\n";
    const YAML: &str = "b:\n  # a: written by `cargo xtask generate`\n  - old\n  # end of a\nc: 1\n";

    #[test]
    fn only_what_is_between_the_markers_is_replaced() -> Result<()> {
        for (comment, text, old, new) in [
            (Comment::Markdown, MARKDOWN, "\nold\n", "\n\nnew\n\n"),
            (Comment::Yaml, YAML, "  - old\n", "  new\n"),
        ] {
            let written = between(comment, text, "a", "new\n")?;
            assert_eq!(written, text.replace(old, new));
            let again = between(comment, &written, "a", "new\n")?;
            assert_eq!(again, written, "a second time changes nothing");
        }
        Ok(())
    }

    #[test]
    fn a_missing_marker_is_named() {
        for (text, name) in [(MARKDOWN, "b"), (&MARKDOWN[..60], "a")] {
            let error = between(Comment::Markdown, text, name, "new").expect_err("a marker is missing");
            assert!(error.to_string().contains("there is no line"), "{error}");
        }
    }

    #[test]
    fn an_empty_line_stays_empty() {
        assert_eq!(moved("a\n\n  b\n", "  "), "  a\n\n    b\n");
    }
}
