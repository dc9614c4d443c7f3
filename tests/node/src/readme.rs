//! The blocks of a page that a newcomer types.

use anyhow::{Context as _, Result, ensure};

/// A block of shell below a line `<!-- run: NAME -->`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Block {
    /// Its name.
    pub name: String,
    /// Its commands.
    pub script: String,
}

/// The blocks in their order.
///
/// # Errors
/// If a marker has no block of shell below it.
pub fn blocks(markdown: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        let Some(name) = line
            .strip_prefix("<!-- run: ")
            .and_then(|rest| rest.strip_suffix(" -->"))
        else {
            continue;
        };
        // The sentence about the markers has one of its own.
        let fence = lines.find(|line| !line.trim().is_empty());
        ensure!(
            fence == Some("```bash"),
            "below the marker {name} there is no block: {fence:?}"
        );
        let script: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        blocks.push(Block {
            name: name.to_owned(),
            script: script.join("\n"),
        });
    }
    ensure!(!blocks.is_empty(), "no block is marked");
    Ok(blocks)
}

/// All blocks as one script that prints when each begins, and ends with the first that fails.
pub fn script(blocks: &[Block]) -> String {
    let mut script = "set -euo pipefail\n".to_owned();
    for Block { name, script: typed } in blocks {
        script.push_str(&format!("echo '## {name}'\n{typed}\n"));
    }
    script
}

/// Output of the block with this name.
///
/// # Errors
/// If it didn't begin.
pub fn output_of<'a>(output: &'a str, name: &str) -> Result<&'a str> {
    let begin = format!("## {name}\n");
    let (_, rest) = output
        .split_once(&begin)
        .with_context(|| format!("{name} did not run:\n{output}"))?;
    Ok(rest.split("\n## ").next().unwrap_or(rest))
}
