//! `cargo test` as a child that ends with this process.

use std::{path::Path, process::Stdio};

use anyhow::{Context as _, Result};
use test_cluster::supervisor::Supervisor;
use tokio::process::Command;

use crate::project;

/// A run of cargo and of the tests that it starts; however this process ends, the supervisor ends them.
///
/// # Errors
/// Where the supervisor is gone.
pub fn cargo_test(supervisor: &Supervisor, packages: &[&str]) -> Result<Command> {
    let mut command = Command::from(supervisor.command(Path::new("cargo"))?);
    command
        .current_dir(project::root())
        .args(["test", "--locked"])
        .args(packages)
        .stdin(Stdio::null());
    for variable in project::own_variables() {
        command.env_remove(variable);
    }
    Ok(command)
}

/// Runs it to its end, and gives its exit code.
///
/// # Errors
/// Where it can't be run.
pub async fn finish(command: &mut Command) -> Result<u8> {
    let status = command
        .status()
        .await
        .with_context(|| format!("cannot run {}", command.as_std().get_program().display()))?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1))
}
