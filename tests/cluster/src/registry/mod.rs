//! Registries of a test cluster: OpenShift's rules, basic authentication, Bearer token services, and none of these.
//!
//! All of them serve one store of images through real CNCF distribution processes: an image that is pushed once can be
//! pulled from each, with its credentials. [`RunningRegistries`] owns the processes; [`Registries`] describes them, and
//! can be passed to another process as JSON.

mod accounts;
mod basic;
mod distribution;
mod front;
pub mod gateway;
pub mod image;
pub mod request_log;
mod running;
mod token_service;
mod token_signer;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use accounts::{Account, Repositories};
pub use distribution::{Authentication, Distribution};
pub use image::{Image, push_image};
pub use running::{RunningRegistries, Setup};

/// OpenShift's internal registry, as clients in the cluster call it.
pub const OPENSHIFT: &str = "image-registry.openshift-image-registry.svc:5000";

/// The namespace that the registries with a token service let everybody pull from, without any credential.
pub const PUBLIC: &str = "public";

/// Description of the registries for programs and clients.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Registries {
    /// OpenShift's rules: the password is a token that the API server knows.
    pub openshift: Registry,
    /// Basic authentication.
    pub basic: Registry,
    /// A Bearer token service on the registry's own host.
    pub token: Registry,
    /// A Bearer token service on another host.
    pub token_elsewhere: Registry,
    /// Allows anonymous access.
    pub open: Registry,
    /// Certificate of the authority that issued the certificates of all of them, PEM.
    pub ca: String,
    /// Their common store: a distribution without TLS and authentication, for pushing from the suite.
    pub store: SocketAddr,
}

/// One registry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Registry {
    /// Its name in the cluster, where it isn't reachable from here.
    pub host: Host,
    /// The host of its token service, where that is another.
    pub realm: Option<Host>,
    /// Its own accounts; none if the API server decides.
    pub accounts: Vec<Account>,
    /// The file that its requests are logged to; [`request_log::read`] reads it.
    pub request_log: PathBuf,
}

/// A server's name and where it really is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// `host:port` in the cluster.
    pub name: String,
    /// The loopback address to connect to instead.
    pub address: SocketAddr,
}

/// The API server of OpenShift's registry.
#[derive(Clone, Debug)]
pub struct ApiServer {
    /// `https://host:port`.
    pub url: String,
    /// Its CA, PEM.
    pub ca: String,
    /// The registry's own token: it may create SubjectAccessReviews. With it, the permissions of `system:anonymous` are
    /// reviewed for requests without a credential; without it, they are denied.
    pub registry_token: Option<String>,
}

impl Registries {
    /// The names of all hosts that a running set has, realms included, in the order of [`Self::all`].
    pub fn host_names() -> [&'static str; 6] {
        running::HOST_NAMES
    }

    /// Each registry, by the order of the fields.
    pub fn all(&self) -> [&Registry; 5] {
        [
            &self.openshift,
            &self.basic,
            &self.token,
            &self.token_elsewhere,
            &self.open,
        ]
    }

    /// The value of `PULL_SECRET_CONNECT_TO` that leads to all of them.
    pub fn connect_to(&self) -> String {
        self.all().map(Registry::connect_to).join(",")
    }

    /// Real address of each name, for a [`ConnectProxy`](crate::listener::ConnectProxy).
    pub fn routes(&self) -> Vec<(String, SocketAddr)> {
        self.all()
            .into_iter()
            .flat_map(Registry::hosts)
            .map(|host| (host.name.clone(), host.address))
            .collect()
    }
}

impl Registry {
    /// The value of `PULL_SECRET_CONNECT_TO` that leads to this one and its token service.
    pub fn connect_to(&self) -> String {
        self.hosts()
            .map(|host| format!("{}={}", host.name, host.address))
            .collect::<Vec<_>>()
            .join(",")
    }

    /// The account of this name.
    pub fn account(&self, name: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name == name)
    }

    fn hosts(&self) -> impl Iterator<Item = &Host> {
        std::iter::once(&self.host).chain(self.realm.as_ref())
    }
}
