//! The binary's size against its budget, and whether it is static.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use container_image::Platform;
use object::{
    Endianness,
    elf::{FileHeader64, PT_INTERP},
    read::elf::{ElfFile, FileHeader as _, ProgramHeader as _},
};

use crate::{c_compiler, project, static_binary, steps::Steps};

/// Largest allowed binary, in bytes. The one for x86_64 is the larger one; a probe of it with the same API calls took
/// 2.39 MB. The largest additions since: the verification of each kind of registry (about 30 KB); certificates, proxies and
/// `NO_PROXY` as Go reads them, with a cause for each failed connection (about 25 KB); every entry that clients use in
/// `verify`, and a cause for each malformed one; redirects and challenges by RFC 9110; rejections and untrusted certificates
/// of the API server, each with its remedy; Kubernetes tokens inside other text, names that show a secret in any
/// encoding, and the redaction of everything that is printed (about 10 KB each). The list of dependencies in the binary of a
/// release adds 2 KB, which is not measured here.
const BUDGET: u64 = 2_750_000;

type Elf<'data> = ElfFile<'data, FileHeader64<Endianness>>;

/// Builds the release binary for each platform of the image, and checks that it is static and within its budget.
///
/// # Errors
/// Where it can't be built, is too large, or needs a dynamic loader; in CI, where a platform has no
/// compiler.
pub fn check() -> Result<()> {
    let mut steps = Steps::new(Platform::ALL.len());
    for platform in Platform::ALL {
        steps.next(&format!("binary for {platform}"), "2 min, 1 s if it is built");
        match c_compiler::variable(platform) {
            Err(error) if !project::in_ci() => {
                eprintln!("the binary for {platform} was not checked: {error}")
            }
            _ => check_for(platform)?,
        }
    }
    steps.finish();
    Ok(())
}

fn check_for(platform: Platform) -> Result<()> {
    let path = static_binary::build_for(platform)?;
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let elf = Elf::parse(&*bytes).with_context(|| format!("{} is no 64-bit ELF file", path.display()))?;
    let size = u64::try_from(bytes.len())?;
    let target = platform.target();
    println!("{target}: {size} bytes, {} % of the budget", size * 100 / BUDGET);
    ensure!(
        !is_dynamic(&elf)?,
        "the binary is not static: it needs a dynamic loader"
    );
    println!("static: no interpreter, no shared library");
    ensure!(
        size <= BUDGET,
        "the binary for {target} is {size} bytes, {} over its budget of {BUDGET}; `cargo tree -e features` and `cargo bloat` show what grew",
        size - BUDGET
    );
    Ok(())
}

/// Whether the system starts a dynamic loader for it: only that one loads shared libraries.
fn is_dynamic(elf: &Elf<'_>) -> Result<bool> {
    let headers = elf.elf_header().program_headers(elf.endian(), elf.data())?;
    Ok(headers
        .iter()
        .any(|header| header.p_type(elf.endian()) == PT_INTERP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_with_a_loader_is_dynamic() {
        // This test itself needs the C library.
        let own = std::env::current_exe()
            .and_then(fs::read)
            .expect("the test's own binary");
        let elf = Elf::parse(&*own).expect("an ELF file");
        assert!(is_dynamic(&elf).expect("program headers"));
    }
}
