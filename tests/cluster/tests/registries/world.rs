//! The shared cluster, as these tests look at it.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use test_cluster::access::ClusterAccess;
use test_cluster::clients::{Crane, HttpsClient, Network, Skopeo};
use test_cluster::listener::ConnectProxy;
use test_cluster::registry::{ApiServer, Registries};

/// The suite's cluster and a way to its registries.
pub struct World {
    access: &'static ClusterAccess,
    proxy: ConnectProxy,
}

impl World {
    /// The one that all tests share.
    pub fn shared() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(|| {
            let access = ClusterAccess::shared();
            let registries = access.registries().expect("a cluster with registries");
            Self {
                access,
                proxy: ConnectProxy::start(registries.routes()).expect("a CONNECT proxy"),
            }
        })
    }

    pub fn access(&self) -> &ClusterAccess {
        self.access
    }

    pub fn registries(&self) -> &Registries {
        self.access.registries().expect("a cluster with registries")
    }

    pub fn proxy(&self) -> &ConnectProxy {
        &self.proxy
    }

    pub fn crane(&self) -> Crane {
        Crane {
            binary: self.access.binaries.crane.clone(),
            network: self.network(),
        }
    }

    /// skopeo, for tests with `skopeo` in their name: where it is not installed, those are not run.
    pub fn skopeo(&self) -> Skopeo {
        self.optional_skopeo().expect("it is installed")
    }

    /// skopeo; `None` where `cargo xtask test` runs without it.
    pub fn optional_skopeo(&self) -> Option<Skopeo> {
        Skopeo::installed(self.network()).expect("skopeo")
    }

    /// A client of OpenShift's registry.
    pub fn openshift(&self) -> HttpsClient {
        HttpsClient::new(&self.registries().openshift.host, &self.registries().ca).expect("a client")
    }

    /// The API server as a gateway uses it, with the admin's token as the registry's own.
    pub fn api_server(&self) -> ApiServer {
        ApiServer {
            url: format!("https://{}", self.access.api_server),
            ca: self.access.certificate_authority.clone(),
            registry_token: Some(self.access.admin_token.clone()),
        }
    }

    fn network(&self) -> Network {
        Network {
            proxy: self.proxy.address(),
            ca: self.registries().ca.clone(),
        }
    }
}

/// A docker config document with one entry.
pub fn document(host: &str, user: &str, password: &str) -> Vec<u8> {
    let auth = STANDARD.encode(format!("{user}:{password}"));
    json!({"auths": {host: {"username": user, "password": password, "auth": auth}}})
        .to_string()
        .into_bytes()
}
