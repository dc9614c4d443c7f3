//! Access to a running cluster: its owner writes it, every test process reads it.

use std::{
    ffi::OsStr,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{audit::AuditLog, node::NodeAccess, registry::Registries, servers::Binaries};

/// A running cluster's addresses, authorities, credentials and files.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ClusterAccess {
    /// The cluster's directory: logs, keys, the audit log.
    pub directory: PathBuf,
    /// The API server, https.
    pub api_server: SocketAddr,
    /// The authority of the API server's certificate, PEM.
    pub certificate_authority: String,
    /// The authority of the registries' certificates, PEM.
    pub registry_authority: String,
    /// A bearer token of group `system:masters`.
    pub admin_token: String,
    /// The API server's audit log, one JSON event a line.
    pub audit_log: PathBuf,
    /// The servers' and clients' binaries.
    pub binaries: Binaries,
    /// Every process of the cluster, its supervisor's included.
    pub pids: Vec<u32>,
    /// Registries beside the control plane; none if its owner did not request them.
    pub registries: Option<Registries>,
    /// The node beside the control plane; none where its owner didn't start one.
    pub node: Option<NodeAccess>,
}

impl ClusterAccess {
    /// The variable that holds the path of the state file.
    pub const VARIABLE: &str = "TEST_CLUSTER";

    /// The user agent of the suite's own clients.
    pub const USER_AGENT: &str = "test-cluster";

    /// The cluster that the whole suite shares.
    ///
    /// # Panics
    /// If the suite was started without one, or its state file can't be read.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<ClusterAccess> = OnceLock::new();
        SHARED.get_or_init(|| {
            let state = std::env::var_os(Self::VARIABLE);
            Self::named_by(state.as_deref()).unwrap_or_else(|error| panic!("{error:#}"))
        })
    }

    fn named_by(state: Option<&OsStr>) -> Result<Self> {
        let state =
            state.context("this test needs the test cluster: run the suite with `cargo xtask test`")?;
        Self::read(Path::new(state))
    }

    /// Reads a state file.
    ///
    /// # Errors
    /// If it is missing or isn't one of this project.
    pub fn read(path: &Path) -> Result<Self> {
        let state = fs::read(path).with_context(|| {
            format!(
                "cannot read the test cluster's state, {}; has the cluster ended?",
                path.display()
            )
        })?;
        serde_json::from_slice(&state)
            .with_context(|| format!("{} is not a test cluster's state", path.display()))
    }

    /// Writes a state file, whole or not at all.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let unfinished = path.with_extension("unfinished");
        fs::write(&unfinished, serde_json::to_vec_pretty(self)?)
            .and_then(|()| fs::rename(&unfinished, path))
            .with_context(|| format!("cannot write the test cluster's state, {}", path.display()))
    }

    /// A client with all rights. It belongs to the runtime it was made in: one for each test.
    ///
    /// # Errors
    /// If the client can't be built.
    pub async fn client(&self) -> Result<Client> {
        self.client_of(&self.admin_token).await
    }

    /// A client that authenticates with `token`, such as a service account's.
    ///
    /// # Errors
    /// If the client can't be built.
    pub async fn client_of(&self, token: &str) -> Result<Client> {
        Client::try_from(self.config(token).await?).context("cannot build a client of the test cluster")
    }

    /// An admin client that tries each request once.
    pub(crate) async fn impatient_client(&self) -> Result<Client> {
        let mut config = self.config(&self.admin_token).await?;
        config.default_retry = false;
        Client::try_from(config).context("cannot build a client of the test cluster")
    }

    /// The admin's kubeconfig, as JSON, which kubectl reads too.
    pub fn kubeconfig(&self) -> serde_json::Value {
        self.kubeconfig_of(&self.admin_token)
    }

    /// The registries beside the control plane.
    ///
    /// # Errors
    /// If the cluster was started without them.
    pub fn registries(&self) -> Result<&Registries> {
        self.registries
            .as_ref()
            .context("this test cluster was started without registries")
    }

    /// The node beside the control plane.
    ///
    /// # Errors
    /// If the cluster was started without one.
    pub fn node(&self) -> Result<&NodeAccess> {
        self.node.as_ref().context(
            "this test cluster was started without a node: run the suite with `cargo xtask test --node`",
        )
    }

    /// The API server's audit log.
    pub fn audit(&self) -> AuditLog<'_> {
        AuditLog::new(self)
    }

    async fn config(&self, token: &str) -> Result<Config> {
        let kubeconfig: Kubeconfig = serde_json::from_value(self.kubeconfig_of(token))?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .context("cannot configure a client of the test cluster")?;
        // The caller's HTTPS_PROXY is none of our business: the server is on this machine.
        config.proxy_url = None;
        // User agent of the suite's own requests in the audit log.
        config.headers.push((
            http::header::USER_AGENT,
            http::HeaderValue::from_static(Self::USER_AGENT),
        ));
        Ok(config)
    }

    /// As `kubeconfig`, with another token than the admin's.
    pub fn kubeconfig_of(&self, token: &str) -> serde_json::Value {
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test-cluster",
            "contexts": [{ "name": "test-cluster", "context": { "cluster": "test-cluster", "user": "user" } }],
            "clusters": [{ "name": "test-cluster", "cluster": {
                "server": format!("https://{}", self.api_server),
                "certificate-authority-data": STANDARD.encode(&self.certificate_authority),
            } }],
            "users": [{ "name": "user", "user": { "token": token } }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_without_a_cluster_reports_how_to_run_it() {
        let error = ClusterAccess::named_by(None).expect_err("there is no cluster");
        assert!(
            error
                .to_string()
                .contains("run the suite with `cargo xtask test`"),
            "{error}"
        );
    }

    #[test]
    fn ended_cluster_is_reported() {
        let error =
            ClusterAccess::named_by(Some(OsStr::new("/nowhere/cluster.json"))).expect_err("it is missing");
        let text = error.to_string();
        assert!(
            text.contains("/nowhere/cluster.json") && text.contains("has the cluster ended?"),
            "{text}"
        );
    }
}
