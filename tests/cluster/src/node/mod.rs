//! A whole node beside a control plane: kubelet on containerd, Kubernetes' controllers, scheduler, and Tekton.
//!
//! All of it is in its own namespaces ([`namespaces`]), which end everything in them.

pub mod bundle_resolver;
mod container_runtime;
mod images;
mod kubernetes;
pub mod namespaces;
mod network;
pub mod platform;
pub mod tekton;

use std::{net::Ipv4Addr, path::PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

pub use self::{
    images::{Images, busybox},
    tekton::define as define_tekton,
};
use self::{
    kubernetes::{Kubernetes, Setup},
    network::Forwarders,
};
use crate::{
    access::ClusterAccess,
    control_plane::{Cluster, Options},
    server_process::ServerProcess,
    servers::NodeBinaries,
};

/// Access to a node, beside that of its control plane.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct NodeAccess {
    /// Kubernetes' client.
    pub kubectl: PathBuf,
    /// The admin's kubeconfig.
    pub kubeconfig: PathBuf,
    /// Images that the node can pull without a credential.
    pub images: Images,
    /// The registries' names and addresses, for `hostAliases`.
    pub hosts: Vec<(String, Ipv4Addr)>,
    /// containerd's socket.
    pub container_runtime: PathBuf,
    /// The control group below which the pods' are.
    pub control_group: String,
}

/// The control plane of a node: pods reach it too.
pub fn options() -> Options {
    Options::new()
        .registries()
        .api_server_port(network::API_SERVER_PORT)
        .flag("bind-address", "0.0.0.0")
        .flag("advertise-address", network::NODE.to_string())
        .flag("allow-privileged", "true")
}

/// A node that lives as long as this value, or its process.
pub struct Node {
    // In the order of their end: who starts pods before who runs them.
    _tekton: ServerProcess,
    _kubernetes: Kubernetes,
    _container_runtime: ServerProcess,
    _forwarders: Forwarders,
}

impl Node {
    /// Starts a node beside `cluster`, whose options are [`options`], inside its own namespaces, and adds it to the
    /// cluster's access.
    ///
    /// # Errors
    /// If something can't be built, started, or doesn't get ready.
    pub async fn start(cluster: &mut Cluster, control_group: &str) -> Result<Self> {
        let binaries = tokio::task::spawn_blocking(NodeBinaries::ensure)
            .await
            .context("the build of the node's programs was cut off")??;
        let access = cluster.access().clone();
        let registries = access.registries()?;
        let supervisor = cluster.supervisor();
        let forwarders = Forwarders::start(registries)?;
        let images = Images::push(registries, &binaries.tekton_entrypoint)?;
        let kubeconfig = write_kubeconfig(&access)?;
        let client = access.client().await?;
        let container_runtime = container_runtime::start(supervisor, registries, &images.pause).await?;
        let setup = Setup {
            supervisor,
            binaries: &binaries,
            kubeconfig: &kubeconfig,
            certificate_authority: &access.certificate_authority,
            signing_key: cluster.signing_key().private_pem(),
            control_group,
        };
        let (kubernetes, tekton) = tokio::try_join!(
            Kubernetes::start(setup, &client),
            tekton::start(supervisor, &binaries, &kubeconfig, &images, &client),
        )?;
        cluster.set_node(NodeAccess {
            kubectl: binaries.kubectl.clone(),
            kubeconfig,
            images,
            hosts: network::names(registries)?,
            container_runtime: PathBuf::from(container_runtime::SOCKET),
            control_group: control_group.to_owned(),
        });
        Ok(Self {
            _tekton: tekton,
            _kubernetes: kubernetes,
            _container_runtime: container_runtime,
            _forwarders: forwarders,
        })
    }
}

fn write_kubeconfig(access: &ClusterAccess) -> Result<PathBuf> {
    let path = access.directory.join("kubeconfig");
    std::fs::write(&path, serde_json::to_vec_pretty(&access.kubeconfig())?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
