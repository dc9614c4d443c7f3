//! A manager of Secrets that changes what others write, as a mutating webhook does.

use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::StatusCode;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use serde_json::{Value, json};

use crate::{
    certificates::Authority,
    listener::{ReceivedRequest, Reply, ScriptedServer},
    manifest::apply_documents,
    namespace::TestNamespace,
};

/// Time limit for the API server to notice a new webhook.
const PATIENCE: Duration = Duration::from_secs(60);

/// A mutating webhook for every update of a Secret in this namespace, at work when this returns. `patch` gives a JSON
/// patch for an AdmissionReview.
///
/// # Errors
/// If the API server rejects it, or doesn't call it.
pub async fn mutate(
    namespace: &TestNamespace,
    patch: impl Fn(&Value) -> Value + Send + Sync + 'static,
) -> Result<ScriptedServer> {
    let name = namespace.name();
    let server = register(
        &namespace.client(),
        name,
        &json!({ "matchLabels": { "kubernetes.io/metadata.name": name } }),
        &json!([{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["secrets"],
        }]),
        patch,
    )
    .await?;
    let probe = namespace
        .create_secret("probe", "Opaque", [("key", &b"value"[..])])
        .await?;
    let probe = Secret {
        metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
            resource_version: None,
            ..probe.metadata
        },
        ..probe
    };
    let asked = async {
        while server.record().requests.is_empty() {
            namespace.replace(&probe).await?;
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, asked)
        .await
        .context("the API server asks no webhook")??;
    Ok(server)
}

/// Registers a mutating webhook for `rules` and the namespace selector; it responds until the returned server is
/// dropped. The API server needs a moment to notice it.
///
/// # Errors
/// If the API server refuses it.
pub async fn register(
    client: &Client,
    name: &str,
    selector: &Value,
    rules: &Value,
    patch: impl Fn(&Value) -> Value + Send + Sync + 'static,
) -> Result<ScriptedServer> {
    let authority = Authority::new("webhooks")?;
    let server = ScriptedServer::start(Some(&authority.issue(&["127.0.0.1"])?), move |request| {
        admit(request, &patch).unwrap_or_else(|_| Reply::status(StatusCode::BAD_REQUEST))
    })?;
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [{
            "name": "another-manager.example.com",
            "clientConfig": {
                "url": format!("https://{}/", server.address()), "caBundle": STANDARD.encode(authority.pem()),
            },
            "rules": rules,
            "namespaceSelector": selector,
            "sideEffects": "None", "admissionReviewVersions": ["v1"],
            // Other tests' objects are not delayed after the end of the test.
            "failurePolicy": "Ignore",
        }],
    });
    apply_documents(client, "default", vec![configuration]).await?;
    Ok(server)
}

/// Answers an AdmissionReview: allowed, with the patch.
fn admit(request: &ReceivedRequest, patch: &impl Fn(&Value) -> Value) -> Result<Reply> {
    let review: Value = serde_json::from_slice(&request.body)?;
    let answer = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "response": {
            "uid": review["request"]["uid"], "allowed": true,
            "patchType": "JSONPatch", "patch": STANDARD.encode(patch(&review).to_string()),
        },
    });
    Ok(Reply::json(StatusCode::OK, answer.to_string()))
}
