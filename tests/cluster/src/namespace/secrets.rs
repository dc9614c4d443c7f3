//! Secrets of a test's namespace, byte for byte.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::api::{DeleteParams, PostParams};

use super::{TestNamespace, named};

/// The key of the credentials in a pull secret.
const DOCKER_CONFIG_JSON: &str = ".dockerconfigjson";
/// The type of a pull secret.
const DOCKER_CONFIG_JSON_TYPE: &str = "kubernetes.io/dockerconfigjson";

impl TestNamespace {
    /// A stored Secret; none if there is none.
    ///
    /// # Errors
    /// If the API server doesn't answer.
    pub async fn secret(&self, name: &str) -> Result<Option<Secret>> {
        self.api()
            .get_opt(name)
            .await
            .with_context(|| format!("cannot read secret {}/{name}", self.name))
    }

    /// The bytes of a pull secret's `.dockerconfigjson`.
    ///
    /// # Errors
    /// If the Secret or the key is missing.
    pub async fn docker_config_json(&self, name: &str) -> Result<Vec<u8>> {
        let secret = self
            .secret(name)
            .await?
            .with_context(|| format!("there is no secret {}/{name}", self.name))?;
        secret
            .data
            .and_then(|mut data| data.remove(DOCKER_CONFIG_JSON))
            .map(|bytes| bytes.0)
            .with_context(|| format!("secret {}/{name} has no {DOCKER_CONFIG_JSON}", self.name))
    }

    /// Creates a pull secret that holds exactly these bytes.
    ///
    /// # Errors
    /// If the API server refuses them: it wants a JSON object.
    pub async fn create_docker_config_json(&self, name: &str, document: &[u8]) -> Result<Secret> {
        self.create_secret(name, DOCKER_CONFIG_JSON_TYPE, [(DOCKER_CONFIG_JSON, document)])
            .await
    }

    /// Creates a Secret of any type.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn create_secret<'a>(
        &self,
        name: &str,
        kind: &str,
        data: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Secret> {
        let data: BTreeMap<String, ByteString> = data
            .into_iter()
            .map(|(key, bytes)| (key.to_owned(), ByteString(bytes.to_vec())))
            .collect();
        let secret = Secret {
            metadata: named(name),
            type_: Some(kind.to_owned()),
            data: Some(data),
            ..Secret::default()
        };
        self.create(&secret).await
    }

    /// Creates a Secret unchanged: labels, owners, immutability and all.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn create(&self, secret: &Secret) -> Result<Secret> {
        self.api()
            .create(&PostParams::default(), secret)
            .await
            .with_context(|| format!("cannot create a secret in {}", self.name))
    }

    /// Replaces a Secret by `secret`; a `resourceVersion` must be the stored one's.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn replace(&self, secret: &Secret) -> Result<Secret> {
        let name = secret.metadata.name.as_deref().unwrap_or_default();
        self.api()
            .replace(name, &PostParams::default(), secret)
            .await
            .with_context(|| format!("cannot replace secret {}/{name}", self.name))
    }

    /// Deletes a Secret.
    ///
    /// # Errors
    /// If there is none.
    pub async fn delete_secret(&self, name: &str) -> Result<()> {
        self.api::<Secret>()
            .delete(name, &DeleteParams::default())
            .await
            .map(drop)
            .with_context(|| format!("cannot delete secret {}/{name}", self.name))
    }
}
