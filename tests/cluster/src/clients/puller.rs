//! The smallest client there is: one entry of the document, one request for the manifest.
//!
//! crane and skopeo fetch every blob and take a tenth of a second; this one is for a thousand questions.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

use super::HttpsClient;
use crate::registry::{Host, OPENSHIFT};

/// As much of a document as is read: other members may hold what Rust's strings can't.
#[derive(Deserialize)]
struct Document {
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
}

/// A client of OpenShift's registry that has nothing but a pull secret.
#[derive(Clone, Debug)]
pub struct Puller {
    registry: HttpsClient,
}

impl Puller {
    /// A client of the registry at `host`, with the CA `ca` (PEM).
    ///
    /// # Errors
    /// If `ca` is no authority.
    pub fn new(host: &Host, ca: &str) -> Result<Self> {
        Ok(Self {
            registry: HttpsClient::new(host, ca)?,
        })
    }

    /// True if the document's entry for OpenShift's registry, by its `auth` as the kubelet reads it, gets the manifest of
    /// `image` (`host:port/repository:tag`). A document that no client reads gets nothing.
    ///
    /// # Errors
    /// If the registry gives no verdict.
    pub async fn pulls(&self, document: &[u8], image: &str) -> Result<bool> {
        let read = serde_json::from_slice::<Document>(document).ok();
        let entry = read.and_then(|mut document| document.auths.remove(OPENSHIFT));
        let Some(auth) = entry.and_then(|entry| entry.auth) else {
            return Ok(false);
        };
        let (repository, tag) = image
            .strip_prefix(OPENSHIFT)
            .and_then(|rest| rest.strip_prefix('/')?.rsplit_once(':'))
            .with_context(|| format!("{image} is not repository and tag of OpenShift's registry"))?;
        let request = Request::get(format!("/v2/{repository}/manifests/{tag}"))
            .header(header::AUTHORIZATION, format!("Basic {auth}"))
            .header(header::ACCEPT, "application/vnd.oci.image.manifest.v1+json")
            .body(Bytes::new())?;
        let answer = self.registry.exchange(request).await?;
        match answer.status() {
            StatusCode::OK => Ok(serde_json::from_slice::<Value>(answer.body())
                .is_ok_and(|manifest| manifest.get("layers").is_some())),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Ok(false),
            other => anyhow::bail!("the registry answers {other} to an independent client"),
        }
    }
}
