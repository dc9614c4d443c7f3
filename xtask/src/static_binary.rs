//! The binary as it is shipped: release profile, musl, static.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use container_image::Platform;
use xshell::Cmd;

use crate::{c_compiler, project};

/// The program's package, and its binary.
const PROGRAM: &str = "ensure-pull-secret";

/// Name of cargo's home in the binary, whose panics contain the paths of dependencies: without this, the image's digest
/// would depend on the machine and the user that build it.
const CARGO_HOME: &str = "/cargo";

/// Builds the release binary for this machine and gives its path. Cargo shows its own progress; nothing is done where
/// it is fresh.
///
/// # Errors
/// Where the build fails.
pub fn build() -> Result<PathBuf> {
    build_for(Platform::native()?)
}

/// Builds the release binary for a platform, this machine's or another.
///
/// # Errors
/// Where the build fails, or no C compiler for that platform is installed.
pub fn build_for(platform: Platform) -> Result<PathBuf> {
    cargo("build", platform, PROGRAM, PROGRAM, &[])
}

/// Builds the program in another clone as a release has it: with the list of its dependencies inside, by cargo-auditable.
///
/// # Errors
/// Where the build fails, or no C compiler for that platform is installed.
pub fn build_released(clone: &Path, platform: Platform) -> Result<PathBuf> {
    let shell = project::shell()?;
    let auditable = project::cargo_tool("cargo-auditable").context("cargo-auditable is not installed")?;
    shell.change_dir(clone);
    let cargo = project::without_own_variables(shell.cmd(auditable)).args(["auditable", "build"]);
    for_platform(cargo, platform, PROGRAM, PROGRAM, &[])
}

/// Builds a binary of the workspace just as the program's is built: same profile, same target.
///
/// # Errors
/// Where the build fails.
pub fn build_binary(package: &str, binary: &str) -> Result<PathBuf> {
    cargo("build", Platform::native()?, package, binary, &[])
}

fn cargo(command: &str, platform: Platform, package: &str, binary: &str, last: &[&str]) -> Result<PathBuf> {
    let shell = project::shell()?;
    for_platform(
        project::cargo(&shell).arg(command),
        platform,
        package,
        binary,
        last,
    )
}

fn for_platform(
    cargo: Cmd<'_>,
    platform: Platform,
    package: &str,
    binary: &str,
    last: &[&str],
) -> Result<PathBuf> {
    let failure = || format!("there is no static binary for {platform}");
    let target = platform.target();
    let mut cargo = cargo.args(["--release", "--locked", "--target", target]);
    if let Some((variable, compiler)) = c_compiler::variable(platform).with_context(failure)? {
        cargo = cargo.env(variable, compiler);
    }
    if let Some(home) = project::toolchain_home("CARGO_HOME", ".cargo") {
        let flag = format!("--remap-path-prefix={}={CARGO_HOME}", home.display());
        // Beside the flags of .cargo/config.toml, not instead of them.
        cargo = cargo.args(["--config", &format!("target.{target}.rustflags=[{flag:?}]")]);
    }
    built(cargo, package, binary, last).with_context(failure)
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

/// Runs cargo for one binary, and gives the path in its output.
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
        .with_context(|| format!("cargo printed no path of {binary}"))
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
    fn only_the_message_about_a_binary_has_its_path() {
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
