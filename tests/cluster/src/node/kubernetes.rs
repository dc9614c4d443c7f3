//! Controllers, scheduler and kubelet, which act on the control plane's objects.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Node;
use kube::{Api, Client};
use serde_json::json;

use super::{container_runtime::SOCKET, network::NODE};
use crate::{server_process::ServerProcess, servers::NodeBinaries, supervisor::Supervisor};

/// The node's name.
pub const NAME: &str = "node";
/// Time limit for the node to get ready.
const PATIENCE: Duration = Duration::from_secs(120);

/// Common arguments.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// Ends them, however their owner ends.
    pub supervisor: &'a Supervisor,
    /// Their programs.
    pub binaries: &'a NodeBinaries,
    /// The admin's kubeconfig.
    pub kubeconfig: &'a Path,
    /// The authority of the API server's certificate, PEM, which every pod gets.
    pub certificate_authority: &'a str,
    /// The key that service account tokens are signed with, PEM: for the tokens in Secrets.
    pub signing_key: &'a str,
    /// The control group below which pods get theirs.
    pub control_group: &'a str,
}

/// The processes; they end when this is dropped.
#[derive(Debug)]
pub struct Kubernetes {
    _kubelet: ServerProcess,
    _scheduler: ServerProcess,
    _controllers: ServerProcess,
}

impl Kubernetes {
    /// Starts them; the node is ready when this returns.
    ///
    /// # Errors
    /// If one can't be started, or the node doesn't get ready.
    pub async fn start(setup: Setup<'_>, client: &Client) -> Result<Self> {
        let controllers = setup.controllers()?;
        let scheduler = setup.spawn(
            "kube-scheduler",
            &setup.binaries.kube_scheduler,
            &["--leader-elect=false".to_owned()],
        )?;
        let mut kubelet = setup.kubelet()?;
        let nodes: Api<Node> = Api::all(client.clone());
        kubelet.await_ready(PATIENCE, || is_ready(nodes.clone())).await?;
        Ok(Self {
            _kubelet: kubelet,
            _scheduler: scheduler,
            _controllers: controllers,
        })
    }
}

async fn is_ready(nodes: Api<Node>) -> bool {
    let Ok(node) = nodes.get(NAME).await else {
        return false;
    };
    let conditions = node.status.and_then(|status| status.conditions);
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

impl Setup<'_> {
    fn controllers(&self) -> Result<ServerProcess> {
        let authority = self.put("ca.crt", self.certificate_authority)?;
        let key = self.put("controllers-service-account.key", self.signing_key)?;
        self.spawn(
            "kube-controller-manager",
            &self.binaries.kube_controller_manager,
            &[
                format!("--root-ca-file={}", authority.display()),
                format!("--service-account-private-key-file={}", key.display()),
                "--use-service-account-credentials=false".to_owned(),
                "--leader-elect=false".to_owned(),
                // The only node's pods get their addresses from the network plugin.
                "--controllers=*,-node-ipam-controller".to_owned(),
            ],
        )
    }

    fn kubelet(&self) -> Result<ServerProcess> {
        let directory = self.supervisor.directory();
        let configuration = self.put(
            "kubelet.json",
            &kubelet_configuration(directory, self.control_group).to_string(),
        )?;
        self.spawn(
            "kubelet",
            &self.binaries.kubelet,
            &[
                format!("--config={}", configuration.display()),
                format!("--hostname-override={NAME}"),
                format!("--node-ip={NODE}"),
                format!("--root-dir={}", directory.join("kubelet").display()),
                format!("--cert-dir={}", directory.join("kubelet-certificates").display()),
            ],
        )
    }

    fn spawn(&self, name: &str, binary: &Path, flags: &[String]) -> Result<ServerProcess> {
        let mut command = self.supervisor.command(binary)?;
        command
            .arg(format!("--kubeconfig={}", self.kubeconfig.display()))
            .args(flags)
            .env_clear();
        // Kubelet looks for mount and iptables.
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        let log = self.supervisor.directory().join(format!("{name}.log"));
        ServerProcess::spawn(name, command, &log)
    }

    fn put(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.supervisor.directory().join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

/// The kubelet's configuration (`kubelet.config.k8s.io/v1beta1`).
fn kubelet_configuration(directory: &Path, control_group: &str) -> serde_json::Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": format!("unix://{SOCKET}"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{control_group}"),
        "enforceNodeAllocatable": [],
        // Machines that CI runs on may have the older control groups, and swap.
        "failCgroupV1": false,
        "failSwapOn": false,
        // No name server exists here.
        "resolvConf": "",
        "podLogsDir": directory.join("pod-logs"),
        "volumePluginDir": directory.join("volume-plugins"),
        // Only this network namespace reaches it.
        "authentication": { "anonymous": { "enabled": true }, "webhook": { "enabled": false } },
        "authorization": { "mode": "AlwaysAllow" },
        // A full disk of the machine is not under test.
        "evictionHard": { "nodefs.available": "0%", "imagefs.available": "0%", "memory.available": "0%" },
        "maxPods": 250,
        // Tests run at the same time: a pull that waits for another's would be slow, not wrong.
        "serializeImagePulls": false,
        "registryPullQPS": 0,
    })
}
