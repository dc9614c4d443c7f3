//! Variables of the platform: the API server's address.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;

use super::problem::Problem;
use super::value::{HAS_LINE_END, LINE_ENDS};
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
        let problem = if value.contains(LINE_ENDS) {
            HAS_LINE_END
        } else {
            problem
        };
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
