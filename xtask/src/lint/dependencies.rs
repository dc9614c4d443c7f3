//! Dependencies, checked by cargo-deny.

use anyhow::{Context as _, Result};
use xshell::{Shell, cmd};

use crate::project;

/// deny.toml: licences, duplicates, banned crates, sources; advisories where their database can be had.
///
/// # Errors
/// Where a dependency violates it, or, in CI, cargo-deny isn't installed.
pub fn check(shell: &Shell) -> Result<()> {
    let advice = "cargo-deny is not installed: `cargo install --locked cargo-deny`";
    let Some(cargo_deny) = project::tool_or_advice(shell, "cargo-deny", advice)? else {
        return Ok(());
    };
    let binary = ["--locked", "check"];
    // Duplicates are allowed in the tools only: see deny.toml.
    let workspace = ["--locked", "--workspace", "check", "--allow", "duplicate"];
    for arguments in [&binary[..], &workspace[..]] {
        cmd!(
            shell,
            "{cargo_deny} {arguments...} --hide-inclusion-graph bans licenses sources"
        )
        .run()
        .context("a dependency violates deny.toml")?;
    }
    // The database of advisories is a Git repository; a machine that reaches only registries has none.
    if cmd!(shell, "{cargo_deny} fetch db")
        .quiet()
        .ignore_stdout()
        .ignore_stderr()
        .run()
        .is_err()
    {
        eprintln!(
            "advisories were not checked: https://github.com/RustSec/advisory-db can't be fetched from here"
        );
        return Ok(());
    }
    cmd!(shell, "{cargo_deny} --locked --workspace check advisories")
        .run()
        .context("a dependency has an advisory")
}
