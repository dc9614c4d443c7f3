//! One control plane with registries for all tests of this binary, and what a test needs on it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};
use test_cluster::access::ClusterAccess;
use test_cluster::clients::{Crane, HttpsClient, Network, Skopeo};
use test_cluster::control_plane::{Cluster, Options};
use test_cluster::listener::ConnectProxy;
use test_cluster::registry::{ApiServer, Registries, RunningRegistries, Setup};

/// What runs. It ends with the process: nothing in a static is dropped, but the cluster's supervisor notices.
pub struct World {
    cluster: Cluster,
    running: RunningRegistries,
    proxy: ConnectProxy,
}

impl World {
    /// The one that all tests share.
    pub fn shared() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(|| {
            // A test may be inside a runtime already.
            std::thread::spawn(Self::start).join().expect("the world starts")
        })
    }

    fn start() -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let mut cluster = runtime
            .block_on(Cluster::start(Options::new()))
            .expect("a control plane");
        let access = cluster.access().clone();
        let authority = test_cluster::certificates::Authority::new("registry-ca").expect("an authority");
        let running = RunningRegistries::start(Setup {
            supervisor: cluster.supervisor(),
            distribution: &access.binaries.registry,
            directory: &access.directory.join("registries"),
            authority: &authority,
            api_server: &api_server(&access),
        })
        .expect("registries");
        let proxy = ConnectProxy::start(running.registries().routes()).expect("a CONNECT proxy");
        Self {
            cluster,
            running,
            proxy,
        }
    }

    pub fn access(&self) -> &ClusterAccess {
        self.cluster.access()
    }

    pub fn registries(&self) -> &Registries {
        self.running.registries()
    }

    pub fn proxy(&self) -> &ConnectProxy {
        &self.proxy
    }

    pub fn network(&self) -> Network {
        Network {
            proxy: self.proxy.address(),
            ca: self.registries().ca.clone(),
        }
    }

    pub fn crane(&self) -> Crane {
        Crane {
            binary: self.access().binaries.crane.clone(),
            network: self.network(),
        }
    }

    pub fn skopeo(&self) -> Skopeo {
        Skopeo::installed(self.network()).expect("skopeo")
    }

    /// A client of OpenShift's registry.
    pub fn openshift(&self) -> HttpsClient {
        HttpsClient::new(&self.registries().openshift.host, &self.registries().ca).expect("a client")
    }
}

/// The API server as the gateway asks it, with the admin's token as the registry's own.
pub fn api_server(access: &ClusterAccess) -> ApiServer {
    ApiServer {
        url: format!("https://{}", access.api_server),
        ca: access.certificate_authority.clone(),
        registry_token: Some(access.admin_token.clone()),
    }
}

/// A docker config document with one entry.
pub fn document(host: &str, user: &str, password: &str) -> Vec<u8> {
    let auth = STANDARD.encode(format!("{user}:{password}"));
    json!({"auths": {host: {"username": user, "password": password, "auth": auth}}})
        .to_string()
        .into_bytes()
}

/// A namespace of one test.
pub struct Project {
    pub name: String,
    client: kube::Client,
}

impl Project {
    pub async fn new(world: &World, purpose: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("{purpose}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        Self::named(world, &name).await
    }

    pub async fn named(world: &World, name: &str) -> Self {
        let client = world.access().client().await.expect("a client");
        let project = Self {
            name: name.to_owned(),
            client,
        };
        let namespace = parsed(json!({"metadata": {"name": name}}));
        Api::<Namespace>::all(project.client.clone())
            .create(&PostParams::default(), &namespace)
            .await
            .expect("a namespace");
        project
    }

    pub async fn service_account(&self, name: &str) {
        self.api::<ServiceAccount>()
            .create(
                &PostParams::default(),
                &parsed(json!({"metadata": {"name": name}})),
            )
            .await
            .expect("a service account");
    }

    pub async fn delete_service_account(&self, name: &str) {
        self.api::<ServiceAccount>()
            .delete(name, &DeleteParams::default())
            .await
            .expect("the service account was there");
    }

    /// A Secret; its uid.
    pub async fn secret(&self, name: &str) -> String {
        self.api::<Secret>()
            .create(
                &PostParams::default(),
                &parsed(json!({"metadata": {"name": name}})),
            )
            .await
            .expect("a Secret")
            .metadata
            .uid
            .expect("a uid")
    }

    pub async fn delete_secret(&self, name: &str) {
        self.api::<Secret>()
            .delete(name, &DeleteParams::default())
            .await
            .expect("the Secret was there");
    }

    /// A token of a service account, bound to a Secret where its name and uid are given.
    pub async fn token(&self, service_account: &str, secret: Option<(&str, &str)>) -> String {
        let bound =
            secret.map(|(name, uid)| json!({"kind": "Secret", "apiVersion": "v1", "name": name, "uid": uid}));
        let request = parsed::<TokenRequest>(json!({"spec": {"audiences": [], "boundObjectRef": bound}}));
        self.api::<ServiceAccount>()
            .create_token_request(service_account, &PostParams::default(), &request)
            .await
            .expect("a token")
            .status
            .expect("a status")
            .token
    }

    /// A Role with these rules and its binding to a subject, both of this name.
    pub async fn grant(&self, name: &str, rules: Value, subject: Value) {
        let role = json!({"metadata": {"name": name}, "rules": rules});
        self.api::<Role>()
            .create(&PostParams::default(), &parsed(role))
            .await
            .expect("a Role");
        let binding = json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [subject],
        });
        self.api::<RoleBinding>()
            .create(&PostParams::default(), &parsed(binding))
            .await
            .expect("a RoleBinding");
    }

    pub async fn revoke(&self, name: &str) {
        self.api::<RoleBinding>()
            .delete(name, &DeleteParams::default())
            .await
            .expect("the RoleBinding was there");
    }

    /// A service account that may pull from this project, and its token.
    pub async fn puller(&self, name: &str) -> String {
        self.service_account(name).await;
        self.grant(name, pull(), self.subject(name)).await;
        self.token(name, None).await
    }

    pub fn subject(&self, service_account: &str) -> Value {
        json!({"kind": "ServiceAccount", "name": service_account, "namespace": self.name})
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }
}

/// The rule of `system:image-puller`.
pub fn pull() -> Value {
    json!([{"apiGroups": ["", "image.openshift.io"], "resources": ["imagestreams/layers"], "verbs": ["get"]}])
}

fn parsed<K: serde::de::DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object).expect("an object of its kind")
}
