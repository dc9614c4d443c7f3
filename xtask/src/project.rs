//! Paths of the project, and its commands.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
pub use requirements::{in_ci, own_variables};
use xshell::{Cmd, Shell};

/// The top of the clone that this command was built from.
pub fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// A file of the project.
pub fn file(name: &str) -> PathBuf {
    root().join(name)
}

/// Every file below a directory, in the order of their paths from the top of the clone.
///
/// # Errors
/// Where a directory can't be listed.
pub fn files(directory: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(file(directory)).with_context(|| format!("cannot list {directory}"))? {
        let entry = entry.with_context(|| format!("cannot list {directory}"))?;
        let name = format!("{directory}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(files(&name)?);
        } else {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}

/// A directory of the toolchain: `variable`, or `default` in the home directory (Cargo book, "Cargo Home"; rustup book,
/// "Environment variables").
pub fn toolchain_home(variable: &str, default: &str) -> Option<PathBuf> {
    let home = || env::home_dir().map(|home| home.join(default));
    env::var_os(variable).map(PathBuf::from).or_else(home)
}

/// A shell at the top of the clone.
///
/// # Errors
/// Where the current directory is gone.
pub fn shell() -> Result<Shell> {
    let shell = Shell::new().context("cannot find the current directory")?;
    shell.change_dir(root());
    Ok(shell)
}

/// Cargo, as called by hand.
pub fn cargo(shell: &Shell) -> Cmd<'_> {
    without_own_variables(shell.cmd("cargo"))
}

/// A command without the variables that cargo sets for this one.
pub fn without_own_variables(command: Cmd<'_>) -> Cmd<'_> {
    own_variables().fold(command, Cmd::env_remove)
}

/// A tool that isn't part of Rust, installed by the user or by `.ci/run`; `None` where it is not installed.
pub fn tool(shell: &Shell, name: &str) -> Option<PathBuf> {
    let candidates = [
        Some(PathBuf::from(name)),
        requirements::tools().map(|tools| tools.join(name)),
    ];
    candidates.into_iter().flatten().find(|candidate| {
        // Some tools have a command for it instead of an option.
        ["--version", "version"].iter().any(|argument| {
            let version = shell.cmd(candidate).arg(argument).quiet();
            version.ignore_stdout().ignore_stderr().run().is_ok()
        })
    })
}

/// A tool that cargo calls, installed by `.ci/run` or by the user; it can't be asked for its version.
pub fn cargo_tool(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = requirements::tools().into_iter().chain(env::split_paths(&path));
    directories
        .map(|directory| directory.join(name))
        .find(|tool| tool.is_file())
}

/// As [`tool`]; without the tool, prints the advice and that its check is left out.
///
/// # Errors
/// In CI, where no check may be left out.
pub fn tool_or_advice(shell: &Shell, name: &str, advice: &str) -> Result<Option<PathBuf>> {
    let found = tool(shell, name);
    if found.is_none() && in_ci() {
        bail!("{advice}");
    }
    if found.is_none() {
        eprintln!("xtask: a check was left out: {advice}");
    }
    Ok(found)
}
