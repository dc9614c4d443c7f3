//! Start of most tests: a namespace, a runner with the shipped Role alone, and a puller whose token is stored.

use anyhow::{Context as _, Result};
use ensure_pull_secret::kubernetes::rbac_yaml::{self, RoleParams, Subject};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};
use test_cluster::{
    access::ClusterAccess,
    audit::{AuditedRequest, Marker},
    clients::{Crane, Network, Skopeo},
    identity::ServiceAccountDir,
    listener::ConnectProxy,
    namespace::TestNamespace,
    program::Program,
    registry::{OPENSHIFT, Registries, push_image},
};

/// The Secret's name, as in the incident that the program was made for.
pub const SECRET: &str = "internal-registry-private-ai";
/// Runs the program.
pub const RUNNER: &str = "model-pipeline-sa";
/// ServiceAccount whose tokens are stored: it may only pull.
pub const PULLER: &str = "model-puller";

/// A namespace with both accounts.
pub struct World {
    pub namespace: TestNamespace,
    pub runner: ServiceAccountDir,
}

impl World {
    /// Creates a namespace in which the runner has the shipped Role and the puller may pull.
    pub async fn new(name: &str) -> Result<Self> {
        let world = Self::without_grant(name).await?;
        world.grant_pull().await?;
        Ok(world)
    }

    /// As `new`, but the puller may not pull.
    pub async fn without_grant(name: &str) -> Result<Self> {
        Self::within(ClusterAccess::shared(), name).await
    }

    /// As `without_grant`, in a cluster of the test's own.
    pub async fn within(access: &ClusterAccess, name: &str) -> Result<Self> {
        let namespace = TestNamespace::within(access, name).await?;
        namespace.service_account(RUNNER).await?;
        namespace.service_account(PULLER).await?;
        let needs = RoleParams {
            namespace: namespace.name(),
            secret: SECRET,
            token_account: Some(PULLER),
            runner: Some(Subject {
                namespace: namespace.name(),
                name: RUNNER,
            }),
        };
        namespace
            .apply(&rbac_yaml::role(&needs).context("valid names")?)
            .await?;
        let runner = namespace.identity(RUNNER).await?;
        Ok(Self { namespace, runner })
    }

    /// Lets the puller pull from this namespace, as OpenShift's `system:image-puller` does.
    pub async fn grant_pull(&self) -> Result<()> {
        self.namespace.grant(PULLER, "pull", pull_rules()).await
    }

    /// Takes that back.
    pub async fn revoke_pull(&self) -> Result<()> {
        self.namespace.revoke(PULLER, "pull").await
    }

    /// The program as the runner's pod has it, for this namespace's Secret and OpenShift's registry.
    pub fn program(&self) -> Program {
        Program::new(&self.runner)
            .env("PULL_SECRET_NAME", SECRET)
            .env("PULL_SECRET_SERVICE_ACCOUNT", PULLER)
            .env("PULL_SECRET_CONNECT_TO", registries().connect_to())
    }

    /// Pushes a new image to this namespace of OpenShift's registry, past every credential; gives its reference.
    pub fn push(&self, name: &str) -> Result<String> {
        let repository = format!("{}/{name}", self.namespace.name());
        push_image(registries().store, &repository)?;
        Ok(format!("{OPENSHIFT}/{repository}"))
    }

    /// The stored Secret.
    pub async fn secret(&self) -> Result<Secret> {
        self.namespace
            .secret(SECRET)
            .await?
            .context("the Secret is not there")
    }

    /// Stores a pull secret with exactly this document.
    pub async fn store(&self, document: impl AsRef<[u8]>) -> Result<Secret> {
        let document = document.as_ref();
        self.namespace.create_docker_config_json(SECRET, document).await
    }

    /// The bytes of its document.
    pub async fn document(&self) -> Result<Vec<u8>> {
        self.namespace.docker_config_json(SECRET).await
    }

    /// The token stored for OpenShift's registry.
    pub async fn stored_token(&self) -> Result<String> {
        let document: Value = serde_json::from_slice(&self.document().await?)?;
        let token = document["auths"][OPENSHIFT]["password"]
            .as_str()
            .context("no token is stored")?;
        Ok(token.to_owned())
    }

    /// Checks with an independent client that the stored document pulls the image, and that nothing else does.
    pub async fn assert_pulls(&self, image: &str) -> Result<()> {
        assert_pulls(&self.document().await?, image)
    }

    /// Position in the audit log: the program's requests from now on.
    pub async fn mark(&self) -> Result<Marker> {
        ClusterAccess::shared().audit().mark().await
    }

    /// The program's requests to the API server since then.
    pub async fn requests(&self, since: Marker) -> Result<Vec<AuditedRequest>> {
        ClusterAccess::shared()
            .audit()
            .requests("ensure-pull-secret/", self.namespace.name(), since)
            .await
    }
}

/// The registries of the suite.
pub fn registries() -> &'static Registries {
    ClusterAccess::shared()
        .registries
        .as_ref()
        .expect("the suite's cluster has registries")
}

/// Checks with an independent client that `document` pulls the image, and that the image can't be pulled without it.
pub fn assert_pulls(document: &[u8], image: &str) -> Result<()> {
    let proxy = ConnectProxy::start(registries().routes())?;
    let crane = Crane {
        binary: ClusterAccess::shared().binaries.crane.clone(),
        network: network(&proxy),
    };
    crane
        .pulls(Some(document), image)
        .map_err(anyhow::Error::msg)
        .context("crane cannot pull it")?;
    anyhow::ensure!(
        crane.pulls(None, image).is_err(),
        "crane pulls {image} without a credential too: no proof"
    );
    let Some(skopeo) = Skopeo::installed(network(&proxy)).map_err(anyhow::Error::msg)? else {
        return Ok(());
    };
    skopeo
        .pulls(Some(document), image)
        .map_err(anyhow::Error::msg)
        .context("skopeo cannot pull it")
}

/// Checks with skopeo that `document` does not pull the image; crane falls back to anonymous access.
pub fn assert_does_not_pull(document: &[u8], image: &str) -> Result<()> {
    let proxy = ConnectProxy::start(registries().routes())?;
    let Some(skopeo) = Skopeo::installed(network(&proxy)).map_err(anyhow::Error::msg)? else {
        return Ok(());
    };
    anyhow::ensure!(
        skopeo.pulls(Some(document), image).is_err(),
        "skopeo pulls {image}"
    );
    Ok(())
}

fn network(proxy: &ConnectProxy) -> Network {
    Network {
        proxy: proxy.address(),
        ca: registries().ca.clone(),
    }
}

/// Requests tokens for ten minutes: too short for `renewing`.
pub fn short_lived(program: &Program) -> Program {
    program.clone().env("PULL_SECRET_TOKEN_LIFETIME", "10m")
}

/// Replaces a credential of `short_lived`, since it expires before the next run, and requests one day.
pub fn renewing(program: &Program) -> Program {
    program.clone().env("PULL_SECRET_NEXT_RUN_WITHIN", "1h")
}

/// Rules of `system:image-puller`.
pub fn pull_rules() -> Value {
    json!([{"apiGroups": ["image.openshift.io"], "resources": ["imagestreams/layers"], "verbs": ["get"]}])
}
