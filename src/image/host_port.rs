//! `host[:port]`: an https endpoint.

use std::fmt;

use crate::image::is_domain;

/// Default port of `https`.
pub const HTTPS_PORT: u16 = 443;

/// Longest host name, in bytes (RFC 1035 section 2.3.4, as text).
const MAX_HOST_LENGTH: usize = 253;

/// Error of an invalid `host[:port]`. Messages never contain the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostPortError {
    /// The host isn't a DNS name, an IPv4 address or a bracketed IPv6 address.
    #[error(
        "write a DNS name, an IPv4 address or an IPv6 address in brackets, such as registry.example.com or [::1]"
    )]
    Host,
    /// An IPv6 address without brackets: its last group would be taken for the port.
    #[error("put the IPv6 address in brackets, such as [::1]:5000")]
    Unbracketed,
    /// The port isn't a number from 1 to 65535, or has a leading zero.
    #[error("write the port as a number from 1 to 65535, such as registry.example.com:5000")]
    Port,
    /// A required port is missing.
    #[error("write the port too, such as registry.example.com:443")]
    NoPort,
    /// A path after the host.
    #[error("write only host and port, such as registry.example.com:5000")]
    Path,
}

/// Host and port. Hosts are case-insensitive, as in DNS: they are stored in lower case. The default port is 443.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    /// Host in lower case, an IPv6 address without brackets.
    host: String,
    port: u16,
}

impl HostPort {
    /// Parses `host[:port]`.
    ///
    /// # Errors
    /// The text doesn't have this form; the message has the correct form.
    pub fn parse(text: &str) -> Result<Self, HostPortError> {
        let (host, port) = Self::split(text)?;
        Ok(Self {
            host,
            port: port.unwrap_or(HTTPS_PORT),
        })
    }

    /// Parses `host:port`.
    ///
    /// # Errors
    /// Those of [`HostPort::parse`], and a missing port.
    pub fn parse_with_port(text: &str) -> Result<Self, HostPortError> {
        let (host, port) = Self::split(text)?;
        Ok(Self {
            host,
            port: port.ok_or(HostPortError::NoPort)?,
        })
    }

    /// https endpoint of a valid host.
    pub(super) fn https(host: &str) -> Self {
        Self {
            host: host.to_ascii_lowercase(),
            port: HTTPS_PORT,
        }
    }

    fn split(text: &str) -> Result<(String, Option<u16>), HostPortError> {
        if text.contains('/') {
            return Err(HostPortError::Path);
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        if host.contains(':') && !host.starts_with('[') {
            return Err(HostPortError::Unbracketed);
        }
        // A domain of image references may have a port, which is split off already.
        let has_another_port = host.starts_with('[') && !host.ends_with(']');
        if !is_domain(host) || has_another_port || host.len() > MAX_HOST_LENGTH {
            return Err(HostPortError::Host);
        }
        let port = port.map(parse_port).transpose()?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        Ok((bare.to_ascii_lowercase(), port))
    }

    /// Host in lower case, an IPv6 address without brackets: for DNS lookups and TLS server names.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port, 1 to 65535.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// True if these are the host and port of a URL, where an IPv6 address has brackets.
    pub fn is(&self, host: &str, port: u16) -> bool {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        self.port == port && self.host.eq_ignore_ascii_case(bare.unwrap_or(host))
    }
}

/// Port as written in keys: the kubelet compares ports as text, so `0443` differs from `443`.
fn parse_port(text: &str) -> Result<u16, HostPortError> {
    match text.parse() {
        Ok(port) if text.starts_with(|c: char| matches!(c, '1'..='9')) => Ok(port),
        _ => Err(HostPortError::Port),
    }
}

/// `host:port`, an IPv6 address in brackets, for URLs and CONNECT.
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
