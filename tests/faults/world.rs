//! One namespace for all cases, with a Secret name for each concurrent case.

use std::{collections::HashMap, fs, sync::Arc};

use anyhow::{Context as _, Result, ensure};

use ensure_pull_secret::kubernetes::rbac_yaml::{self, RoleParams, Subject};
use http::{Response, header};
use hyper::body::Bytes;
use k8s_openapi::{
    ByteString,
    api::{authentication::v1::BoundObjectReference, core::v1::Secret},
};
use serde_json::json;
use test_cluster::{
    access::ClusterAccess,
    certificates::Authority,
    clients::{Crane, Network, Puller},
    identity::ServiceAccountDir,
    invariants::{Before, Unmanaged},
    listener::{
        ConnectProxy,
        faulty::{Certificates, FaultyProxy, Plan, Side},
        upstream::Upstream,
    },
    namespace::TestNamespace,
    program::Program,
    registry::{Host, OPENSHIFT, push_image},
};

use crate::situation::Situation;
pub use crate::slots::{Slot, Slots};

const RUNNER: &str = "model-pipeline-sa";
const PULLER: &str = "model-puller";
/// Lifetime of a credential that is due for a refresh, in seconds: the API server's minimum.
const SHORT: i64 = 600;

/// Resources of all cases.
pub struct World {
    namespace: TestNamespace,
    runner: ServiceAccountDir,
    image: String,
    to_openshift: String,
    puller: Puller,
    crane: Crane,
    _proxy: ConnectProxy,
    api: (Upstream, Arc<Certificates>),
    registry: (Upstream, Arc<Certificates>),
    authority: Authority,
}

/// State before the run of a case.
pub struct Prepared {
    /// The stored document.
    pub before: Before,
    /// Responses of earlier GETs, by target.
    pub earlier: HashMap<String, Response<Bytes>>,
    /// The stored token; none where nothing is stored.
    pub token: Option<String>,
}

impl World {
    /// Creates a namespace in the suite's cluster whose runner has the shipped Role for each slot's Secret.
    pub async fn new(slots: usize) -> Result<(Self, Slots)> {
        Self::within(ClusterAccess::shared(), slots).await
    }

    /// As `new`, in another cluster.
    pub async fn within(access: &ClusterAccess, slots: usize) -> Result<(Self, Slots)> {
        let namespace = TestNamespace::within(access, "faults").await?;
        namespace.service_account(RUNNER).await?;
        namespace.service_account(PULLER).await?;
        let slots: Vec<Slot> = (0..slots)
            .map(|index| Slot {
                secret: format!("internal-registry-{index:02}"),
            })
            .collect();
        let roles = slots.iter().filter_map(|slot| {
            rbac_yaml::role(&RoleParams {
                namespace: namespace.name(),
                secret: &slot.secret,
                token_account: Some(PULLER),
                runner: Some(Subject {
                    namespace: namespace.name(),
                    name: RUNNER,
                }),
            })
        });
        namespace.apply(&roles.collect::<Vec<_>>().join("---\n")).await?;
        namespace.grant(PULLER, "pull", pull_rules()).await?;
        let registries = access.registries()?;
        let repository = format!("{}/model:v1", namespace.name());
        push_image(registries.store, &repository)?;
        let runner = namespace.identity(RUNNER).await?;
        let authority = Authority::new("proxies")?;
        for (file, real) in [
            ("ca.crt", &access.certificate_authority),
            ("service-ca.crt", &registries.ca),
        ] {
            fs::write(runner.file(file), format!("{real}\n{}", authority.pem()))?;
        }
        let proxy = ConnectProxy::start(registries.routes())?;
        let host = &registries.openshift.host;
        let name = OPENSHIFT.split(':').next().unwrap_or_default();
        let world = Self {
            image: format!("{OPENSHIFT}/{repository}"),
            to_openshift: registries.openshift.connect_to(),
            puller: Puller::new(host, &registries.ca)?,
            crane: Crane {
                binary: access.binaries.crane.clone(),
                network: Network {
                    proxy: proxy.address(),
                    ca: registries.ca.clone(),
                },
            },
            _proxy: proxy,
            api: (
                Upstream::new(
                    &format!("https://{}", access.api_server),
                    Some(&access.certificate_authority),
                    true,
                )?,
                Arc::new(Certificates::new(&authority, "127.0.0.1")?),
            ),
            registry: (
                Upstream::named(OPENSHIFT, host.address, &registries.ca)?,
                Arc::new(Certificates::new(&authority, name)?),
            ),
            namespace,
            runner,
            authority,
        };
        Ok((world, Slots::new(slots)))
    }

