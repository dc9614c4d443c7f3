//! The cluster of the demo: a namespace as OpenShift AI has it, its ServiceAccounts, an image, a client.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use test_cluster::{
    access::ClusterAccess,
    clients::{Crane, Network},
    identity::ServiceAccountDir,
    listener::ConnectProxy,
    namespace::TestNamespace,
    program::{Outcome, Program},
    registry::{OPENSHIFT, push_image},
};

use ensure_pull_secret::kubernetes::rbac_yaml::PULLER;

use crate::{
    generate::{ROLE, RUNNER, names},
    project,
};

/// An unmanaged entry in the same document, with unusual spelling.
const FOREIGN_ENTRY: &str =
    r#""quay.io" : {"username":"team+robot",  "password":"not-a-real-p\u0061ssword"}"#;

/// The namespace with all that is in it before the program comes.
pub struct Setting {
    namespace: TestNamespace,
    pipeline: ServiceAccountDir,
    // Its files are the program's mounted ServiceAccount.
    _runner: ServiceAccountDir,
    crane: Crane,
    program: Program,
    // Crane's way to the registry.
    _proxy: ConnectProxy,
}

impl Setting {
    /// The namespace, the ServiceAccounts of the pipeline, of the program and of the stored token, and the permission to
    /// pull that every ServiceAccount of a namespace has on OpenShift.
    ///
    /// # Errors
    /// Where the API server refuses any of it.
    pub async fn new(access: &ClusterAccess, binary: &Path) -> Result<Self> {
        let registries = access.registries()?;
        let namespace = TestNamespace::named(access, names::NAMESPACE).await?;
        let may_pull = json!([
            { "apiGroups": ["image.openshift.io"], "resources": ["imagestreams/layers"], "verbs": ["get"] },
        ]);
        for account in [names::PIPELINE, RUNNER, PULLER] {
            namespace.service_account(account).await?;
            namespace.grant(account, "image-puller", may_pull.clone()).await?;
        }
        let pipeline = namespace.identity(names::PIPELINE).await?;
        let runner = namespace.identity(RUNNER).await?;
        let proxy = ConnectProxy::start(registries.routes())?;
        let crane = Crane {
            binary: access.binaries.crane.clone(),
            network: Network {
                proxy: proxy.address(),
                ca: registries.ca.clone(),
            },
        };
        let program = Program::at(binary)
            .within(&runner)
            .env("PULL_SECRET_NAME", names::SECRET)
            .env("PULL_SECRET_SERVICE_ACCOUNT", PULLER)
            .env("PULL_SECRET_IMAGE", image())
            // The registry's name means nothing outside of a cluster.
            .env("PULL_SECRET_CONNECT_TO", registries.connect_to());
        Ok(Self {
            namespace,
            pipeline,
            _runner: runner,
            crane,
            program,
            _proxy: proxy,
        })
    }

    /// Builds and pushes an image, as the pipeline does; its digest.
    ///
    /// # Errors
    /// Where the registry refuses it.
    pub fn push(&self) -> Result<String> {
        let store = self.namespace.access().registries()?.store;
        tokio::task::block_in_place(|| push_image(store, &repository()))
    }

    /// Stores the secret that a person writes by hand: a good token, another registry's account, and no `auths` around
    /// them.
    ///
    /// # Errors
    /// Where the API server refuses it, which it doesn't.
    pub async fn write_unwrapped_secret(&self) -> Result<()> {
        let ours = json!({ "username": "<token>", "password": self.pipeline.token() });
        let document = format!("{{\"{OPENSHIFT}\": {ours}, {FOREIGN_ENTRY}}}");
        self.namespace
            .create_docker_config_json(names::SECRET, document.as_bytes())
            .await?;
        Ok(())
    }

    /// Applies the Role that the project ships.
    ///
    /// # Errors
    /// Where it can't be read, or the API server refuses it.
    pub async fn apply_role(&self) -> Result<()> {
        let path = project::file(ROLE);
        let role =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        self.namespace.apply(&role).await
    }

    /// Has crane pull the image with what the secret holds now: nothing where it could, else its own words.
    ///
    /// # Errors
    /// Where the secret can't be read.
    pub async fn crane_pulls(&self) -> Result<Result<(), String>> {
        let document = self.namespace.docker_config_json(names::SECRET).await?;
        Ok(tokio::task::block_in_place(|| {
            self.crane.pulls(Some(&document), &image())
        }))
    }

    /// Runs the program as a pod of its ServiceAccount does, and checks the promises of every run.
    ///
    /// # Errors
    /// Where it breaks a promise.
    pub async fn run(&self, mode: &str) -> Result<Outcome> {
        self.program.clone().env("PULL_SECRET_MODE", mode).run().await
    }

    /// The requests that the program makes while it runs, in words.
    ///
    /// # Errors
    /// As `run`, and where the audit log can't be read.
    pub async fn run_and_count(&self, mode: &str) -> Result<(Outcome, Vec<String>)> {
        let audit = self.namespace.access().audit();
        let before = audit.mark().await?;
        let outcome = self.run(mode).await?;
        let requests = audit
            .requests("ensure-pull-secret/", names::NAMESPACE, before)
            .await?;
        let words = requests
            .iter()
            .map(|request| format!("{} {}", request.verb, request.resource));
        Ok((outcome, words.collect()))
    }

    /// The registries that the stored document has an entry for: `jq '.auths | keys'`.
    ///
    /// # Errors
    /// If the secret has no such document, or the unmanaged entry changed.
    pub async fn stored_keys(&self) -> Result<String> {
        let document = self.namespace.docker_config_json(names::SECRET).await?;
        let document = String::from_utf8(document).context("what is stored is not UTF-8")?;
        ensure!(
            document.contains(FOREIGN_ENTRY),
            "the unmanaged entry was changed"
        );
        let document: Value = serde_json::from_str(&document).context("what is stored is no JSON")?;
        let auths = document
            .get("auths")
            .and_then(Value::as_object)
            .context("what is stored has no auths")?;
        let mut keys: Vec<&String> = auths.keys().collect();
        keys.sort();
        Ok(serde_json::to_string(&keys)?)
    }
}

/// The image by its name in the cluster.
pub fn image() -> String {
    format!("{OPENSHIFT}/{}", repository())
}

/// The image's repository and tag, in the namespace of the story.
fn repository() -> String {
    format!("{}/granite:1.0", names::NAMESPACE)
}
