//! The image of what people do today: bash with its libraries, kubectl, and the script. It has nothing else, and is
//! smaller than those that people use.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use container_image::{Builder, BuiltImage};

use crate::bench::contender::SCRIPT;

/// Debian's.
const BASH: &str = "/bin/bash";
/// The script's place in the image.
pub const SCRIPT_PATH: &str = "/shell.sh";

const CONTAINERFILE: &str = "\
FROM scratch
COPY root/ /
ENV PATH=/bin
USER 65532:65532
";

/// Builds it as the program's image is built, by the same builder.
///
/// # Errors
/// Where bash is missing, or the builder fails.
pub async fn build(builder: &Builder, kubectl: &Path) -> Result<BuiltImage> {
    let context = tempfile::tempdir().context("cannot create a directory for the build's context")?;
    let root = context.path().join("root");
    let place = |from: &Path, to: &str| -> Result<()> {
        let target = root.join(to.trim_start_matches('/'));
        fs::create_dir_all(target.parent().context("a file is in a directory")?)
            .and_then(|()| fs::copy(from, &target))
            .with_context(|| format!("cannot copy {} to {}", from.display(), target.display()))?;
        Ok(())
    };
    let mut files = BTreeSet::new();
    for (program, name) in [(Path::new(BASH), "/bin/bash"), (kubectl, "/bin/kubectl")] {
        place(program, name)?;
        files.extend(libraries(program)?);
    }
    for library in files {
        place(&library, &library.to_string_lossy())?;
    }
    fs::write(root.join(SCRIPT_PATH.trim_start_matches('/')), SCRIPT)
        .and_then(|()| fs::write(context.path().join("Containerfile"), CONTAINERFILE))
        .context("cannot write the build's context")?;
    BuiltImage::build_other(builder, context.path()).await
}

/// The shared libraries of a program, its loader among them; none of a static one.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .context("cannot run ldd")?;
    Ok(in_words(&String::from_utf8_lossy(&output.stdout)))
}

/// The paths that ldd names: `name => path (address)`, or `path (address)`.
fn in_words(said: &str) -> Vec<PathBuf> {
    said.lines()
        .filter_map(|line| {
            line.split_whitespace()
                .find(|word| word.starts_with('/') && !word.ends_with(':'))
        })
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldd_names_libraries_and_the_loader() {
        let said = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f54)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f55)\n";
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(in_words(said), expected);
        assert_eq!(
            in_words("\tnot a dynamic executable\n"),
            [""; 0].map(PathBuf::from)
        );
    }
}