    /// The namespace.
    pub fn namespace(&self) -> &TestNamespace {
        &self.namespace
    }

    /// The pod's files.
    pub fn runner(&self) -> &ServiceAccountDir {
        &self.runner
    }

    /// The image that every run is about.
    pub fn image(&self) -> &str {
        &self.image
    }

    /// The independent client.
    pub fn puller(&self) -> &Puller {
        &self.puller
    }

    /// Authority of the proxies, which the program trusts.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// True if crane can pull the image with the document.
    pub async fn crane_pulls(&self, document: Vec<u8>, image: &str) -> Result<()> {
        let (crane, image) = (self.crane.clone(), image.to_owned());
        tokio::task::spawn_blocking(move || crane.pulls(Some(&document), &image))
            .await?
            .map_err(anyhow::Error::msg)
            .context("crane cannot pull it")
    }

    /// A proxy in front of one of the two servers, with its planned faults; connections wait until `opens` ends.
    pub fn proxy(
        &self,
        side: Side,
        plan: Plan,
        earlier: HashMap<String, Response<Bytes>>,
        opens: impl Future<Output = ()> + Send + 'static,
    ) -> Result<FaultyProxy> {
        let (upstream, certificates) = match side {
            Side::ApiServer => &self.api,
            Side::Registry => &self.registry,
        };
        FaultyProxy::start(
            side,
            upstream.clone(),
            Arc::clone(certificates),
            plan,
            earlier,
            opens,
        )
    }

    /// A proxy in front of another registry.
    pub fn proxy_of(&self, host: &Host, plan: Plan) -> Result<FaultyProxy> {
        let registries = ClusterAccess::shared().registries()?;
        let ca = format!("{}\n{}", registries.ca, self.authority.pem());
        let name = host.name.split(':').next().unwrap_or_default();
        FaultyProxy::start(
            Side::Registry,
            Upstream::named(&host.name, host.address, &ca)?,
            Arc::new(Certificates::new(&self.authority, name)?),
            plan,
            HashMap::new(),
            std::future::ready(()),
        )
    }

    /// The program as it runs in this situation, without proxies.
    pub fn program(&self, slot: &Slot, situation: Situation) -> Program {
        let program = Program::new(&self.runner)
            .env("PULL_SECRET_NAME", &slot.secret)
            .env("PULL_SECRET_SERVICE_ACCOUNT", PULLER)
            .env("PULL_SECRET_IMAGE", &self.image)
            .env("PULL_SECRET_CONNECT_TO", &self.to_openshift);
        match situation {
            Situation::FirstRun | Situation::Steady | Situation::Repair => program,
            Situation::Refresh => program.env("PULL_SECRET_NEXT_RUN_WITHIN", "1h"),
            Situation::Verify => program.env("PULL_SECRET_MODE", "verify"),
        }
    }

    /// The stored Secret.
    pub async fn secret(&self, slot: &Slot) -> Result<Option<Secret>> {
        self.namespace.secret(&slot.secret).await
    }

    /// Makes the slot what the situation begins with.
    pub async fn prepare(&self, slot: &Slot, situation: Situation) -> Result<Prepared> {
        let mut prepared = Prepared {
            before: Before::new(None, Unmanaged::default(), &self.puller, &self.image).await?,
            earlier: HashMap::new(),
            token: None,
        };
        if situation == Situation::FirstRun {
            return Ok(prepared);
        }
        let first = self.namespace.create(&unmanaged_secret(&slot.secret)).await?;
        let target = format!(
            "/api/v1/namespaces/{}/secrets/{}",
            self.namespace.name(),
            slot.secret
        );
        prepared.earlier.insert(target, answer(&first)?);
        let token = match situation {
            Situation::FirstRun | Situation::Steady | Situation::Verify => None,
            Situation::Refresh | Situation::Repair => Some(self.short_lived_token(&first).await?),
        };
        match &token {
            Some(token) => {
                let mut secret = first;
                let document = document(situation == Situation::Repair, Some(token));
                if let Some(data) = &mut secret.data {
                    data.insert(".dockerconfigjson".to_owned(), ByteString(document.into_bytes()));
                }
                self.namespace.replace(&secret).await?;
            }
            None => {
                let outcome = self.program(slot, Situation::Steady).run().await?;
                ensure!(
                    outcome.result("REASON") == "ok",
                    "the steady state was not reached\n{outcome}"
                );
            }
        }
        let secret = self.secret(slot).await?;
        prepared.token = token.or_else(|| secret.as_ref().and_then(stored_token));
        prepared.before = Before::new(secret, unmanaged(), &self.puller, &self.image).await?;
        ensure!(
            prepared.before.pulled() == (situation != Situation::Repair),
            "{situation} does not begin as it should"
        );
        Ok(prepared)
    }

