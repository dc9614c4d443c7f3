//! The binary as it is shipped: release profile, musl, static.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use xshell::Cmd;

use crate::project;

/// The program's package, and its binary.
const PROGRAM: &str = "ensure-pull-secret";

/// The target that is built: musl, for this machine's processor.
pub fn target() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("x86_64-unknown-linux-musl"),
        "aarch64" => Ok("aarch64-unknown-linux-musl"),
        other => bail!("no static binary is built for {other}: the program is for x86_64 and aarch64"),
    }
}

/// Builds the release binary and gives its path. Cargo shows its own progress; nothing is done where it is fresh.
///
/// # Errors
/// Where the build fails.
pub fn build() -> Result<PathBuf> {
    build_binary(PROGRAM, PROGRAM)
}

/// Builds a binary of the workspace just as the program's is built: same profile, same target.
///
/// # Errors
/// Where the build fails.
pub fn build_binary(package: &str, binary: &str) -> Result<PathBuf> {
    cargo("build", package, binary, &[])
}

/// Builds the release binary with its symbols. It lies where the shipped one does until that is built again, which
/// takes no time: cargo keeps both.
///
/// # Errors
/// Where the build fails.
pub fn build_with_symbols() -> Result<PathBuf> {
    // The last one counts.
    cargo("rustc", PROGRAM, PROGRAM, &["--", "-C", "strip=none"])
}

fn cargo(command: &str, package: &str, binary: &str, last: &[&str]) -> Result<PathBuf> {
    let target = target()?;
    let shell = project::shell()?;
    let mut cargo = project::cargo(&shell).args([command, "--release", "--locked", "--target", target]);
    // As .cargo/config.toml has it for x86_64: what stands there can't depend on the machine that builds.
    let compiler = format!("CC_{}", target.replace('-', "_"));
    if target != "x86_64-unknown-linux-musl" && std::env::var_os(&compiler).is_none() {
        cargo = cargo.env(&compiler, "cc");
    }
    built(cargo, package, binary, last)
}

/// Builds one of the tests' own programs, with the profile that tests are built with.
///
/// # Errors
/// Where the build fails.
pub fn build_tool(package: &str) -> Result<PathBuf> {
    let shell = project::shell()?;
    built(
        project::cargo(&shell).args(["build", "--locked"]),
        package,
        package,
        &[],
    )
}

/// Runs cargo for one binary, and gives the path that it says.
fn built(cargo: Cmd<'_>, package: &str, binary: &str, last: &[&str]) -> Result<PathBuf> {
    let messages = cargo
        .args(["--package", package, "--bin", binary])
        .args(["--message-format", "json-render-diagnostics"])
        .args(last)
        .quiet()
        .read()
        .with_context(|| format!("cannot build {binary}"))?;
    messages
        .lines()
        .filter_map(executable)
        .next_back()
        .with_context(|| format!("cargo did not say where {binary} is"))
}

/// The path in cargo's message about a finished binary (Cargo book, "External tools", `compiler-artifact`).
fn executable(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    message.get("executable")?.as_str().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_message_about_a_binary_names_one() {
        let library = r#"{"reason":"compiler-artifact","executable":null}"#;
        let binary = r#"{"reason":"compiler-artifact","executable":"/target/release/ensure-pull-secret"}"#;
        assert_eq!(executable(library), None);
        assert_eq!(executable(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(
            executable(binary),
            Some(PathBuf::from("/target/release/ensure-pull-secret"))
        );
    }
}
