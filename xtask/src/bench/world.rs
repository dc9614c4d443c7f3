//! One contender's namespace: accounts with their rights, an image, and the Secret in the state that is measured.

use std::{net::SocketAddr, path::Path};

use anyhow::{Context as _, Result, ensure};
use ensure_pull_secret::grant::{self, RoleNeeds};
use serde_json::json;
use tempfile::TempDir;
use test_cluster::{
    access::ClusterAccess,
    identity::ServiceAccountDir,
    namespace::TestNamespace,
    program::RESULTS,
    registry::{OPENSHIFT, push_image},
};

use super::{
    job::Job,
    state::State,
    stored::{NEXT_RUN_WITHIN, Stored},
};

/// The Secret.
pub const SECRET: &str = "model-registry";
/// Whose tokens are stored.
pub const PULLER: &str = "model-puller";
/// Runs the contender.
const RUNNER: &str = "model-pipeline-sa";

/// Where the servers are reached: themselves, or what stands in front of them.
#[derive(Clone, Copy, Debug)]
pub struct Ways {
    /// The API server.
    pub api_server: SocketAddr,
    /// OpenShift's registry.
    pub registry: SocketAddr,
}

/// A namespace with all that a contender needs.
pub struct World {
    namespace: TestNamespace,
    runner: ServiceAccountDir,
    image: String,
    results: TempDir,
    stored: Stored,
}

impl Ways {
    /// Straight to the servers.
    ///
    /// # Errors
    /// Where the cluster has no registries.
    pub fn direct(access: &ClusterAccess) -> Result<Self> {
        Ok(Self {
            api_server: access.api_server,
            registry: access.registries()?.openshift.host.address,
        })
    }
}

impl World {
    /// A new namespace: the shipped Role for who runs the contender, the right to pull for whose token is stored.
    ///
    /// # Errors
    /// Where the API server or the registry refuses any of it.
    pub async fn new(access: &ClusterAccess, name: &str) -> Result<Self> {
        let namespace = TestNamespace::within(access, name).await?;
        for account in [RUNNER, PULLER] {
            namespace.service_account(account).await?;
        }
        let needs = RoleNeeds {
            namespace: namespace.name(),
            secret: SECRET,
            minted_for: Some(PULLER),
            runner: Some((namespace.name(), RUNNER)),
        };
        namespace.apply(&grant::role(&needs)).await?;
        let pull = json!([
            { "apiGroups": ["image.openshift.io"], "resources": ["imagestreams/layers"], "verbs": ["get"] },
        ]);
        namespace.grant(PULLER, "image-puller", pull).await?;
        let runner = namespace.identity(RUNNER).await?;
        let repository = format!("{}/granite:1.0", namespace.name());
        let store = access.registries()?.store;
        tokio::task::block_in_place(|| push_image(store, &repository))?;
        Ok(Self {
            image: format!("{OPENSHIFT}/{repository}"),
            results: results()?,
            stored: Stored::new(&namespace, SECRET, PULLER),
            namespace,
            runner,
        })
    }

    /// The namespace.
    pub fn namespace(&self) -> &TestNamespace {
        &self.namespace
    }

    /// What the contender's pod has mounted.
    pub fn runner(&self) -> &ServiceAccountDir {
        &self.runner
    }

    /// Lets the account also create Secrets of any name, which `kubectl apply` does by POST; the program doesn't need it.
    ///
    /// # Errors
    /// Where the API server refuses it.
    pub async fn grant_create(&self) -> Result<()> {
        let rules = json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["create"] }]);
        self.namespace.grant(RUNNER, "create-secrets", rules).await
    }

    /// What another pod of the same account has mounted, with `authority` (PEM) in place of the API server's.
    ///
    /// # Errors
    /// Where the API server refuses the pod.
    pub async fn trusting(&self, authority: &str) -> Result<ServiceAccountDir> {
        let identity = self.namespace.identity(RUNNER).await?;
        std::fs::write(identity.file("ca.crt"), authority).context("cannot write ca.crt")?;
        Ok(identity)
    }

    /// The program, as a pod has it.
    pub fn program(&self, binary: &Path, identity: &ServiceAccountDir, ways: Ways) -> Job {
        let job = Job::new(binary)
            .env("PULL_SECRET_NAME", SECRET)
            .env("PULL_SECRET_SERVICE_ACCOUNT", PULLER)
            .env("PULL_SECRET_IMAGE", &self.image)
            .env("PULL_SECRET_NEXT_RUN_WITHIN", NEXT_RUN_WITHIN)
            .env("PULL_SECRET_CONNECT_TO", format!("{OPENSHIFT}={}", ways.registry))
            .env("PULL_SECRET_SERVICE_ACCOUNT_DIR", identity.path())
            .env("KUBERNETES_SERVICE_HOST", ways.api_server.ip().to_string())
            .env("KUBERNETES_SERVICE_PORT", ways.api_server.port().to_string());
        RESULTS.iter().fold(job, |job, name| {
            job.env(format!("RESULTS_{name}_PATH"), self.results.path().join(name))
        })
    }

    /// Fails where the program did anything else than `state` calls for.
    ///
    /// # Errors
    /// What it did instead.
    pub fn ensure_it_did(&self, state: State) -> Result<()> {
        let result = |name| std::fs::read_to_string(self.results.path().join(name)).unwrap_or_default();
        ensure!(
            result("ACTION") == state.action() && result("VERIFIED") == "pull",
            "at the {} the program ended with {} {}: {}",
            state.name(),
            result("ACTION"),
            result("VERIFIED"),
            result("MESSAGE")
        );
        Ok(())
    }

    /// Brings the Secret into the state before a job is made, but for the steady one, in which the last run has left it.
    ///
    /// # Errors
    /// Where the API server refuses it.
    pub async fn prepare(&mut self, state: State) -> Result<()> {
        // Each run has new files, as in a new pod, and none is taken for another's.
        self.results = results()?;
        self.stored.prepare(state).await
    }
}

fn results() -> Result<TempDir> {
    tempfile::tempdir().context("cannot make a directory for the results")
}