    /// A token of the puller for this Secret that is good for as short a time as the API server gives one.
    pub async fn short_lived_token(&self, secret: &Secret) -> Result<String> {
        let bound_to = BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Secret".to_owned()),
            name: secret.metadata.name.clone(),
            uid: secret.metadata.uid.clone(),
        };
        self.namespace.token(PULLER, Some(bound_to), SHORT).await
    }

    /// Gives the puller the right to pull, or takes it away, and returns when the registry knows.
    pub async fn let_pull(&self, may: bool) -> Result<()> {
        if may {
            self.namespace.grant(PULLER, "pull", pull_rules()).await?;
        } else {
            self.namespace.revoke(PULLER, "pull").await?;
        }
        Ok(())
    }

    /// Empties the slot.
    pub async fn clear(&self, slot: &Slot) -> Result<()> {
        match self.secret(slot).await? {
            Some(_) => self.namespace.delete_secret(&slot.secret).await,
            None => Ok(()),
        }
    }
}

fn pull_rules() -> serde_json::Value {
    json!([{"apiGroups": ["image.openshift.io"], "resources": ["imagestreams/layers"], "verbs": ["get"]}])
}

/// The token that is stored for OpenShift's registry: what `auth` holds behind the user name.
fn stored_token(secret: &Secret) -> Option<String> {
    let document = String::from_utf8(secret.data.as_ref()?.get(".dockerconfigjson")?.0.clone()).ok()?;
    let (_, managed) = document.split_once(OPENSHIFT)?;
    let (_, password) = managed.split_once("\"password\":\"")?;
    password.split_once('"').map(|(password, _)| password.to_owned())
}

const FIRST: &str = r#""other.test":{"auth":"dXNlcjpwYXNz" , "email":"\/","x":"\ud800"}"#;
const LAST: &str = r#""last.test" : {"username":"u","password":"p","auth":"dTpw","n":[2.50,1E+2,-0,12345678901234567890123]}"#;

/// Unmanaged entries around the managed one; with `unwrapped`, as in the incident that the program was written for.
fn document(unwrapped: bool, token: Option<&str>) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let managed = token.map_or(String::new(), |token| {
        let auth = STANDARD.encode(format!("<token>:{token}"));
        format!("\"{OPENSHIFT}\":{{\"username\":\"<token>\",\"password\":\"{token}\",\"auth\":\"{auth}\"}},")
    });
    let entries = format!("{{ {FIRST},{managed} {LAST} }}");
    if unwrapped {
        entries
    } else {
        format!("{{\"auths\" :{entries} ,\"HttpHeaders\":{{\"a\":\"b\"}}}}")
    }
}

/// Unmanaged fields of every Secret that exists before a run.
pub fn unmanaged() -> Unmanaged {
    Unmanaged {
        labels: [("team".to_owned(), "blue".to_owned())].into(),
        annotations: [("note".to_owned(), "kept".to_owned())].into(),
        data: [("extra".to_owned(), b"\x00\xff".to_vec())].into(),
        document: vec![FIRST.to_owned(), LAST.to_owned()],
    }
}

/// A pull secret with unmanaged entries only.
pub fn unmanaged_secret(name: &str) -> Secret {
    let unmanaged = unmanaged();
    let mut secret = Secret::default();
    secret.metadata.name = Some(name.to_owned());
    secret.metadata.labels = Some(unmanaged.labels);
    secret.metadata.annotations = Some(unmanaged.annotations);
    secret.type_ = Some("kubernetes.io/dockerconfigjson".to_owned());
    let mut data: std::collections::BTreeMap<_, _> = unmanaged
        .data
        .into_iter()
        .map(|(key, value)| (key, ByteString(value)))
        .collect();
    data.insert(
        ".dockerconfigjson".to_owned(),
        ByteString(document(false, None).into_bytes()),
    );
    secret.data = Some(data);
    secret
}

fn answer(secret: &Secret) -> Result<Response<Bytes>> {
    Ok(Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .body(serde_json::to_vec(secret)?.into())?)
}
