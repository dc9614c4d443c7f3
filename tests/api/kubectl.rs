//! kubectl with all permissions, as the installing administrator has them.

use std::{ffi::OsStr, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use test_cluster::{access::ClusterAccess, servers};
use tokio::process::Command;

const KUBECONFIG: &str = "kubeconfig";

/// kubectl in one namespace.
pub struct Kubectl {
    binary: PathBuf,
    /// Own kubeconfig and cache: the caller's files are neither read nor written.
    directory: TempDir,
    namespace: String,
}

impl Kubectl {
    /// Builds it where the cache lacks it, which takes about a minute.
    pub async fn new(namespace: &str) -> Result<Self> {
        let binary = tokio::task::spawn_blocking(servers::kubectl).await??;
        let directory = tempfile::tempdir().context("cannot make a directory for kubectl")?;
        let kubeconfig = ClusterAccess::shared().kubeconfig().to_string();
        std::fs::write(directory.path().join(KUBECONFIG), kubeconfig)?;
        Ok(Self {
            binary,
            directory,
            namespace: namespace.to_owned(),
        })
    }

    /// Its kubeconfig, for another client.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join(KUBECONFIG)
    }

    /// Runs it; an error has its output.
    pub async fn run(&self, arguments: &[&dyn AsRef<OsStr>]) -> Result<String> {
        let mut command = Command::new(&self.binary);
        command
            .args(["--namespace", &self.namespace])
            .args(arguments.iter().map(AsRef::as_ref));
        self.output(&mut command).await
    }

    /// Runs a command of a document, in which `kubectl` is this one.
    pub async fn script(&self, text: &str) -> Result<String> {
        let function = "kubectl() { command \"$KUBECTL\" --namespace \"$NAMESPACE\" \"$@\"; }";
        let mut command = Command::new("bash");
        command
            .args(["-o", "pipefail", "-c", &format!("{function}\n{text}")])
            .env("KUBECTL", &self.binary)
            .env("NAMESPACE", &self.namespace);
        self.output(&mut command).await
    }

    async fn output(&self, command: &mut Command) -> Result<String> {
        let output = command
            .env("KUBECONFIG", self.kubeconfig())
            .env("HOME", self.directory.path())
            .kill_on_drop(true)
            .output()
            .await
            .context("cannot run kubectl")?;
        ensure!(
            output.status.success(),
            "kubectl: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
