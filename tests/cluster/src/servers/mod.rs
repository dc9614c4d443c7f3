//! The servers' binaries: which versions (`pins`), and how they get built (`build`).

mod build;
pub mod pins;
mod progress;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

/// Where the servers' and clients' binaries are.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Binaries {
    /// The API server's store.
    pub etcd: PathBuf,
    /// The Kubernetes API server.
    pub kube_apiserver: PathBuf,
    /// CNCF distribution, the plain registry.
    pub registry: PathBuf,
    /// go-containerregistry's client.
    pub crane: PathBuf,
}

/// Builds kubectl of the servers' own Kubernetes release where the cache lacks it. No test needs it, so it is not among
/// [`Binaries`]. Blocks for minutes where the cache is cold.
///
/// # Errors
/// Where Go is missing, or the build fails.
pub fn kubectl() -> Result<PathBuf> {
    build::ensure(&[&build::KUBECTL])?
        .pop()
        .context("one tool gives one path")
}

impl Binaries {
    /// Builds what isn't in the cache yet, with a progress display, and says where all of it is.
    ///
    /// `KUBEBUILDER_ASSETS`, where set, is the directory of `etcd` and `kube-apiserver`, as controller-runtime's envtest
    /// has it. Blocks for minutes where the cache is cold: call it from a thread that may.
    ///
    /// # Errors
    /// Where Go is missing, a build fails, or `KUBEBUILDER_ASSETS` lacks a binary.
    pub fn ensure() -> Result<Self> {
        let Some(assets) = std::env::var_os("KUBEBUILDER_ASSETS").filter(|value| !value.is_empty()) else {
            let [etcd, kube_apiserver, registry, crane] = build::ensure(&[
                &build::ETCD,
                &build::KUBE_APISERVER,
                &build::REGISTRY,
                &build::CRANE,
            ])?
            .try_into()
            .ok()
            .context("four tools give four paths")?;
            return Ok(Self {
                etcd,
                kube_apiserver,
                registry,
                crane,
            });
        };
        let assets = PathBuf::from(assets);
        let [registry, crane] = build::ensure(&[&build::REGISTRY, &build::CRANE])?
            .try_into()
            .ok()
            .context("two tools give two paths")?;
        let binaries = Self {
            etcd: assets.join("etcd"),
            kube_apiserver: assets.join("kube-apiserver"),
            registry,
            crane,
        };
        for path in [&binaries.etcd, &binaries.kube_apiserver] {
            ensure!(
                path.is_file(),
                "KUBEBUILDER_ASSETS is set, but {} is missing",
                path.display()
            );
        }
        Ok(binaries)
    }
}
