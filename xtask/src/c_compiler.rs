//! The C compiler for the C parts of ring, the program's cryptography. Linking is the toolchain's own affair.

use std::{
    env,
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::{Result, bail};
use container_image::Platform;

use crate::project;

/// The headers that ring's C parts include; a cross compiler may come without.
const HEADERS: &[u8] = b"#include <stdint.h>\n#include <stdlib.h>\n#include <string.h>\n";

/// The variable that cc-rs reads the compiler from, and the compiler that has to be put there; nothing where the caller
/// has chosen, or `.cargo/config.toml` says the same.
///
/// # Errors
/// Where none is installed that compiles for this platform.
pub fn variable(platform: Platform) -> Result<Option<(String, &'static str)>> {
    let variable = format!("CC_{}", platform.target().replace('-', "_"));
    let chosen = env::var_os(&variable).is_some() && !project::own_variables().any(|name| name == *variable);
    let native = Platform::native()?;
    // The one line of .cargo/config.toml, which can't depend on the machine that builds, is right there.
    let configured = platform == Platform::Amd64 && native == Platform::Amd64;
    if chosen || configured {
        return Ok(None);
    }
    Ok(Some((variable, find(platform, native, compiles)?)))
}

/// The first compiler that will do.
fn find(platform: Platform, native: Platform, compiles: impl Fn(&str) -> bool) -> Result<&'static str> {
    if platform == native {
        return Ok("cc");
    }
    let candidates = candidates(platform);
    if let Some(compiler) = candidates.into_iter().find(|compiler| compiles(compiler)) {
        return Ok(compiler);
    }
    bail!(
        "no C compiler for {platform}: tried {}, each with the C library's headers. Install one (Debian, Ubuntu: \
         `apt-get install {}`; elsewhere clang, which compiles for every processor), or name yours in CC_{}",
        candidates.join(", "),
        packages(platform),
        platform.target().replace('-', "_")
    )
}

/// Cross compilers by their usual names. clang is the last: the others' code is what CI has seen.
fn candidates(platform: Platform) -> [&'static str; 3] {
    match platform {
        Platform::Amd64 => ["x86_64-linux-gnu-gcc", "x86_64-linux-musl-gcc", "clang"],
        Platform::Arm64 => ["aarch64-linux-gnu-gcc", "aarch64-linux-musl-gcc", "clang"],
    }
}

fn packages(platform: Platform) -> &'static str {
    match platform {
        Platform::Amd64 => "gcc-x86-64-linux-gnu libc6-dev-amd64-cross",
        Platform::Arm64 => "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    }
}

/// Whether the compiler is there and finds its headers. clang needs none: ring brings what it wants there.
fn compiles(compiler: &str) -> bool {
    let mut command = Command::new(compiler);
    if compiler == "clang" {
        command.arg("--version").stdin(Stdio::null());
    } else {
        command
            .args(["-fsyntax-only", "-x", "c", "-"])
            .stdin(Stdio::piped());
    }
    let Ok(mut child) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
        return false;
    };
    // Where it doesn't read them, its exit code says why.
    let _unread = child.stdin.take().map(|mut input| input.write_all(HEADERS));
    child.wait().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_compiler_does_for_its_own_platform() {
        for platform in Platform::ALL {
            assert_eq!(find(platform, platform, |_| false).expect("a compiler"), "cc");
        }
    }

    #[test]
    fn a_cross_compiler_is_taken_only_where_it_compiles() {
        let found = |installed: &'static [&'static str]| {
            find(Platform::Arm64, Platform::Amd64, |compiler| {
                installed.contains(&compiler)
            })
        };
        for (installed, taken) in [
            (&["aarch64-linux-gnu-gcc", "clang"][..], "aarch64-linux-gnu-gcc"),
            (&["clang", "x86_64-linux-gnu-gcc"], "clang"),
        ] {
            assert_eq!(found(installed).expect("a compiler"), taken);
        }
        let error = found(&[]).expect_err("there is none").to_string();
        for part in [
            "linux/arm64",
            "gcc-aarch64-linux-gnu",
            "clang",
            "CC_aarch64_unknown_linux_musl",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn a_compiler_that_is_not_installed_compiles_nothing() {
        assert!(compiles("cc"), "the suite itself was built with it");
        assert!(!compiles("no-such-compiler"));
        assert!(!compiles("false"));
    }
}
