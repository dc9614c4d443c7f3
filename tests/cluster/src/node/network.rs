//! Addresses of a node's own network namespace, and the way to the registries by their names.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::{
    listener::Forwarder,
    registry::{Host, Registries},
};
use anyhow::{Context as _, Result};

/// The node itself, on the pods' bridge.
pub const NODE: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
/// The pods' addresses and the node's, `address/length`.
pub const NODE_PREFIX: &str = "10.88.0.1/16";
/// The pods' addresses.
pub const PODS: &str = "10.88.0.0/16";
/// The first address that a pod gets.
pub const FIRST_POD: &str = "10.88.1.1";
/// The service `kubernetes`: the first address of the API server's `--service-cluster-ip-range`.
pub const KUBERNETES: &str = "10.96.0.1";

/// The API server's port: `namespaces.sh` leads the service `kubernetes` to it. No other process listens in this network.
pub const API_SERVER_PORT: u16 = 6443;

/// Addresses of the registries and their token services, in the order of [`hosts`].
///
/// Each has its own, because all of them listen on the same port.
pub fn registry_addresses() -> [Ipv4Addr; 6] {
    [1, 2, 3, 4, 5, 6].map(|last| Ipv4Addr::new(10, 99, 0, last))
}

/// The registries' hosts, realms included.
fn hosts(registries: &Registries) -> Vec<&Host> {
    registries
        .all()
        .into_iter()
        .flat_map(|registry| std::iter::once(&registry.host).chain(registry.realm.as_ref()))
        .collect()
}

/// Names of the registries with their addresses in the node's network, as `/etc/hosts` and `hostAliases` have them.
///
/// # Errors
/// If a registry's name has no port.
pub fn names(registries: &Registries) -> Result<Vec<(String, Ipv4Addr)>> {
    hosts(registries)
        .into_iter()
        .zip(registry_addresses())
        .map(|(host, address)| Ok((split(&host.name)?.0.to_owned(), address)))
        .collect()
}

fn split(name: &str) -> Result<(&str, u16)> {
    let (host, port) = name
        .rsplit_once(':')
        .with_context(|| format!("{name} has no port"))?;
    Ok((host, port.parse().with_context(|| format!("{name} has no port"))?))
}

/// Forwarders from the registries' addresses to the real ones; end when dropped.
#[derive(Debug)]
pub struct Forwarders {
    _running: Vec<Forwarder>,
}

impl Forwarders {
    /// Starts one for each name of a registry.
    ///
    /// # Errors
    /// If an address isn't this network's, or is taken.
    pub fn start(registries: &Registries) -> Result<Self> {
        let running = hosts(registries)
            .into_iter()
            .zip(registry_addresses())
            .map(|(host, address)| {
                let listen = SocketAddr::from((address, split(&host.name)?.1));
                let listener = TcpListener::bind(listen)
                    .with_context(|| format!("cannot listen at {listen} for {}", host.name))?;
                Forwarder::start(listener, host.address)
            })
            .collect::<Result<_>>()?;
        Ok(Self { _running: running })
    }
}
