//! The binary's size against its budget, and that it needs nothing to run.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use container_image::Platform;
use object::{
    Endianness,
    elf::{DT_NEEDED, FileHeader64, PT_INTERP},
    read::elf::{Dyn as _, ElfFile, FileHeader as _, ProgramHeader as _},
};

use crate::{c_compiler, project, release};

/// Largest allowed binary, in bytes. The one for x86_64 is the larger one; a probe of it with the same API calls took
/// 2.39 MB. Since 0.1 the largest additions were the verification of each kind of registry (about 30 KB), Kubernetes
/// tokens recognised inside other text, and names that show a secret in any encoding (about 10 KB each).
const BUDGET: u64 = 2_650_000;

type Elf<'data> = ElfFile<'data, FileHeader64<Endianness>>;

/// Builds the release binary for each platform of the image, and checks that it is static and within its budget.
///
/// # Errors
/// Where it can't be built, is too large, or asks for an interpreter or a library; in CI, where a platform has no
/// compiler.
pub fn check() -> Result<()> {
    for platform in Platform::ALL {
        match c_compiler::variable(platform) {
            Err(error) if !project::in_ci() => {
                eprintln!("the binary for {platform} was not checked: {error}")
            }
            _ => check_for(platform)?,
        }
    }
    Ok(())
}

fn check_for(platform: Platform) -> Result<()> {
    let path = release::build_for(platform)?;
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let elf = Elf::parse(&*bytes).with_context(|| format!("{} is no 64-bit ELF file", path.display()))?;
    let size = u64::try_from(bytes.len())?;
    let target = platform.target();
    println!("{target}: {size} bytes, {} % of the budget", size * 100 / BUDGET);
    let needs = needs(&elf)?;
    ensure!(
        needs.is_empty(),
        "the binary is not static: it needs {}",
        needs.join(", ")
    );
    println!("static: no interpreter, no shared library");
    ensure!(
        size <= BUDGET,
        "the binary for {target} is {size} bytes, {} over its budget of {BUDGET}; `cargo tree -e features` and `cargo bloat` show what grew",
        size - BUDGET
    );
    Ok(())
}

/// What the file asks the system for: a dynamic loader, shared libraries.
fn needs(elf: &Elf<'_>) -> Result<Vec<String>> {
    let (endian, data) = (elf.endian(), elf.data());
    let mut needs = Vec::new();
    for header in elf.elf_header().program_headers(endian, data)? {
        if header.p_type(endian) == PT_INTERP {
            needs.push("a dynamic loader".to_owned());
        }
        for entry in header.dynamic(endian, data)?.into_iter().flatten() {
            if entry.d_tag(endian) == DT_NEEDED {
                needs.push("a shared library".to_owned());
            }
        }
    }
    Ok(needs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_binary_is_told_from_a_static_one() {
        // This test itself needs the C library.
        let own = std::env::current_exe()
            .and_then(fs::read)
            .expect("the test's own binary");
        let elf = Elf::parse(&*own).expect("an ELF file");
        let needs = needs(&elf).expect("program headers");
        assert!(needs.contains(&"a dynamic loader".to_owned()), "{needs:?}");
        assert!(needs.contains(&"a shared library".to_owned()), "{needs:?}");
    }
}
