//! Variables of the platform: the API server's address and proxies.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;

use secrecy::SecretString;

use super::problem::Problem;
use crate::image::is_domain;

/// Address of the API server, from the pod's environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiServer {
    /// IP address or DNS name; IPv6 without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// `host:port` for a URL: IPv6 in brackets.
impl fmt::Display for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Proxies for registries, unparsed: hyper-util's matcher parses them. Their URLs may contain a password.
#[derive(Clone, Debug, Default)]
pub struct Proxy {
    /// `HTTPS_PROXY` or `https_proxy`.
    pub https: Option<SecretString>,
    /// `ALL_PROXY` or `all_proxy`.
    pub all: Option<SecretString>,
    /// `NO_PROXY` or `no_proxy`.
    pub no: Option<String>,
}

/// Address of the API server. If one of the two variables is unset, the run ends with `not-in-cluster` later.
pub(super) fn api_server(
    platform: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) -> Option<ApiServer> {
    let mut read = |name, problem, example, is_valid: fn(&str) -> bool| {
        let value = platform.get(name)?;
        if is_valid(value) {
            return Some(value);
        }
        problems.push(Problem::for_name(name, Some(value), problem, Some(example)));
        None
    };
    let host = read(
        "KUBERNETES_SERVICE_HOST",
        "must be an IP address or a DNS name",
        "10.96.0.1",
        |text| text.parse::<IpAddr>().is_ok() || is_domain(text) && !text.contains(':'),
    );
    let port = read(
        "KUBERNETES_SERVICE_PORT",
        "must be a port number from 1 to 65535",
        "443",
        |text| text.parse::<NonZeroU16>().is_ok(),
    );
    Some(ApiServer {
        host: host?.clone(),
        port: port?.parse().ok()?,
    })
}

/// Proxies for registries. Upper case takes precedence, as in curl and Go.
pub(super) fn proxy(platform: &BTreeMap<String, String>) -> Proxy {
    let first = |names: [&str; 2]| names.iter().find_map(|name| platform.get(*name));
    let secret = |names| first(names).map(|value| SecretString::from(value.as_str()));
    Proxy {
        https: secret(["HTTPS_PROXY", "https_proxy"]),
        all: secret(["ALL_PROXY", "all_proxy"]),
        no: first(["NO_PROXY", "no_proxy"]).cloned(),
    }
}

/// Rejects https and SOCKS proxies: CONNECT and the proxy's password are sent in plain text.
pub(super) fn check_proxies(platform: &BTreeMap<String, String>, problems: &mut Vec<Problem>) {
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let scheme = platform
            .get(name)
            .and_then(|value| value.split_once("://"))
            .map(|(scheme, _)| scheme);
        if scheme.is_some_and(|scheme| !scheme.eq_ignore_ascii_case("http")) {
            let problem = "must be an http:// proxy; registries are reached through it with CONNECT";
            problems.push(Problem::for_name(
                name,
                None,
                problem,
                Some("http://proxy.example.com:3128"),
            ));
        }
    }
}
