//! Effective configuration, as the log shows it once.

use std::fmt::Display;
use std::path::Path;

use super::problem::may_be_credential;
use super::{Access, Config, Depth, LogFormat, LogLevel, NextRun};
use crate::text::clip_name;

/// Longest printed value, in characters: two host names.
const VALUE_MAX: usize = 512;

/// Printed for a value that may contain a secret, or is free text.
const SET: &str = "set";

impl Config {
    /// Effective settings by the name of their variable, without secrets and free text.
    pub fn effective(&self) -> Vec<(&'static str, String)> {
        let path = |path: &Path| shown(&path.display());
        let text = |text: &Option<String>| text.as_ref().map(|_| SET.to_owned());
        let username = if self.username == "<token>" {
            "<token>"
        } else {
            SET
        };
        let settings = [
            ("PULL_SECRET_NAME", Some(shown(&self.name))),
            (
                "PULL_SECRET_NAMESPACE",
                self.namespace.as_ref().map(|name| shown(name)),
            ),
            ("PULL_SECRET_REGISTRY", list(&self.registries)),
            ("PULL_SECRET_TRUSTED_HOSTS", list(&self.trusted_hosts)),
            ("PULL_SECRET_IMAGE", list(&self.images)),
            ("PULL_SECRET_MODE", Some(self.mode.as_str().to_owned())),
            (
                "PULL_SECRET_SERVICE_ACCOUNT",
                self.service_account.as_ref().map(|name| shown(name)),
            ),
            (
                "PULL_SECRET_TOKEN_LIFETIME",
                Some(self.token_lifetime.to_string()),
            ),
            ("PULL_SECRET_REFRESH_BELOW", Some(self.refresh_below.to_string())),
            ("PULL_SECRET_NEXT_RUN_WITHIN", next_run(self.next_run_within)),
            ("PULL_SECRET_TOKEN_FILE", self.token_file.as_deref().map(path)),
            ("PULL_SECRET_USERNAME", Some(username.to_owned())),
            ("PULL_SECRET_ACCESS", Some(access(self.access).to_owned())),
            ("PULL_SECRET_CONNECTION", Some(self.connection.to_string())),
            ("PULL_SECRET_DISPLAY_NAME", text(&self.display_name)),
            ("PULL_SECRET_DESCRIPTION", text(&self.description)),
            ("PULL_SECRET_VERIFY", Some(depth(self.verify).to_owned())),
            (
                "PULL_SECRET_REGISTRY_CA_FILE",
                self.registry_ca_file.as_deref().map(path),
            ),
            ("PULL_SECRET_CONNECT_TO", self.connect_to()),
            ("PULL_SECRET_STRICT", Some(self.output.strict.to_string())),
            (
                "PULL_SECRET_TIMEOUT",
                Some(format!("{}s", self.timeout.as_secs())),
            ),
            ("PULL_SECRET_LOG", Some(level(self.output.log_level).to_owned())),
            (
                "PULL_SECRET_LOG_FORMAT",
                Some(format(self.output.log_format).to_owned()),
            ),
            (
                "PULL_SECRET_TERMINATION_MESSAGE_FILE",
                self.output.termination_message_file.as_deref().map(path),
            ),
            (
                "PULL_SECRET_SERVICE_ACCOUNT_DIR",
                Some(path(&self.service_account_dir)),
            ),
            (
                "KUBERNETES_SERVICE_HOST",
                self.api_server.as_ref().map(|server| shown(&server.host)),
            ),
            (
                "KUBERNETES_SERVICE_PORT",
                self.api_server.as_ref().map(|server| server.port.to_string()),
            ),
            ("HTTPS_PROXY", self.proxy.https.as_ref().map(|_| SET.to_owned())),
            ("ALL_PROXY", self.proxy.all.as_ref().map(|_| SET.to_owned())),
            ("NO_PROXY", text(&self.proxy.no)),
            ("SSL_CERT_FILE", self.ssl_cert_file.as_deref().map(path)),
            ("SSL_CERT_DIR", self.ssl_cert_dir.as_deref().map(path)),
        ];
        settings
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }

    fn connect_to(&self) -> Option<String> {
        let pairs: Vec<_> = self
            .connect_to
            .iter()
            .map(|(host, address)| format!("{}={}", shown(host), shown(address)))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join(","))
    }
}

fn list(items: &[impl Display]) -> Option<String> {
    let items: Vec<_> = items.iter().map(|item| shown(item)).collect();
    (!items.is_empty()).then(|| items.join(","))
}

fn shown(value: &dyn Display) -> String {
    let value = value.to_string();
    if may_be_credential(&value) {
        SET.to_owned()
    } else {
        clip_name(&value, VALUE_MAX)
    }
}

fn next_run(next: NextRun) -> Option<String> {
    match next {
        NextRun::Unknown => None,
        NextRun::NotPlanned => Some("none".to_owned()),
        NextRun::Within(time) => Some(time.to_string()),
    }
}

const fn access(access: Access) -> &'static str {
    match access {
        Access::Pull => "Pull",
        Access::PushPull => "Push,Pull",
    }
}

const fn depth(depth: Depth) -> &'static str {
    match depth {
        Depth::Registry => "registry",
        Depth::Api => "api",
        Depth::Structure => "structure",
    }
}

const fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    }
}

const fn format(format: LogFormat) -> &'static str {
    match format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    }
}
