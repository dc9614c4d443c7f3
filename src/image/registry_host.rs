//! Registries: configured name, key of `auths`, and endpoint.

use core::net::Ipv6Addr;
use std::fmt;

use super::key::key_covers;
use crate::image::{DOCKER_HUB, ImageReference, is_registry_domain, is_repository};

#[cfg(test)]
mod tests;

use super::host_port::{HostPort, HostPortError};

/// Key of Docker Hub's credentials for all clients (docker/cli `registry.IndexServer`).
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// Host of Docker Hub's registry API.
const DOCKER_HUB_ENDPOINT: &str = "registry-1.docker.io";
/// Other names of Docker Hub, which users write by mistake.
const DOCKER_HUB_ALIASES: [&str; 4] = [
    "index.docker.io",
    "registry-1.docker.io",
    "registry.hub.docker.com",
    "hub.docker.com",
];
/// Service of OpenShift's internal registry.
const OPENSHIFT_SERVICE: &str = "image-registry.openshift-image-registry.svc";
/// Full name of the service in the cluster's domain.
const OPENSHIFT_SERVICE_FQDN: &str = "image-registry.openshift-image-registry.svc.cluster.local";
/// Port of OpenShift's internal registry.
const OPENSHIFT_PORT: u16 = 5000;

/// Error of an invalid registry. The message has the remedy, and contains the text only in corrected form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryHostError {
    /// Empty.
    #[error("the registry is empty; write host[:port], such as quay.io or registry.example.com:5000")]
    Empty,
    /// `https://…`.
    #[error("the registry has a scheme; write only host[:port], such as quay.io")]
    Scheme,
    /// White space or a control character inside.
    #[error("the registry has white space or a control character; write host[:port], such as quay.io")]
    WhiteSpace,
    /// `user@host`.
    #[error("the registry has a user; write only host[:port], and the user in PULL_SECRET_USERNAME")]
    User,
    /// `*.example.com`: the credential would be sent to hosts that are not configured.
    #[error("the registry has a wildcard; name each registry, such as a.example.com,b.example.com")]
    Wildcard,
    /// `quay.io/`.
    #[error("the registry ends with a slash; remove it")]
    TrailingSlash,
    /// Another name of Docker Hub.
    #[error("the registry is Docker Hub, which image references call docker.io; write docker.io")]
    DockerHubAlias,
    /// A name without dot and port, which image references interpret as a namespace on Docker Hub.
    #[error(
        "the registry has neither a dot nor a port, so image references interpret it as a namespace of Docker Hub; \
         write its full name or its port, such as {0}:443, or docker.io/{0} where Docker Hub is meant"
    )]
    NotADomain(String),
    /// Invalid host or port.
    #[error("the registry's host is not valid: {0}")]
    Host(HostPortError),
    /// An IPv6 address without a port, which the kubelet never matches: it interprets the brackets as a pattern.
    #[error(
        "the kubelet finds no credential for an IPv6 address without a port; write [{0}]:443, in images too"
    )]
    Ipv6WithoutPort(Ipv6Addr),
    /// Invalid path.
    #[error(
        "the registry's path is not valid; write lower-case names separated by slashes, without tag or digest, \
         such as quay.io/team"
    )]
    Path,
    /// The kubelet removes a leading `v1/` or `v2/` from a key's path.
    #[error(
        "the kubelet removes v1/ and v2/ at the start of a registry's path; write the registry without it"
    )]
    ApiPath,
}

/// Registry that the credential is for: `host[:port]`, optionally with a path.
///
/// The case of the host is kept, since clients compare keys with images byte by byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RegistryHost {
    /// `host[:port]` as written.
    host_port: String,
    /// Path, without a leading slash.
    path: Option<String>,
    endpoint: HostPort,
}

