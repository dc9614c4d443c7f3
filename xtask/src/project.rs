//! Where the project is, and a shell in it.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
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

/// The variables that `cargo xtask` itself sets for this process. Build scripts, ring's in particular, take them for a
/// change of theirs: with them, each change between `cargo build` and `cargo xtask` would build half the tree anew.
pub fn own_variables() -> impl Iterator<Item = OsString> {
    std::env::vars_os()
        .filter(|(name, value)| is_own(name, value))
        .map(|(name, _)| name)
}

fn is_own(name: &OsStr, value: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let described = ["CARGO_PKG_", "CARGO_MANIFEST_"]
        .iter()
        .any(|prefix| name.starts_with(prefix));
    // From `[env]` of .cargo/config.toml, which the next cargo reads itself.
    let configured = name.starts_with("CC_") && value == "cc";
    described || configured
}

/// A tool that isn't part of Rust, as installed by the user or by `.ci/run`; none where it is neither.
pub fn tool(shell: &Shell, name: &str) -> Option<PathBuf> {
    let candidates = [Some(PathBuf::from(name)), cached(name)];
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

/// Where `.ci/run` keeps the tools that it had to build.
fn cached(tool: &str) -> Option<PathBuf> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(cache.join("ensure-pull-secret/tools/bin").join(tool))
}

/// Whether this is a CI run, where a check that can't be made is a failure.
pub fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cargo_set_for_this_process_is_kept_from_the_next_one() {
        for (name, value, own) in [
            ("CARGO_PKG_NAME", "xtask", true),
            ("CARGO_MANIFEST_DIR", "/clone/xtask", true),
            ("CC_x86_64_unknown_linux_musl", "cc", true),
            ("CC_x86_64_unknown_linux_musl", "clang", false),
            ("CARGO_TARGET_DIR", "/target", false),
            ("CARGO_TERM_COLOR", "never", false),
        ] {
            assert_eq!(is_own(OsStr::new(name), OsStr::new(value)), own, "{name}={value}");
        }
    }
}
