//! Values of responses that later requests repeat.

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

use crate::{RESOURCE_VERSION, TOKEN_BASIC, TOKEN_BEARER, UID};

/// The latest uid, version and token.
#[derive(Default)]
pub struct Learned {
    uid: Option<String>,
    resource_version: Option<String>,
    token: Option<String>,
}

/// The parts of a Kubernetes object that matter here.
#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    status: serde_json::Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    uid: Option<String>,
    resource_version: Option<String>,
}

impl Learned {
    /// Records the values of a response; a response that is no object has none.
    pub fn learn(&mut self, body: &[u8]) {
        let Ok(object) = serde_json::from_slice::<Object>(body) else {
            return;
        };
        if let Some(token) = object.status.get("token").and_then(|token| token.as_str()) {
            self.token = Some(token.to_owned());
            return;
        }
        if let Some(uid) = object.metadata.uid {
            (self.uid, self.resource_version) = (Some(uid), object.metadata.resource_version);
        }
    }

    /// A body with its placeholders filled.
    ///
    /// # Errors
    /// If no response had the value yet.
    pub fn fill(&self, body: &str) -> Result<String> {
        let mut filled = body.to_owned();
        for (placeholder, value) in [(UID, &self.uid), (RESOURCE_VERSION, &self.resource_version)] {
            if filled.contains(placeholder) {
                let value = value
                    .as_deref()
                    .with_context(|| format!("no answer gave a value for {placeholder}"))?;
                filled = filled.replace(placeholder, value);
            }
        }
        Ok(filled)
    }

    /// A header's value, or the requested token in place of its placeholder.
    ///
    /// # Errors
    /// If no token was requested yet.
    pub fn header(&self, value: &str, username: &str) -> Result<String> {
        let token = || self.token.as_deref().context("no token was requested yet");
        match value {
            TOKEN_BASIC => Ok(format!(
                "Basic {}",
                STANDARD.encode(format!("{username}:{}", token()?))
            )),
            TOKEN_BEARER => Ok(format!("Bearer {}", token()?)),
            other => Ok(other.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_repeats_the_latest_object() -> Result<()> {
        let mut learned = Learned::default();
        learned.learn(br#"{"metadata":{"uid":"one","resourceVersion":"1"}}"#);
        learned.learn(br#"{"metadata":{"uid":"one","resourceVersion":"2"}}"#);
        learned.learn(b"no JSON");
        assert_eq!(
            learned.fill(r#"{"uid":"@UID@","resourceVersion":"@RESOURCE-VERSION@"}"#)?,
            r#"{"uid":"one","resourceVersion":"2"}"#
        );
        Ok(())
    }

    #[test]
    fn requested_token_becomes_a_basic_header_and_is_no_object() -> Result<()> {
        let mut learned = Learned::default();
        learned.learn(br#"{"metadata":{"uid":"secret","resourceVersion":"1"}}"#);
        learned.learn(br#"{"metadata":{"name":"puller"},"status":{"token":"abc"}}"#);
        assert_eq!(learned.header(TOKEN_BASIC, "u")?, "Basic dTphYmM=");
        assert_eq!(learned.header(TOKEN_BEARER, "u")?, "Bearer abc");
        assert_eq!(learned.header("Bearer x", "u")?, "Bearer x");
        assert_eq!(learned.fill(UID)?, "secret");
        Ok(())
    }

    #[test]
    fn value_that_no_response_has_is_an_error() {
        let learned = Learned::default();
        learned.fill(UID).expect_err("no uid");
        learned.header(TOKEN_BASIC, "u").expect_err("no token");
    }
}
