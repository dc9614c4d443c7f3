//! The C compiler for the C parts of ring, the program's cryptography. The toolchain links by itself.

use std::env;

use anyhow::{Result, bail};
use container_image::Platform;
use requirements::compiler::{Processor, compiles};

use crate::project;

/// The variable from which cc-rs reads the compiler, and its value; `None` where the caller
/// has chosen, or `.cargo/config.toml` has the same value.
///
/// # Errors
/// Where none is installed that compiles for this platform.
pub fn variable(platform: Platform) -> Result<Option<(String, &'static str)>> {
    let variable = processor(platform).variable();
    let chosen = env::var_os(&variable).is_some() && !project::own_variables().any(|name| name == *variable);
    let native = Platform::native()?;
    // The line of .cargo/config.toml, which is the same on every machine, is right there.
    let configured = platform == Platform::Amd64 && native == Platform::Amd64;
    if chosen || configured {
        return Ok(None);
    }
    Ok(Some((variable, find(platform, native, compiles)?)))
}

/// The first compiler that compiles for the platform.
fn find(platform: Platform, native: Platform, compiles: impl Fn(&str) -> bool) -> Result<&'static str> {
    if platform == native {
        return Ok("cc");
    }
    let candidates = processor(platform).cross_compilers();
    if let Some(compiler) = candidates.into_iter().find(|compiler| compiles(compiler)) {
        return Ok(compiler);
    }
    bail!(
        "no C compiler for {platform}: tried {}, each with the C library's headers. Install one (Debian, Ubuntu: \
         `apt-get install {}`; elsewhere clang, which compiles for every processor), or name yours in {}",
        candidates.join(", "),
        processor(platform).packages().join(" "),
        processor(platform).variable()
    )
}

fn processor(platform: Platform) -> Processor {
    match platform {
        Platform::Amd64 => Processor::X86_64,
        Platform::Arm64 => Processor::Aarch64,
    }
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
    fn t9_the_checked_targets_are_those_that_are_built() {
        for platform in Platform::ALL {
            assert_eq!(processor(platform).target(), platform.target());
            assert_eq!(processor(platform).architecture(), platform.architecture());
        }
        assert_eq!(
            Processor::native().target(),
            Platform::native().expect("a platform").target()
        );
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
}
