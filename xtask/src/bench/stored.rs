//! The Secret of a contender, in the state that is measured.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::{
    ByteString,
    api::{authentication::v1::BoundObjectReference, core::v1::Secret},
};
use serde_json::json;
use test_cluster::{namespace::TestNamespace, registry::OPENSHIFT};

use super::figures::State;

/// Shortest lifetime that the API server grants, in seconds. It is less than [`NEXT_RUN_WITHIN`], so a refresh is due.
const DUE_LIFETIME: i64 = 600;
/// Time for which such a token is used: it must not expire before the program reads it.
const DUE_FOR: Duration = Duration::from_secs(300);
/// `NEXT_RUN_WITHIN` of the program.
pub const NEXT_RUN_WITHIN: &str = "1h";

/// The Secret of a contender.
pub struct Stored {
    namespace: TestNamespace,
    secret: &'static str,
    puller: &'static str,
    due: Option<(Instant, Secret)>,
}

impl Stored {
    /// The Secret `secret` of a namespace, with a token of the ServiceAccount `puller`.
    pub fn new(namespace: &TestNamespace, secret: &'static str, puller: &'static str) -> Self {
        Self {
            namespace: namespace.clone(),
            secret,
            puller,
            due: None,
        }
    }

    /// Puts the Secret into a state. The steady state is that after the run before.
    pub async fn prepare(&mut self, state: State) -> Result<()> {
        match state {
            State::Steady => {}
            State::FirstRun => {
                if self.namespace.secret(self.secret).await?.is_some() {
                    self.namespace.delete_secret(self.secret).await?;
                }
                self.due = None;
            }
            State::Refresh => {
                self.due.take_if(|(created, _)| created.elapsed() > DUE_FOR);
                let (created, due) = match self.due.take() {
                    Some(due) => due,
                    None => (Instant::now(), self.due().await?),
                };
                self.namespace.replace(&due).await?;
                self.due = Some((created, due));
            }
        }
        Ok(())
    }

    /// The stored Secret with a valid token that expires before the next run.
    async fn due(&self) -> Result<Secret> {
        let secret = self.namespace.secret(self.secret).await?;
        let mut secret = secret.context("there is no Secret to refresh")?;
        let bound_to = BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Secret".to_owned()),
            name: Some(self.secret.to_owned()),
            uid: secret.metadata.uid.clone(),
        };
        let token = self.namespace.token(self.puller, Some(bound_to), DUE_LIFETIME);
        let token = token.await?;
        let auth = STANDARD.encode(format!("<token>:{token}"));
        let entry = json!({ "username": "<token>", "password": token, "auth": auth });
        let document = json!({ "auths": { OPENSHIFT: entry } }).to_string();
        let data = secret.data.get_or_insert_default();
        data.insert(".dockerconfigjson".to_owned(), ByteString(document.into_bytes()));
        // Without a version it replaces every later version.
        secret.metadata.resource_version = None;
        Ok(secret)
    }
}
