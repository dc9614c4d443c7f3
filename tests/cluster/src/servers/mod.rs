//! The servers' binaries: which versions (`pins`), and how they get built (`build`).

mod build;
mod modules;
pub mod pins;
mod progress;
mod release_module;
pub mod versions;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

pub use self::modules::Module;

/// Directories of the servers' and clients' binaries.
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

/// Builds kubectl of the servers' own Kubernetes release where the cache lacks it. The API tier doesn't need it, so it is
/// not among [`Binaries`]. Blocks for minutes where the cache is cold.
///
/// # Errors
/// If Go is missing, or the build fails.
pub fn kubectl() -> Result<PathBuf> {
    one(&build::KUBECTL)
}

/// Builds the program that checks and renders manifests with Tekton's and kustomize's own code, where the cache lacks
/// it. Blocks for minutes where the cache is cold.
///
/// # Errors
/// If Go is missing, or the build fails.
pub fn manifests() -> Result<PathBuf> {
    one(&build::MANIFESTS)
}

/// Builds Tekton's resolver of bundles where the cache lacks it. Blocks for minutes where the cache is cold.
///
/// # Errors
/// If Go is missing, or the build fails.
pub fn bundle_resolver() -> Result<PathBuf> {
    one(&build::BUNDLE_RESOLVER)
}

/// Builds the program that reports how the kubelet, containers/image and go-containerregistry read a pull secret, if
/// the cache lacks it. Blocks for a minute with a cold cache.
///
/// # Errors
/// If Go is missing, or the build fails.
pub fn verdict() -> Result<PathBuf> {
    one(&build::VERDICT)
}

fn one(tool: &build::Tool) -> Result<PathBuf> {
    build::ensure(&[tool])?.pop().context("one tool gives one path")
}

/// Binaries of a node, beside those of the control plane.
#[derive(Clone, Debug)]
pub struct NodeBinaries {
    /// Keeps the node's pods.
    pub kubelet: PathBuf,
    /// Kubernetes' controllers.
    pub kube_controller_manager: PathBuf,
    /// The scheduler.
    pub kube_scheduler: PathBuf,
    /// Kubernetes' client.
    pub kubectl: PathBuf,
    /// Tekton's controller.
    pub tekton_controller: PathBuf,
    /// Tekton's entrypoint, for its image.
    pub tekton_entrypoint: PathBuf,
}

impl NodeBinaries {
    /// Builds what the cache lacks, with a progress display. Blocks for minutes where the cache is cold.
    ///
    /// # Errors
    /// If Go is missing, or a build fails.
    pub fn ensure() -> Result<Self> {
        let [
            kubelet,
            kube_controller_manager,
            kube_scheduler,
            kubectl,
            tekton_controller,
            tekton_entrypoint,
        ] = build::ensure(&[
            &build::KUBELET,
            &build::KUBE_CONTROLLER_MANAGER,
            &build::KUBE_SCHEDULER,
            &build::KUBECTL,
            &build::TEKTON_CONTROLLER,
            &build::TEKTON_ENTRYPOINT,
        ])?
        .try_into()
        .ok()
        .context("six tools give six paths")?;
        Ok(Self {
            kubelet,
            kube_controller_manager,
            kube_scheduler,
            kubectl,
            tekton_controller,
            tekton_entrypoint,
        })
    }
}

impl Binaries {
    /// Builds the binaries that aren't in the cache yet, with a progress display; returns their directories.
    ///
    /// `KUBEBUILDER_ASSETS`, where set, is the directory of `etcd` and `kube-apiserver`, as controller-runtime's envtest
    /// has it. Blocks for minutes where the cache is cold: call it from a thread that may.
    ///
    /// # Errors
    /// If Go is missing, a build fails, or `KUBEBUILDER_ASSETS` lacks a binary.
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
