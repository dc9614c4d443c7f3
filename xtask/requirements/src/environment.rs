//! The environment of `cargo xtask`.

use std::ffi::{OsStr, OsString};

/// The variables that `cargo run` sets for its program. Build scripts, ring's in particular, treat them as a change: the
/// next cargo would build half the tree again after each `cargo build`.
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
