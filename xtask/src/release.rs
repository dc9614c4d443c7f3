//! The binary as it is shipped: release profile, musl, static.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use xshell::cmd;

use crate::project;

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
    let target = target()?;
    let shell = project::shell()?;
    // As .cargo/config.toml has it for x86_64: a value there can't depend on the machine that builds.
    let compiler = format!("CC_{}", target.replace('-', "_"));
    if std::env::var_os(&compiler).is_none() {
        shell.set_var(&compiler, "cc");
    }
    let messages = cmd!(
        shell,
        "cargo build --release --package ensure-pull-secret --bin ensure-pull-secret --target {target}
         --message-format json-render-diagnostics"
    )
    .quiet()
    .read()
    .context("cannot build the release binary")?;
    messages
        .lines()
        .filter_map(executable)
        .next_back()
        .context("cargo did not say where the release binary is")
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
        assert_eq!(executable(binary), Some(PathBuf::from("/target/release/ensure-pull-secret")));
    }
}
