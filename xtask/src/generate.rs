//! What is generated from the program's own definitions: README's tables and the Role of docs/role.yaml.

use std::fs;

use anyhow::{Context as _, Result, bail};
use ensure_pull_secret::{
    grant::{self, RoleNeeds},
    help::{reasons_markdown, results_markdown, variables_markdown},
};

use crate::project;

/// The names of the demo, and of the incident that the program was written for.
pub mod names {
    /// The namespace.
    pub const NAMESPACE: &str = "private-ai-demo";
    /// The pull secret.
    pub const SECRET: &str = "internal-registry-private-ai";
    /// The account that the pipeline runs as.
    pub const SERVICE_ACCOUNT: &str = "model-pipeline-sa";
}

/// The Role that the program needs, as YAML to adapt and apply.
pub const ROLE: &str = "docs/role.yaml";
const README: &str = "README.md";

/// Writes what is generated, or, to check, only says what differs.
///
/// # Errors
/// Where a file can't be read or written, lacks its markers, or, when checking, differs.
pub fn generate(check: bool) -> Result<()> {
    let mut differing = Vec::new();
    for (name, content) in [(README, readme()?), (ROLE, role())] {
        let path = project::file(name);
        if fs::read_to_string(&path).is_ok_and(|present| present == content) {
            continue;
        }
        differing.push(name);
        if !check {
            fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
            println!("wrote {name}");
        }
    }
    if check && !differing.is_empty() {
        bail!("{} differs from what the program says: `cargo xtask generate` puts it right", differing.join(" and "));
    }
    Ok(())
}

fn readme() -> Result<String> {
    let path = project::file(README);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    [
        ("variables", variables_markdown()),
        ("results", results_markdown()),
        ("reasons", reasons_markdown()),
    ]
    .into_iter()
    .try_fold(text, |text, (name, table)| between_markers(&text, name, &table))
    .with_context(|| format!("cannot put the tables into {README}"))
}

/// `text` with `content` in place of what is between the markers of `name`.
fn between_markers(text: &str, name: &str, content: &str) -> Result<String> {
    let begin = format!("<!-- {name}: written by `cargo xtask generate` -->\n");
    let end = format!("<!-- end of {name} -->\n");
    let (before, rest) = text.split_once(&begin).with_context(|| format!("there is no line {begin:?}"))?;
    let (_, after) = rest.split_once(&end).with_context(|| format!("there is no line {end:?} after it"))?;
    Ok(format!("{before}{begin}\n{content}\n{end}{after}"))
}

fn role() -> String {
    let role = grant::role(&RoleNeeds {
        namespace: names::NAMESPACE,
        secret: names::SECRET,
        minted_for: Some(names::SERVICE_ACCOUNT),
        runner: Some((names::NAMESPACE, names::SERVICE_ACCOUNT)),
    });
    format!(
        "# All that ensure-pull-secret needs: three verbs on one Secret, and tokens of one account.\n\
         # Put your own names in place of {}, {} and {}.\n\
         # Written by `cargo xtask generate`.\n{role}",
        names::NAMESPACE,
        names::SECRET,
        names::SERVICE_ACCOUNT
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "before\n<!-- a: written by `cargo xtask generate` -->\nold\n<!-- end of a -->\nafter\n";

    #[test]
    fn only_what_is_between_the_markers_is_replaced() -> Result<()> {
        let new = between_markers(TEXT, "a", "new\n")?;
        assert_eq!(new, TEXT.replace("\nold\n", "\n\nnew\n\n"));
        assert_eq!(between_markers(&new, "a", "new\n")?, new, "a second time changes nothing");
        Ok(())
    }

    #[test]
    fn a_missing_marker_is_named() {
        for (text, name) in [(TEXT, "b"), (&TEXT[..60], "a")] {
            let error = between_markers(text, name, "new").expect_err("a marker is missing");
            assert!(error.to_string().contains("there is no line"), "{error}");
        }
    }
}
