//! The process of a contender: its command, and its time.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

/// A command with an empty environment. With a launcher, the launcher starts the program and prints its peak memory.
pub fn command(program: &Path, launcher: Option<&Path>) -> Command {
    let mut command = Command::new(launcher.unwrap_or(program));
    command.args(launcher.map(|_| program)).env_clear();
    command
}

/// Runs a command to its end. Gives the time from start to end, and standard output.
///
/// # Errors
/// When it can't be started or fails; with its standard error.
pub fn run(command: &mut Command) -> Result<(Duration, String)> {
    let name = command.get_program().display().to_string();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot run {name}"))?;
    // The output of every contender fits into a pipe: it is read afterwards.
    child.wait().with_context(|| format!("cannot wait for {name}"))?;
    let took = start.elapsed();
    let output = child.wait_with_output().context("cannot read the output")?;
    ensure!(
        output.status.success(),
        "{name} ended with {}:\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok((took, String::from_utf8_lossy(&output.stdout).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_gives_its_standard_error_and_no_time() {
        let mut shell = command(Path::new("/bin/sh"), None);
        let error = run(shell.args(["-c", "echo why >&2; exit 3"])).expect_err("it failed");
        assert!(error.to_string().contains("why"), "{error}");
    }
}