impl RegistryHost {
    /// Parses an item of `PULL_SECRET_REGISTRY` without surrounding white space.
    ///
    /// # Errors
    /// The kubelet and containers/image would not find the registry by this text; the message has cause and remedy.
    pub fn parse(text: &str) -> Result<Self, RegistryHostError> {
        if text.is_empty() {
            return Err(RegistryHostError::Empty);
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(RegistryHostError::WhiteSpace);
        }
        if text.contains("://") {
            return Err(RegistryHostError::Scheme);
        }
        if text.contains('*') {
            return Err(RegistryHostError::Wildcard);
        }
        if text.ends_with('/') {
            return Err(RegistryHostError::TrailingSlash);
        }
        let (host_port, path) = match text.split_once('/') {
            Some((host_port, path)) => (host_port, Some(path)),
            None => (text, None),
        };
        if host_port.contains('@') {
            return Err(RegistryHostError::User);
        }
        let host_name = host_port.split_once(':').map_or(host_port, |(name, _)| name);
        if DOCKER_HUB_ALIASES
            .iter()
            .any(|alias| host_name.eq_ignore_ascii_case(alias))
            || (host_port != DOCKER_HUB && host_name.eq_ignore_ascii_case(DOCKER_HUB))
        {
            return Err(RegistryHostError::DockerHubAlias);
        }
        let parsed = HostPort::parse(host_port).map_err(RegistryHostError::Host)?;
        if !is_registry_domain(host_port) {
            return Err(RegistryHostError::NotADomain(host_port.to_owned()));
        }
        if host_port.ends_with(']')
            && let Ok(address) = parsed.host().parse()
        {
            return Err(RegistryHostError::Ipv6WithoutPort(address));
        }
        if path.is_some_and(|path| !is_repository(path)) {
            return Err(RegistryHostError::Path);
        }
        if path.is_some_and(|path| path.starts_with("v1/") || path.starts_with("v2/")) {
            return Err(RegistryHostError::ApiPath);
        }
        let endpoint = if host_port == DOCKER_HUB {
            HostPort::https(DOCKER_HUB_ENDPOINT)
        } else {
            parsed
        };
        Ok(Self {
            host_port: host_port.to_owned(),
            path: path.map(str::to_owned),
            endpoint,
        })
    }

    /// Key of `auths`: the registry as written, and for all of Docker Hub
    /// `https://index.docker.io/v1/`.
    pub fn key(&self) -> String {
        match &self.path {
            None if self.host_port == DOCKER_HUB => DOCKER_HUB_KEY.to_owned(),
            _ => self.to_string(),
        }
    }

    /// `host[:port]` as written, without path: the value of `OCI_HOST`, and the host in image references.
    pub fn host_port(&self) -> &str {
        &self.host_port
    }

    /// Path that limits the credential, without surrounding slashes.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// Endpoint of the registry: port 443 by default, and
    /// `registry-1.docker.io` for Docker Hub.
    pub fn dial(&self) -> &HostPort {
        &self.endpoint
    }

    /// True for OpenShift's internal registry by one of its service names, port 5000, which may receive a Kubernetes token.
    pub fn is_cluster_internal(&self) -> bool {
        self.endpoint.port() == OPENSHIFT_PORT
            && [OPENSHIFT_SERVICE, OPENSHIFT_SERVICE_FQDN].contains(&self.endpoint.host())
    }

    /// Whether a Kubernetes token may be sent to this registry: it is OpenShift's integrated one, or its host and port are
    /// among `trusted_hosts`, whatever path it is narrowed to. Docker Hub is trusted by either of its names.
    pub fn may_receive_kubernetes_token(&self, trusted_hosts: &[HostPort]) -> bool {
        let written = HostPort::parse(&self.host_port).ok();
        self.is_cluster_internal()
            || trusted_hosts
                .iter()
                .any(|host| *host == self.endpoint || Some(host) == written.as_ref())
    }

    /// True if the kubelet would use this registry's entry for `image`
    /// (kubelet `pkg/credentialprovider/keyring.go`).
    pub fn covers(&self, image: &ImageReference) -> bool {
        key_covers(&self.key(), image)
    }
}

/// Registry as written.
impl fmt::Display for RegistryHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host_port)?;
        match &self.path {
            Some(path) => write!(f, "/{path}"),
            None => Ok(()),
        }
    }
}
