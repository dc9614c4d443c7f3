//! Free loopback ports for servers that can't choose one and report it.

use std::net::TcpListener;

use anyhow::{Context as _, Result};

/// The ports of one control plane.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// etcd for the API server.
    pub etcd_client: u16,
    /// etcd for its peers: it has none, but listens.
    pub etcd_peer: u16,
    /// The API server.
    pub api_server: u16,
}

impl Ports {
    /// Ports that were free a moment ago. Another process may take one before its server does; then the caller tries
    /// again.
    ///
    /// # Errors
    /// If no loopback port can be bound.
    pub fn free() -> Result<Self> {
        // All are bound until all are known, so that no two are the same.
        let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0"));
        let mut ports = listeners.iter().map(|listener| {
            listener
                .as_ref()
                .ok()
                .and_then(|listener| listener.local_addr().ok())
                .map(|address| address.port())
                .context("cannot find a free port on 127.0.0.1")
        });
        let mut next = || ports.next().context("three ports were asked for")?;
        Ok(Self {
            etcd_client: next()?,
            etcd_peer: next()?,
            api_server: next()?,
        })
    }
}

/// A port that was free a moment ago.
///
/// # Errors
/// If no loopback port can be bound.
pub fn one() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot find a free port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}

/// True if a server failed because another process has its port.
pub fn is_clash(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains("address already in use")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ() -> Result<()> {
        let ports = Ports::free()?;
        assert_ne!(ports.etcd_client, ports.etcd_peer);
        assert_ne!(ports.etcd_peer, ports.api_server);
        assert_ne!(ports.etcd_client, ports.api_server);
        Ok(())
    }

    #[test]
    fn port_clash_differs_from_other_failures() {
        let clash =
            anyhow::anyhow!("listen tcp 127.0.0.1:1: bind: address already in use").context("etcd ended");
        assert!(is_clash(&clash));
        assert!(!is_clash(&anyhow::anyhow!("unknown flag: --port")));
    }
}
