//! Where the project is, and a shell in it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
pub use requirements::{in_ci, own_variables};
use xshell::{Cmd, Shell};

/// The top of the clone this command was built from.
pub fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// A file of the project.
pub fn file(name: &str) -> PathBuf {
    root().join(name)
}

/// A shell at the top of the clone.
///
/// # Errors
/// Where the current directory is gone.
pub fn shell() -> Result<Shell> {
    let shell = Shell::new().context("cannot tell the current directory")?;
    shell.change_dir(root());
    Ok(shell)
}

/// Cargo, as somebody would call it by hand.
pub fn cargo(shell: &Shell) -> Cmd<'_> {
    own_variables().fold(shell.cmd("cargo"), Cmd::env_remove)
}

/// A tool that isn't part of Rust, as installed by the user or by `.ci/run`; none where it is neither.
pub fn tool(shell: &Shell, name: &str) -> Option<PathBuf> {
    let candidates = [
        Some(PathBuf::from(name)),
        requirements::tools().map(|tools| tools.join(name)),
    ];
    candidates.into_iter().flatten().find(|candidate| {
        shell
            .cmd(candidate)
            .arg("--version")
            .quiet()
            .ignore_stdout()
            .ignore_stderr()
            .run()
            .is_ok()
    })
}
