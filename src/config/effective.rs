//! Effective configuration, as the log shows it once.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use super::problem::may_be_credential;
use super::variables::VARIABLES;
use super::{Access, Config, NextRun};
use crate::image::HostPort;
use crate::text::clip_name;

/// Longest printed value, in characters: two host names.
const VALUE_MAX: usize = 512;

/// Printed for a value that may contain a secret, or is free text.
const SET: &str = "set";

impl Config {
    /// Effective settings by the name of their variable, without secrets and free text.
    pub fn effective(&self) -> Vec<(&'static str, String)> {
        let own = VARIABLES
            .iter()
            .map(|variable| (variable.name, (variable.effective)(self)));
        let server = self.api_server.as_ref();
        let platform = [
            (
                "KUBERNETES_SERVICE_HOST",
                server.and_then(|server| show(&server.host)),
            ),
            (
                "KUBERNETES_SERVICE_PORT",
                server.and_then(|server| plain(server.port)),
            ),
            ("HTTPS_PROXY", self.proxy.https.as_ref().and_then(hidden)),
            ("ALL_PROXY", self.proxy.all.as_ref().and_then(hidden)),
            ("NO_PROXY", self.proxy.no.as_ref().and_then(hidden)),
            ("SSL_CERT_FILE", self.ssl_cert_file.as_deref().and_then(path)),
            ("SSL_CERT_DIR", self.ssl_cert_dir.as_deref().and_then(path)),
        ];
        own.chain(platform)
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

/// A number, a duration or a boolean.
pub(super) fn plain(value: impl Display) -> Option<String> {
    Some(value.to_string())
}

/// A value that is printed unless it may be a credential.
pub(super) fn show(value: &impl Display) -> Option<String> {
    Some(shown(value))
}

/// A value that is never printed.
pub(super) fn hidden<T>(_: &T) -> Option<String> {
    Some(SET.to_owned())
}

pub(super) fn path(path: &Path) -> Option<String> {
    show(&path.display())
}

pub(super) fn list(items: &[impl Display]) -> Option<String> {
    joined(items.iter().map(shown))
}

pub(super) fn connect_to(pairs: &[(HostPort, HostPort)]) -> Option<String> {
    joined(
        pairs
            .iter()
            .map(|(host, address)| format!("{}={}", shown(host), shown(address))),
    )
}

pub(super) fn username(name: &str) -> Option<String> {
    plain(if name == "<token>" { name } else { SET })
}

pub(super) fn next_run(next: NextRun) -> Option<String> {
    match next {
        NextRun::Unknown => None,
        NextRun::NotPlanned => plain("none"),
        NextRun::Within(time) => plain(time),
    }
}

pub(super) fn access(access: Access) -> Option<String> {
    plain(match access {
        Access::Pull => "Pull",
        Access::PushPull => "Push,Pull",
    })
}

pub(super) fn seconds(time: Duration) -> Option<String> {
    Some(format!("{}s", time.as_secs()))
}

fn joined(items: impl Iterator<Item = String>) -> Option<String> {
    let items: Vec<_> = items.collect();
    (!items.is_empty()).then(|| items.join(","))
}

fn shown(value: &impl Display) -> String {
    let value = value.to_string();
    if may_be_credential(&value) {
        SET.to_owned()
    } else {
        clip_name(&value, VALUE_MAX)
    }
}
