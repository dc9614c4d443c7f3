//! Where the project is, and a shell in it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use xshell::Shell;

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

/// Whether this is a CI run, where a check that can't be made is a failure.
pub fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}
