//! kubectl, as the user has it.

use std::{ffi::OsStr, path::Path, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use test_cluster::node::NodeAccess;
use tokio::{io::AsyncWriteExt as _, process::Command};

/// kubectl with the admin's rights, in one namespace.
#[derive(Clone, Debug)]
pub struct Kubectl {
    node: NodeAccess,
    namespace: String,
}

impl Kubectl {
    /// kubectl of `node`, in `namespace`.
    pub fn new(node: &NodeAccess, namespace: &str) -> Self {
        Self {
            node: node.clone(),
            namespace: namespace.to_owned(),
        }
    }

    /// A command that knows cluster and namespace, to which arguments can be added.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.node.kubectl);
        command
            .env("KUBECONFIG", &self.node.kubeconfig)
            .args(["--namespace", &self.namespace])
            .kill_on_drop(true);
        command
    }

    /// Runs it; returns its output.
    ///
    /// # Errors
    /// If it fails, with its standard error.
    pub async fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<String> {
        self.run_with_input(arguments, "").await
    }

    /// As `run`, with something on standard input.
    ///
    /// # Errors
    /// If it fails, with its standard error.
    pub async fn run_with_input<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: &str,
    ) -> Result<String> {
        let mut command = self.command();
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot run kubectl")?;
        let mut stdin = child.stdin.take().context("standard input is piped")?;
        stdin
            .write_all(input.as_bytes())
            .await
            .context("kubectl does not read")?;
        drop(stdin);
        let output = child
            .wait_with_output()
            .await
            .context("cannot wait for kubectl")?;
        ensure!(
            output.status.success(),
            "kubectl failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Applies a kustomization as the user does.
    ///
    /// # Errors
    /// If kubectl refuses it.
    pub async fn apply_kustomization(&self, directory: &Path) -> Result<String> {
        self.run([
            OsStr::new("apply"),
            OsStr::new("--kustomize"),
            directory.as_os_str(),
        ])
        .await
    }

    /// Creates objects of a manifest, and gives their names as `kind/name`, one a line.
    ///
    /// # Errors
    /// If the API server refuses one.
    pub async fn create(&self, manifest: &str) -> Result<String> {
        let names = self
            .run_with_input(["create", "--filename", "-", "--output", "name"], manifest)
            .await?;
        Ok(names.trim().to_owned())
    }

    /// An object, such as `pod/model`, in its current state.
    ///
    /// # Errors
    /// If there is none.
    pub async fn get(&self, name: &str) -> Result<Value> {
        let object = self.run(["get", name, "--output", "json"]).await?;
        serde_json::from_str(&object).with_context(|| format!("kubectl's {name} is no JSON"))
    }

    /// The objects of a kind, with a label selector where it isn't empty.
    ///
    /// # Errors
    /// If kubectl fails.
    pub async fn list(&self, kind: &str, selector: &str) -> Result<Vec<Value>> {
        let list = self
            .run(["get", kind, "--selector", selector, "--output", "json"])
            .await?;
        let list: Value =
            serde_json::from_str(&list).with_context(|| format!("kubectl's list of {kind} is no JSON"))?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }
}
