//! The Secret, brought into the state that is measured.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::{
    ByteString,
    api::{authentication::v1::BoundObjectReference, core::v1::Secret},
};
use serde_json::json;
use test_cluster::{namespace::TestNamespace, registry::OPENSHIFT};

use super::state::State;

/// The shortest that the API server grants, in seconds; less than [`NEXT_RUN_WITHIN`], so a refresh is due.
const DUE_LIFETIME: i64 = 600;
/// How long a Secret with such a token is put back: its token must not have expired when the program finds it.
const DUE_WORTH: Duration = Duration::from_secs(300);
/// When the program is told that it runs again.
pub const NEXT_RUN_WITHIN: &str = "1h";

/// A contender's Secret.
pub struct Stored {
    namespace: TestNamespace,
    secret: &'static str,
    puller: &'static str,
    due: Option<(Instant, Secret)>,
}

impl Stored {
    /// The Secret `secret` of a namespace, with the token of the account `puller`.
    pub fn new(namespace: &TestNamespace, secret: &'static str, puller: &'static str) -> Self {
        Self {
            namespace: namespace.clone(),
            secret,
            puller,
            due: None,
        }
    }

    /// Brings it into the state before a run, but for the steady one, in which the last run has left it.
    ///
    /// # Errors
    /// Where the API server refuses it.
    pub async fn prepare(&mut self, state: State) -> Result<()> {
        match state {
            State::Steady => Ok(()),
            State::FirstRun => {
                if self.namespace.secret(self.secret).await?.is_some() {
                    self.namespace.delete_secret(self.secret).await?;
                }
                self.due = None;
                Ok(())
            }
            State::Refresh => {
                self.due.take_if(|(made, _)| made.elapsed() > DUE_WORTH);
                let (made, due) = match self.due.take() {
                    Some(due) => due,
                    None => (Instant::now(), self.due().await?),
                };
                self.namespace.replace(&due).await?;
                self.due = Some((made, due));
                Ok(())
            }
        }
    }

    /// The Secret as it is, with a good token that ends before the next run.
    async fn due(&self) -> Result<Secret> {
        let mut secret = self
            .namespace
            .secret(self.secret)
            .await?
            .context("there is no Secret to refresh")?;
        let bound_to = BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Secret".to_owned()),
            name: Some(self.secret.to_owned()),
            uid: secret.metadata.uid.clone(),
        };
        let token = self
            .namespace
            .token(self.puller, Some(bound_to), DUE_LIFETIME)
            .await?;
        let auth = STANDARD.encode(format!("<token>:{token}"));
        let entry = json!({ "username": "<token>", "password": token, "auth": auth });
        let document = json!({ "auths": { OPENSHIFT: entry } }).to_string();
        secret
            .data
            .get_or_insert_default()
            .insert(".dockerconfigjson".to_owned(), ByteString(document.into_bytes()));
        // It replaces whatever is there by then.
        secret.metadata.resource_version = None;
        Ok(secret)
    }
}
