//! The directory that the image is built from: here, or by a cluster that gets it sent.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

use crate::platform::Platform;

/// The recipe for ready binaries.
const CONTAINERFILE: &str = include_str!("../Containerfile");

/// What the file is called, as buildah, podman and the BuildConfig look for it.
const FILE_NAME: &str = "Containerfile";

/// The binary's name in the image, at its top.
const BINARY: &str = "ensure-pull-secret";

/// A build's context: the `Containerfile`, and a static binary for each platform.
#[derive(Clone, Debug)]
pub struct BuildContext {
    directory: PathBuf,
    binaries: Vec<(Platform, u64)>,
}

impl BuildContext {
    /// Fills a directory with what a build needs. Whatever was in it is gone afterwards, so that a binary for a
    /// platform that isn't wanted any more can't stay.
    ///
    /// # Errors
    /// Where no binary is given, one can't be read, or the directory can't be written.
    pub fn write(directory: &Path, binaries: &[(Platform, PathBuf)]) -> Result<Self> {
        ensure!(!binaries.is_empty(), "an image without a binary can't be built");
        let mut sizes = Vec::new();
        clear(directory).with_context(|| format!("cannot prepare {}", directory.display()))?;
        for (platform, binary) in binaries {
            let target = directory.join(platform.to_string()).join(BINARY);
            let size = place(binary, &target)
                .with_context(|| format!("cannot copy {} to {}", binary.display(), target.display()))?;
            sizes.push((*platform, size));
        }
        let file = directory.join(FILE_NAME);
        fs::write(&file, CONTAINERFILE).with_context(|| format!("cannot write {}", file.display()))?;
        // The order in which they are named must not make another image.
        sizes.sort_unstable();
        sizes.dedup();
        Ok(Self {
            directory: directory.to_owned(),
            binaries: sizes,
        })
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The platforms, and the size of each one's binary in bytes.
    pub(crate) fn binaries(&self) -> &[(Platform, u64)] {
        &self.binaries
    }
}

fn clear(directory: &Path) -> std::io::Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir_all(directory)
}

/// Copies the binary, for everybody to execute: the image runs as a user that the cluster chooses. Gives its size.
fn place(binary: &Path, target: &Path) -> std::io::Result<u64> {
    if let Some(directory) = target.parent() {
        fs::create_dir_all(directory)?;
    }
    let size = fs::copy(binary, target)?;
    fs::set_permissions(target, fs::Permissions::from_mode(0o755))?;
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_has_the_recipe_and_the_selected_binaries_only() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let binary = directory.path().join("binary");
        fs::write(&binary, "a binary")?;
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o700))?;
        let dist = directory.path().join("dist");
        let both = Platform::ALL.map(|platform| (platform, binary.clone()));
        BuildContext::write(&dist, &both)?;
        assert!(dist.join("linux/arm64").exists());

        let context = BuildContext::write(&dist, &[(Platform::Amd64, binary)])?;
        assert_eq!(context.binaries(), [(Platform::Amd64, 8)]);
        assert!(!dist.join("linux/arm64").exists());
        assert_eq!(fs::read_to_string(dist.join("Containerfile"))?, CONTAINERFILE);
        let mode = fs::metadata(dist.join("linux/amd64/ensure-pull-secret"))?
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o755);
        Ok(())
    }

    #[test]
    fn the_recipe_says_the_version_that_it_ships() {
        let label = format!(
            "org.opencontainers.image.version=\"{}\"",
            env!("CARGO_PKG_VERSION")
        );
        assert!(CONTAINERFILE.contains(&label), "Containerfile lacks {label}");
    }

    #[test]
    fn the_recipe_runs_nothing_and_starts_from_nothing() {
        let instructions: Vec<&str> = CONTAINERFILE
            .lines()
            .filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()))
            .collect();
        assert_eq!(instructions.first(), Some(&"FROM scratch"));
        assert!(
            !instructions.iter().any(|line| line.starts_with("RUN")),
            "{instructions:?}"
        );
    }
}
