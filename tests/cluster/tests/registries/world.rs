//! One control plane with registries for all tests of this binary, and what a test needs on it.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use test_cluster::access::ClusterAccess;
use test_cluster::certificates::Authority;
use test_cluster::clients::{Crane, HttpsClient, Network, Skopeo};
use test_cluster::control_plane::{Cluster, Options};
use test_cluster::listener::ConnectProxy;
use test_cluster::registry::{ApiServer, Registries, RunningRegistries, Setup};

/// What runs. It ends with the process: nothing in a static is dropped, but the cluster's supervisor notices.
pub struct World {
    cluster: Cluster,
    running: RunningRegistries,
    proxy: ConnectProxy,
    authority: Authority,
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
        let authority = Authority::new("registry-ca").expect("an authority");
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
            authority,
        }
    }

    pub fn access(&self) -> &ClusterAccess {
        self.cluster.access()
    }

    pub fn registries(&self) -> &Registries {
        self.running.registries()
    }

    /// The registries' authority.
    pub fn authority(&self) -> &Authority {
        &self.authority
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
