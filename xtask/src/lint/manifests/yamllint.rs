//! The form of YAML, as `.yamllint` has it.

use anyhow::{Context as _, Result, bail};
use xshell::cmd;

use crate::project;

/// Where YAML is kept.
const DIRECTORIES: &[&str] = &["tekton", "docs"];

/// Runs yamllint over all of it.
///
/// # Errors
/// Where it has objections, or, in CI, isn't installed.
pub fn check() -> Result<()> {
    let shell = project::shell()?;
    let installed = cmd!(shell, "yamllint --version")
        .quiet()
        .ignore_stdout()
        .ignore_stderr()
        .run();
    if installed.is_err() {
        let advice = "yamllint is not installed: `apt install yamllint` or `pip install yamllint`";
        if project::in_ci() {
            bail!("{advice}");
        }
        eprintln!("the form of YAML was not checked: {advice}");
        return Ok(());
    }
    cmd!(shell, "yamllint --strict {DIRECTORIES...}")
        .run()
        .context("yamllint has objections")
}
