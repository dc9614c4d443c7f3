//! Another manager undoes the write: seen when the Secret is read again, and said.

use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::StatusCode;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};
use test_cluster::{
    certificates::Authority,
    listener::{ReceivedRequest, Reply, ScriptedServer},
};

use crate::world::{SECRET, World};

/// How long the API server may take to notice a new webhook.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_webhook_that_puts_the_document_back_is_73_and_what_was_stored_stays() -> Result<()> {
    let world = World::new("reverting").await?;
    let before = br#"{"auths":{"foreign.test":{"auth":"dTpw"}}}"#;
    world.namespace.create_docker_config_json(SECRET, before).await?;
    let _webhook = mutate(&world, |review| {
        let old = &review["request"]["oldObject"]["data"];
        json!([{"op": "replace", "path": "/data", "value": old}])
    })
    .await?;
    let outcome = world.program().run().await?;
    assert_eq!(outcome.result("STATUS"), "ERROR", "{outcome}");
    assert_eq!(
        (outcome.result("REASON"), outcome.output.exit),
        ("reverted", 73),
        "{outcome}"
    );
    outcome.expect_message(SECRET).expect_verified("none");
    assert_eq!(world.document().await?, before);
    Ok(())
}

#[tokio::test]
async fn a_webhook_that_puts_back_a_credential_that_is_due_is_73_and_that_credential_stays() -> Result<()> {
    let world = World::new("reverting-due").await?;
    let image = world.push("app:v1")?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image);
    program.run().await?.expect("SUCCESS", "created", "ok", 0);
    let stored = world.document().await?;
    let _webhook = mutate(&world, |review| {
        let old = &review["request"]["oldObject"]["data"];
        json!([{"op": "replace", "path": "/data", "value": old}])
    })
    .await?;
    // More life is asked for than is left.
    let outcome = program
        .env("PULL_SECRET_REFRESH_BELOW", "99%")
        .env("PULL_SECRET_TOKEN_LIFETIME", "48h")
        .env("PULL_SECRET_NEXT_RUN_WITHIN", "25h")
        .run()
        .await?;
    assert_eq!(
        (outcome.result("REASON"), outcome.output.exit),
        ("reverted", 73),
        "{outcome}"
    );
    assert_eq!(world.document().await?, stored);
    world.assert_pulls(&image).await
}

#[tokio::test]
async fn a_webhook_that_takes_the_dashboards_label_away_is_73_though_the_credential_is_stored() -> Result<()>
{
    let world = World::new("reverting-label").await?;
    let image = world.push("app:v1")?;
    let _webhook = mutate(&world, |review| {
        let labelled = review["request"]["object"]["metadata"]["labels"].is_object();
        if labelled {
            json!([{"op": "remove", "path": "/metadata/labels"}])
        } else {
            json!([])
        }
    })
    .await?;
    let outcome = world.program().env("PULL_SECRET_IMAGE", &image).run().await?;
    assert_eq!(
        (outcome.result("REASON"), outcome.output.exit),
        ("reverted", 73),
        "{outcome}"
    );
    world.assert_pulls(&image).await
}

/// A mutating webhook for every update of a Secret in this namespace, at work when this returns.
async fn mutate(
    world: &World,
    patch: impl Fn(&Value) -> Value + Send + Sync + 'static,
) -> Result<ScriptedServer> {
    let authority = Authority::new("webhooks")?;
    let server = ScriptedServer::start(Some(&authority.issue(&["127.0.0.1"])?), move |request| {
        admit(request, &patch).unwrap_or_else(|_| Reply::status(StatusCode::BAD_REQUEST))
    })?;
    let namespace = world.namespace.name();
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": namespace},
        "webhooks": [{
            "name": "another-manager.example.com",
            "clientConfig": {
                "url": format!("https://{}/", server.address()), "caBundle": STANDARD.encode(authority.pem()),
            },
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["secrets"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "sideEffects": "None", "admissionReviewVersions": ["v1"],
            // Nobody else's Secret is held up when the test has ended.
            "failurePolicy": "Ignore",
        }],
    });
    world.namespace.apply(&configuration.to_string()).await?;
    let probe = world
        .namespace
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
            world.namespace.replace(&probe).await?;
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, asked)
        .await
        .context("the API server asks no webhook")??;
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
