//! Certificates of a faulty proxy: the right one, and wrong ones.

use std::sync::Arc;

use anyhow::Result;
use tokio_rustls::rustls::ServerConfig;

use super::super::tls;
use super::fault::ConnectionFault;
use crate::certificates::Authority;

/// The certificates of proxies for one name.
#[derive(Debug)]
pub struct Certificates {
    right: Arc<ServerConfig>,
    of_unknown_authority: Arc<ServerConfig>,
    for_another_name: Arc<ServerConfig>,
    expired: Arc<ServerConfig>,
}

impl Certificates {
    /// Those for `name` (a DNS name or an address) by `authority`, and one by an unknown CA.
    ///
    /// # Errors
    /// If a certificate can't be made.
    pub fn new(authority: &Authority, name: &str) -> Result<Self> {
        Ok(Self {
            right: tls::server(&authority.issue(&[name])?)?,
            of_unknown_authority: tls::server(&Authority::new("nobody")?.issue(&[name])?)?,
            for_another_name: tls::server(&authority.issue(&["another.test"])?)?,
            expired: tls::server(&authority.issue_expired(name)?)?,
        })
    }

    /// The one that is shown where `fault` is planned.
    pub(super) fn shown(&self, fault: Option<ConnectionFault>) -> Arc<ServerConfig> {
        Arc::clone(match fault {
            Some(ConnectionFault::UnknownAuthority) => &self.of_unknown_authority,
            Some(ConnectionFault::OtherName) => &self.for_another_name,
            Some(ConnectionFault::Expired) => &self.expired,
            _ => &self.right,
        })
    }
}
