//! The Go modules that the test cluster's programs are built from.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{build::cache_directory, pins::KubernetesVersion, release_module::Release, versions::Versions};

/// A Go module of the test cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Module {
    /// etcd, distribution and their clients.
    Servers,
    /// Kubernetes: in the servers' module, unless another release is selected ([`Versions`]).
    Kubernetes,
    /// Tekton: in the module of the manifests' checks, unless another release is selected.
    Tekton,
    /// Tools made from Tekton's types. Separate from the servers, because they need another release of Kubernetes'
    /// libraries.
    Manifests,
    /// Clients of a pull secret, as libraries. Separate from the servers, because those must stay as released, whatever
    /// containers/image requires.
    Consumers,
}

impl Module {
    /// Path of its `go.mod`.
    ///
    /// # Errors
    /// If another release is selected and its module can't be made.
    pub fn directory(self) -> Result<PathBuf> {
        let name = match self {
            Self::Servers | Self::Kubernetes => "servers",
            Self::Tekton | Self::Manifests => "tekton",
            Self::Consumers => "consumers",
        };
        match self.other_release()? {
            None => Ok(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)),
            Some(release) => release.module(&cache_directory()?),
        }
    }

    fn other_release(self) -> Result<Option<Release>> {
        let selected = Versions::selected()?;
        Ok(match (self, selected) {
            (Self::Kubernetes, Some(pair)) => Some(Release::kubernetes(pair.kubernetes)?),
            (Self::Tekton, Some(pair)) => Some(Release::tekton(pair.tekton)),
            _ => None,
        })
    }

    /// Linker flags of its programs, beside the common ones.
    ///
    /// # Errors
    /// If `go_mod`, its text, doesn't say which release it requires.
    pub fn linker_flags(self, go_mod: &str) -> Result<String> {
        match self {
            Self::Servers | Self::Kubernetes => Ok(KubernetesVersion::pinned(go_mod)?.linker_flags()),
            Self::Tekton | Self::Manifests | Self::Consumers => Ok(String::new()),
        }
    }

    /// The package of the module that is the project's own; the servers have none.
    pub const fn own_package(self) -> Option<&'static str> {
        match self {
            Self::Servers | Self::Kubernetes => None,
            Self::Tekton | Self::Manifests => Some("manifests"),
            Self::Consumers => Some("verdict"),
        }
    }

    /// The Go sources that are the module's own: a change of theirs is another build, as a change of `go.mod` is.
    ///
    /// # Errors
    /// If one can't be read.
    pub fn own_sources(self) -> Result<Vec<String>> {
        let directory = self.directory()?;
        let Some(package) = self
            .own_package()
            .filter(|package| directory.join(package).is_dir())
        else {
            return Ok(Vec::new());
        };
        let directory = directory.join(package);
        let mut paths = Vec::new();
        let mut pending = vec![directory];
        while let Some(directory) = pending.pop() {
            let entries =
                fs::read_dir(&directory).with_context(|| format!("cannot list {}", directory.display()))?;
            for entry in entries {
                let path = entry?.path();
                if path.is_dir() {
                    pending.push(path);
                } else if path.extension().is_some_and(|extension| extension == "go") {
                    paths.push(path);
                }
            }
        }
        paths.sort();
        paths
            .iter()
            .map(|path| fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display())))
            .collect()
    }
}
