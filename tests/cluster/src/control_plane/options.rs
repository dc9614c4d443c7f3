//! Differences of a control plane from the shared one.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::SigningKey;

/// Options of a test's own control plane; the default is that of the shared one, without registries.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub(super) signing_key: Option<SigningKey>,
    pub(super) flags: BTreeMap<&'static str, String>,
    pub(super) feature_gates: BTreeMap<String, bool>,
    pub(super) registries: bool,
    pub(super) api_server_port: Option<u16>,
}

impl Options {
    /// The usual control plane, without registries.
    pub fn new() -> Self {
        Self::default()
    }

    /// With registries, as the whole suite shares them.
    #[must_use]
    pub fn registries(mut self) -> Self {
        self.registries = true;
        self
    }

    /// Fixed port of the API server, for a network in which no other process uses it.
    #[must_use]
    pub fn api_server_port(mut self, port: u16) -> Self {
        self.api_server_port = Some(port);
        self
    }

    /// Signs and verifies service account tokens with `key`, instead of one made for the run.
    #[must_use]
    pub fn signing_key(mut self, key: SigningKey) -> Self {
        self.signing_key = Some(key);
        self
    }

    /// Longest token lifetime (`--service-account-max-token-expiration`, at least an hour: the API server refuses to
    /// start with less).
    #[must_use]
    pub fn max_token_lifetime(self, lifetime: Duration) -> Self {
        self.flag(
            "service-account-max-token-expiration",
            format!("{}s", lifetime.as_secs()),
        )
    }

    /// Sends every token that no built-in authenticator knows to a webhook; `kubeconfig` is its file.
    #[must_use]
    pub fn authentication_webhook(self, kubeconfig: PathBuf) -> Self {
        self.flag("authentication-token-webhook-version", "v1").flag(
            "authentication-token-webhook-config-file",
            kubeconfig.display().to_string(),
        )
    }

    /// Adds admission plugins, separated by commas, to the default ones. Mutating and validating webhooks and policies
    /// are among the default ones.
    #[must_use]
    pub fn admission_plugins(self, plugins: &str) -> Self {
        self.flag("enable-admission-plugins", plugins)
    }

    /// Turns a feature gate on or off.
    #[must_use]
    pub fn feature_gate(mut self, name: &str, enabled: bool) -> Self {
        self.feature_gates.insert(name.to_owned(), enabled);
        self
    }

    /// Any other flag of kube-apiserver, without the dashes; replaces our own value of it.
    #[must_use]
    pub fn flag(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.flags.insert(name, value.into());
        self
    }
}
