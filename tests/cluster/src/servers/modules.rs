//! The Go modules that the test cluster's programs are built from.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::pins::KubernetesVersion;

/// A Go module of the test cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Module {
    /// Kubernetes, etcd, distribution and their clients.
    Servers,
    /// Tekton, and tools made from its types. Separate from the servers, because it needs another release of
    /// Kubernetes' libraries.
    Tekton,
    /// Clients of a pull secret, as libraries. Separate from the servers, because those must stay as released, whatever
    /// containers/image requires.
    Consumers,
}

impl Module {
    /// Path of its `go.mod`.
    pub fn directory(self) -> PathBuf {
        let name = match self {
            Self::Servers => "servers",
            Self::Tekton => "tekton",
            Self::Consumers => "consumers",
        };
        Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
    }

    /// Linker flags of its programs, beside the common ones.
    ///
    /// # Errors
    /// If `go_mod`, its text, doesn't say which release it requires.
    pub fn linker_flags(self, go_mod: &str) -> Result<String> {
        match self {
            Self::Servers => Ok(KubernetesVersion::pinned(go_mod)?.linker_flags()),
            Self::Tekton | Self::Consumers => Ok(String::new()),
        }
    }

    /// The package of the module that is our own; the servers have none.
    pub const fn own_package(self) -> Option<&'static str> {
        match self {
            Self::Servers => None,
            Self::Tekton => Some("manifests"),
            Self::Consumers => Some("verdict"),
        }
    }

    /// The Go sources that are the module's own: a change of theirs is another build, as a change of `go.mod` is.
    ///
    /// # Errors
    /// If one can't be read.
    pub fn own_sources(self) -> Result<Vec<String>> {
        let Some(package) = self.own_package() else {
            return Ok(Vec::new());
        };
        let directory = self.directory().join(package);
        let mut paths = fs::read_dir(&directory)
            .and_then(|entries| {
                entries
                    .map(|entry| Ok(entry?.path()))
                    .collect::<std::io::Result<Vec<_>>>()
            })
            .with_context(|| format!("cannot list {}", directory.display()))?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "go"));
        paths.sort();
        paths
            .iter()
            .map(|path| fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display())))
            .collect()
    }
}
