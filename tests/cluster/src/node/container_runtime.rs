//! containerd: its files, and its configuration of the registries.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use requirements::network_plugins;
use serde_json::json;

use super::network::{FIRST_POD, PODS};
use crate::{registry::Registries, server_process::ServerProcess, supervisor::Supervisor};

/// Time limit to get ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// Its socket, in the node's own `/run`.
pub const SOCKET: &str = "/run/containerd/containerd.sock";

/// Starts containerd with `sandbox` as the image that holds a pod's namespaces; it is ready when this returns.
///
/// # Errors
/// If a file can't be written, the network plugins are missing, or it doesn't get ready.
pub async fn start(supervisor: &Supervisor, registries: &Registries, sandbox: &str) -> Result<ServerProcess> {
    let directory = supervisor.directory().join("containerd");
    fs::create_dir_all(directory.join("cni")).context("cannot make containerd's directory")?;
    trust(&directory.join("certs.d"), registries)?;
    put(
        &directory.join("cni/10-pods.conflist"),
        &network(&directory).to_string(),
    )?;
    let configuration = directory.join("containerd.toml");
    let plugins = network_plugins().context("the network plugins are not installed")?;
    put(&configuration, &configuration_of(&directory, plugins, sandbox))?;

    let mut command = supervisor.command(Path::new("containerd"))?;
    command.arg("--config").arg(&configuration);
    // Its children inherit this: no proxy leads to registries that exist only here.
    for variable in [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ] {
        command.env_remove(variable);
    }
    let mut server = ServerProcess::spawn("containerd", command, &directory.join("containerd.log"))?;
    server
        .await_ready(PATIENCE, || async {
            tokio::net::UnixStream::connect(SOCKET).await.is_ok()
        })
        .await?;
    Ok(server)
}

fn put(path: &Path, content: &str) -> Result<()> {
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

/// CA of each registry's certificate (containerd, docs/hosts.md). It is there twice, since the server is requested
/// again after the host: otherwise a missing image would be reported as an untrusted certificate.
fn trust(directory: &Path, registries: &Registries) -> Result<()> {
    let authority = directory.join("authority.pem");
    for registry in registries.all() {
        let name = &registry.host.name;
        let host: PathBuf = directory.join(name);
        fs::create_dir_all(&host).with_context(|| format!("cannot make {}", host.display()))?;
        put(
            &host.join("hosts.toml"),
            &format!(
                "server = \"https://{name}\"\nca = \"{authority}\"\n[host.\"https://{name}\"]\nca = \"{authority}\"\n",
                authority = authority.display()
            ),
        )?;
    }
    put(&authority, &registries.ca)
}

/// One bridge for all pods, with the node's own address.
fn network(directory: &Path) -> serde_json::Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": true,
                "ipam": {
                    "type": "host-local",
                    "dataDir": directory.join("addresses"),
                    "ranges": [[{ "subnet": PODS, "rangeStart": FIRST_POD }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                },
            },
            { "type": "loopback" },
        ],
    })
}

/// Its configuration, version 2, which containerd 1.6 to 2 read.
fn configuration_of(directory: &Path, plugins: &str, sandbox: &str) -> String {
    let directory = directory.display();
    format!(
        r#"version = 2
root = "{directory}/root"
state = "/run/containerd"
# Snapshotters of file systems that don't exist here; they only log errors.
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]

[grpc]
address = "{SOCKET}"

[plugins."io.containerd.internal.v1.opt"]
path = "{directory}/opt"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{sandbox}"
# A container without CAP_SYS_RESOURCE, as CI is one, can't be less likely to be killed than its parent.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "{directory}/certs.d"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{directory}/cni"
"#
    )
}
