//! Registries as they are configured, named in `auths`, and dialled.

use core::net::Ipv6Addr;
use std::fmt;

use super::key::key_covers;
use crate::image::{DOCKER_HUB, ImageReference, is_registry_domain, is_repository};

#[cfg(test)]
mod tests;

use super::host_port::{HostPort, HostPortError};

/// The key under which every client finds Docker Hub's credentials (docker/cli `registry.IndexServer`).
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// The host that serves Docker Hub's registry API.
const DOCKER_HUB_ENDPOINT: &str = "registry-1.docker.io";
/// Other names of Docker Hub, which people write where its name in image references is meant.
const DOCKER_HUB_ALIASES: [&str; 4] = [
    "index.docker.io",
    "registry-1.docker.io",
    "registry.hub.docker.com",
    "hub.docker.com",
];
/// The service of OpenShift's integrated registry.
const OPENSHIFT_SERVICE: &str = "image-registry.openshift-image-registry.svc";
/// The same service, by its full name in the cluster's domain.
const OPENSHIFT_SERVICE_FQDN: &str = "image-registry.openshift-image-registry.svc.cluster.local";
/// The port of OpenShift's integrated registry.
const OPENSHIFT_PORT: u16 = 5000;

/// Why a text isn't a registry. The fix is part of the message; the text itself is repeated only in
/// the form that is right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryHostError {
    /// Nothing at all.
    #[error("the registry is empty; write host[:port], such as quay.io or registry.example.com:5000")]
    Empty,
    /// `https://…`.
    #[error("the registry has a scheme; write host[:port] alone, such as quay.io")]
    Scheme,
    /// White space or a control character inside.
    #[error("the registry has white space or a control character in it; write host[:port], such as quay.io")]
    WhiteSpace,
    /// `user@host`.
    #[error("the registry has a user; write host[:port] alone, and the user in PULL_SECRET_USERNAME")]
    User,
    /// `*.example.com`: the credential would go to hosts that nobody named.
    #[error("the registry has a wildcard; name each registry, such as a.example.com,b.example.com")]
    Wildcard,
    /// `quay.io/`.
    #[error("the registry ends with a slash; leave it out")]
    TrailingSlash,
    /// Another name of Docker Hub.
    #[error("the registry is Docker Hub, which image references call docker.io; write docker.io")]
    DockerHubAlias,
    /// A name without dot and port: image references read it as a namespace on Docker Hub.
    #[error(
        "the registry has neither a dot nor a port, so that image references read it as a namespace of Docker Hub; \
         write its full name or its port, such as {0}:443, or docker.io/{0} where Docker Hub is meant"
    )]
    NotADomain(String),
    /// The host or port is malformed.
    #[error("the registry's host is malformed: {0}")]
    Host(HostPortError),
    /// The kubelet never matches an IPv6 address without a port: it reads the brackets as a pattern.
    #[error(
        "the kubelet finds no credential for an IPv6 address without a port; write [{0}]:443, in images too"
    )]
    Ipv6WithoutPort(Ipv6Addr),
    /// What follows the host isn't a repository's beginning.
    #[error(
        "the registry's path is malformed; write lower-case names separated by slashes, without tag or digest, \
         such as quay.io/team"
    )]
    Path,
    /// The kubelet drops a leading `v1/` and `v2/` from a key's path.
    #[error(
        "the kubelet leaves out v1/ and v2/ at the start of a registry's path; write the registry without it"
    )]
    ApiPath,
}

/// A registry that gets the credential: `host[:port]`, narrowed by a path where wanted.
///
/// The host's case is kept, since clients compare keys with images byte by byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RegistryHost {
    /// `host[:port]` as written.
    host_port: String,
    /// What follows the host, without the slash between.
    path: Option<String>,
    endpoint: HostPort,
}

impl RegistryHost {
    /// Reads an element of `PULL_SECRET_REGISTRY`, white space around it already gone.
    ///
    /// # Errors
    /// The text isn't a registry that kubelet and containers/image would find by it; the error says
    /// what is wrong and what to write.
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

    /// The member name under `auths`: the registry as written, and for the whole of Docker Hub
    /// `https://index.docker.io/v1/`.
    pub fn key(&self) -> String {
        match &self.path {
            None if self.host_port == DOCKER_HUB => DOCKER_HUB_KEY.to_owned(),
            _ => self.to_string(),
        }
    }

    /// `host[:port]` as written, without path: the value of `OCI_HOST`, and the host of its images.
    pub fn host_port(&self) -> &str {
        &self.host_port
    }

    /// The path that the credential is narrowed to, without a slash around it.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// Where the registry is really dialled: port 443 where none is written, and
    /// `registry-1.docker.io` for Docker Hub.
    pub fn dial(&self) -> &HostPort {
        &self.endpoint
    }

    /// Whether this is OpenShift's integrated registry by one of its service names, port 5000: where a
    /// Kubernetes token plainly belongs.
    pub fn is_openshift_internal(&self) -> bool {
        self.endpoint.port() == OPENSHIFT_PORT
            && [OPENSHIFT_SERVICE, OPENSHIFT_SERVICE_FQDN].contains(&self.endpoint.host())
    }

    /// Whether a Kubernetes token may be sent to this registry: it is OpenShift's integrated one, or its host and port are
    /// among `trusted_hosts`, whatever path it is narrowed to. Docker Hub is trusted by either of its names.
    pub fn may_receive_kubernetes_token(&self, trusted_hosts: &[HostPort]) -> bool {
        let written = HostPort::parse(&self.host_port).ok();
        self.is_openshift_internal()
            || trusted_hosts
                .iter()
                .any(|host| *host == self.endpoint || Some(host) == written.as_ref())
    }

    /// Whether the kubelet would use this registry's entry for `image`
    /// (kubelet `pkg/credentialprovider/keyring.go`).
    pub fn covers(&self, image: &ImageReference) -> bool {
        key_covers(&self.key(), image)
    }
}

/// The registry as it was written.
impl fmt::Display for RegistryHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host_port)?;
        match &self.path {
            Some(path) => write!(f, "/{path}"),
            None => Ok(()),
        }
    }
}
