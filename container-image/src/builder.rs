//! The program that builds images: buildah, or podman, which has buildah inside.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::storage::Storage;

/// The programs that can do it; the first one that is there does.
const PROGRAMS: [&str; 2] = ["buildah", "podman"];

/// buildah or podman: the options that are used here are the same in both.
#[derive(Clone, Debug)]
pub struct Builder {
    program: PathBuf,
}

impl Builder {
    /// The installed one; buildah where both are.
    ///
    /// # Errors
    /// Where neither is in `PATH`.
    pub fn installed() -> Result<Self> {
        Self::all_installed()
            .into_iter()
            .next()
            .context("neither buildah nor podman is installed, and one of them has to build the image: install the package `buildah`")
    }

    /// Each one that is installed.
    pub fn all_installed() -> Vec<Self> {
        Self::all_in(&env::var_os("PATH").unwrap_or_default())
    }

    fn all_in(path: &OsStr) -> Vec<Self> {
        PROGRAMS
            .into_iter()
            .filter_map(|name| {
                env::split_paths(path)
                    .map(|directory| directory.join(name))
                    .find(|candidate| candidate.is_file())
            })
            .map(|program| Self { program })
            .collect()
    }

    /// The program's path.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs it on a storage, with the caller's environment and what is put beside it: credentials and proxies are found
    /// where they always are.
    ///
    /// # Errors
    /// Where it fails; the error holds what it wrote to standard error.
    pub(crate) async fn run(
        &self,
        storage: &Storage,
        arguments: Vec<OsString>,
        environment: Option<(&str, &str)>,
    ) -> Result<()> {
        let output = Command::new(&self.program)
            .args(storage.options())
            .args(arguments)
            .env("TMPDIR", storage.temporary())
            .envs(environment)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        ensure!(
            output.status.success(),
            "{}: {}: {}",
            self.program.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buildah_is_preferred_and_podman_will_do() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path();
        assert!(Builder::all_in(path.as_os_str()).is_empty());
        for (name, first) in [("podman", "podman"), ("buildah", "buildah")] {
            std::fs::write(path.join(name), "")?;
            let found = Builder::all_in(path.as_os_str());
            assert_eq!(found.first().map(Builder::program), Some(&*path.join(first)));
        }
        assert_eq!(Builder::all_in(path.as_os_str()).len(), 2);
        Ok(())
    }
}
