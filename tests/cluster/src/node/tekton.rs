//! Tekton: its definitions and settings as its own release has them, and its controller as a plain process.
//!
//! Without the webhook: lint runs its checks with the same code, and the controller runs them again. Without it the
//! definitions can't convert between versions, so only the stored versions exist.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, api::ListParams};
use serde_json::{Value, json};

use super::{images::Images, network::NODE};
use crate::{
    manifest::{apply_documents, documents},
    server_process::ServerProcess,
    servers::{Module, NodeBinaries, versions::Versions},
    supervisor::Supervisor,
};

/// Namespace of Tekton's settings and controller.
pub const NAMESPACE: &str = "tekton-pipelines";
/// Time limit for definitions and controller to get ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// Interval between requests to the API server.
const POLL: Duration = Duration::from_millis(50);
/// Readiness endpoint of its controller.
const PROBES_PORT: u16 = 8080;

/// Tekton's settings that a controller needs to start (each of its packages under `pkg/apis/config`).
const SETTINGS: [&str; 9] = [
    "config-defaults.yaml",
    "config-events.yaml",
    "config-feature-flags.yaml",
    "config-leader-election-controller.yaml",
    "config-logging.yaml",
    "config-observability.yaml",
    "config-spire.yaml",
    "config-tracing.yaml",
    "config-wait-exponential-backoff.yaml",
];

/// Where a release's manifests are: in its own module.
///
/// # Errors
/// If Go can't tell.
pub(super) fn configuration_directory() -> Result<PathBuf> {
    let output = Command::new("go")
        .args(["list", "-m", "-f", "{{.Dir}}", "github.com/tektoncd/pipeline"])
        .current_dir(Module::Tekton.directory()?)
        .env("GOFLAGS", "-mod=mod")
        .env("GOWORK", "off")
        .output()
        .context("cannot run `go`; install Go to build the test cluster's servers")?;
    ensure!(
        output.status.success(),
        "`go list` does not know Tekton's module:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(Path::new(String::from_utf8_lossy(&output.stdout).trim()).join("config"))
}

/// Applies Tekton's custom resource definitions, and returns when the API server serves them.
///
/// # Errors
/// If Tekton's module is missing, or the API server refuses one.
pub async fn define(client: &Client) -> Result<()> {
    let directory = configuration_directory()?.join("300-crds");
    let mut definitions = Vec::new();
    for entry in fs::read_dir(&directory).with_context(|| format!("cannot list {}", directory.display()))? {
        let path = entry?.path();
        for mut definition in read(&path)? {
            if let Some(spec) = definition.get_mut("spec").and_then(Value::as_object_mut) {
                spec.remove("conversion");
            }
            definitions.push(definition);
        }
    }
    ensure!(!definitions.is_empty(), "{} defines nothing", directory.display());
    let count = definitions.len();
    apply_documents(client, NAMESPACE, definitions).await?;

    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let established = async {
        loop {
            let served = api
                .list(&ListParams::default())
                .await?
                .into_iter()
                .filter(is_established)
                .count();
            if served >= count {
                return anyhow::Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(PATIENCE, established)
        .await
        .context("the API server does not serve Tekton's definitions")?
}

fn is_established(definition: &CustomResourceDefinition) -> bool {
    let conditions = definition
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Established" && condition.status == "True")
}

pub(super) fn read(path: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    documents(&text).with_context(|| format!("cannot read {}", path.display()))
}

/// Defines Tekton's kinds, applies its settings and starts its controller; it is ready when this returns.
///
/// # Errors
/// If any of it fails.
pub async fn start(
    supervisor: &Supervisor,
    binaries: &NodeBinaries,
    kubeconfig: &Path,
    images: &Images,
    client: &Client,
) -> Result<ServerProcess> {
    define(client).await?;
    let directory = configuration_directory()?;
    let mut settings =
        vec![json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } })];
    for name in SETTINGS {
        let path = directory.join(name);
        // An older release has fewer.
        if path.is_file() || Versions::selected()?.is_none() {
            settings.extend(read(&path)?);
        }
    }
    for setting in &mut settings {
        if setting["metadata"]["name"] == "feature-flags" {
            // Without it, the API server rejects Tekton's own containers in a namespace that enforces `restricted`.
            setting["data"]["set-security-context"] = json!("true");
            // There is no sidecar injection, so a step need not wait until its pod is read again.
            setting["data"]["running-in-environment-with-injected-sidecars"] = json!("false");
        }
    }
    apply_documents(client, NAMESPACE, settings).await?;

    let mut command = supervisor.command(&binaries.tekton_controller)?;
    command
        .env_clear()
        .args(["-disable-ha", "-kubeconfig"])
        .arg(kubeconfig)
        .args(["-entrypoint-image", &images.entrypoint])
        .env("SYSTEM_NAMESPACE", NAMESPACE)
        .env("KUBERNETES_MIN_VERSION", "v1.28.0")
        .env("CONFIG_DEFAULTS_NAME", "config-defaults")
        .env("CONFIG_LOGGING_NAME", "config-logging")
        .env("CONFIG_OBSERVABILITY_NAME", "config-observability")
        .env("CONFIG_FEATURE_FLAGS_NAME", "feature-flags")
        .env("CONFIG_LEADERELECTION_NAME", "config-leader-election-controller")
        .env("CONFIG_SPIRE", "config-spire")
        .env("PROBES_PORT", PROBES_PORT.to_string());
    // For scripts, working directories and sidecars; the flags must not be empty.
    command.args(["-shell-image", &images.busybox]);
    for flag in [
        "-nop-image",
        "-sidecarlogresults-image",
        "-workingdirinit-image",
        "-shell-image-win",
    ] {
        command.args([flag, "unused.invalid/unused"]);
    }
    let log = supervisor.directory().join("tekton.log");
    let mut controller = ServerProcess::spawn("Tekton's controller", command, &log)?;
    controller
        .await_ready(PATIENCE, || async {
            is_ready(PROBES_PORT).await.unwrap_or(false)
        })
        .await?;
    Ok(controller)
}

/// True if a controller answers its readiness probe on this port.
pub(super) async fn is_ready(port: u16) -> Result<bool> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect((NODE, port)).await?;
    stream
        .write_all(b"GET /readiness HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}
