//! The stored token: its ServiceAccount, its binding, and its expiry.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use k8s_openapi::api::authentication::v1::BoundObjectReference;
use test_cluster::{access::ClusterAccess, registry::OPENSHIFT};

use crate::{
    first_run::claims,
    world::{PULLER, RUNNER, SECRET, World, assert_does_not_pull, assert_pulls},
};

#[tokio::test]
async fn requested_token_outlives_the_pod_and_ends_with_the_secret() -> Result<()> {
    let world = World::new("bound").await?;
    let image = world.push("app:v1")?;
    world
        .program()
        .env("PULL_SECRET_IMAGE", &image)
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    let document = world.document().await?;
    world.runner.delete_pod().await?;
    until_denied(world.runner.token()).await?;
    assert_pulls(&document, &image)?;

    world.namespace.delete_secret(SECRET).await?;
    until_denied(&world_token(&document)?).await?;
    assert_does_not_pull(&document, &image)
}

#[tokio::test]
async fn stored_pod_bound_token_is_reported_and_replaced() -> Result<()> {
    let world = World::new("pod-bound").await?;
    let image = world.push("app:v1")?;
    let puller = world.namespace.identity(PULLER).await?;
    world.store(&document_with(puller.token())).await?;
    let program = world
        .program()
        .env("PULL_SECRET_IMAGE", &image)
        .canary(puller.token());
    let verify = program.clone().env("PULL_SECRET_MODE", "verify");
    verify.expect("FAILURE", "none", "pod-bound-token", 67).await?;
    program.expect("SUCCESS", "refreshed", "ok", 0).await?;
    let token = world.stored_token().await?;
    assert_eq!(claims(&token)?["kubernetes.io"]["secret"]["name"], SECRET);
    world.assert_pulls(&image).await
}

#[tokio::test]
async fn pod_bound_token_in_a_file_is_rejected_and_not_written() -> Result<()> {
    let world = World::new("pod-bound-file").await?;
    let file = world.runner.file("token");
    let program = world.program().env("PULL_SECRET_TOKEN_FILE", &file);
    program.expect("FAILURE", "none", "pod-bound-token", 67).await?;
    assert!(world.namespace.secret(SECRET).await?.is_none());
    Ok(())
}

#[tokio::test]
async fn token_bound_to_another_secret_is_reported_and_replaced() -> Result<()> {
    let world = World::new("bound-elsewhere").await?;
    let image = world.push("app:v1")?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image);
    world
        .namespace
        .create_docker_config_json("other", br#"{"auths":{}}"#)
        .await?;
    let bound = BoundObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Secret".to_owned()),
        name: Some("other".to_owned()),
        uid: world
            .namespace
            .secret("other")
            .await?
            .and_then(|secret| secret.metadata.uid),
    };
    let unmanaged = world.namespace.token(PULLER, Some(bound), 7200).await?;
    world.store(&document_with(&unmanaged)).await?;
    let program = program.canary(&unmanaged);
    program
        .clone()
        .env("PULL_SECRET_MODE", "verify")
        .expect("FAILURE", "none", "credential-rejected", 67)
        .await?
        .expect_message("is bound to another Secret and becomes invalid with that one; run ensure");
    program.expect("SUCCESS", "refreshed", "ok", 0).await?;
    assert_eq!(
        claims(&world.stored_token().await?)?["kubernetes.io"]["secret"]["name"],
        SECRET
    );
    world.assert_pulls(&image).await
}

#[tokio::test]
async fn token_of_another_account_is_replaced() -> Result<()> {
    let world = World::new("other-account").await?;
    world.program().expect("SUCCESS", "created", "ok", 0).await?;
    let uid = world.secret().await?.metadata.uid;
    let bound = BoundObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Secret".to_owned()),
        name: Some(SECRET.to_owned()),
        uid,
    };
    let unmanaged = world.namespace.token(RUNNER, Some(bound), 7200).await?;
    let mut secret = world.secret().await?;
    secret.data.get_or_insert_default().insert(
        ".dockerconfigjson".to_owned(),
        k8s_openapi::ByteString(document_with(&unmanaged).into_bytes()),
    );
    world.namespace.replace(&secret).await?;
    world
        .program()
        .canary(&unmanaged)
        .expect("WARNING", "refreshed", "reverted", 0)
        .await?;
    let subject = format!("system:serviceaccount:{}:{PULLER}", world.namespace.name());
    assert_eq!(claims(&world.stored_token().await?)?["sub"], subject);
    Ok(())
}

#[tokio::test]
async fn token_of_a_recreated_service_account_is_refreshed() -> Result<()> {
    let world = World::new("account-again").await?;
    let image = world.push("app:v1")?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image);
    program.expect("SUCCESS", "created", "ok", 0).await?;
    let before = world.secret().await?;
    let token = world.stored_token().await?;
    let accounts = world
        .namespace
        .api::<k8s_openapi::api::core::v1::ServiceAccount>();
    accounts
        .delete(PULLER, &kube::api::DeleteParams::default())
        .await?;
    until_denied(&token).await?;
    // Without the ServiceAccount no token can be requested, so the stored one is kept though it is rejected.
    program
        .expect("ERROR", "none", "service-account-missing", 64)
        .await?
        .expect_message(PULLER);
    assert_eq!(world.secret().await?, before);

    world.namespace.service_account(PULLER).await?;
    let verify = program.clone().env("PULL_SECRET_MODE", "verify");
    verify
        .expect("FAILURE", "none", "credential-rejected", 67)
        .await?;
    program
        .expect("SUCCESS", "refreshed", "ok", 0)
        .await?
        .expect_verified("pull");
    assert_eq!(world.secret().await?.metadata.uid, before.metadata.uid);
    world.assert_pulls(&image).await
}

#[tokio::test]
async fn credential_id_annotation_finds_its_use_in_the_audit_log() -> Result<()> {
    let world = World::new("credential-id").await?;
    let image = world.push("app:v1")?;
    let outcome = world.program().env("PULL_SECRET_IMAGE", &image).run().await?;
    outcome.expect("SUCCESS", "created", "ok", 0);
    let annotations = world.secret().await?.metadata.annotations.unwrap_or_default();
    let id = annotations
        .get("ensure-pull-secret/credential-id")
        .context("an annotation")?;
    assert_eq!(outcome.report["credential"]["credential_id"], id.as_str());
    let mark = world.mark().await?;
    // A reader of the Secret.
    let client = ClusterAccess::shared()
        .client_of(&world.stored_token().await?)
        .await?;
    let pods: kube::Api<k8s_openapi::api::core::v1::Pod> =
        kube::Api::namespaced(client, world.namespace.name());
    assert!(
        pods.list(&kube::api::ListParams::default()).await.is_err(),
        "it may only pull"
    );
    let requests = ClusterAccess::shared()
        .audit()
        .requests("", world.namespace.name(), mark)
        .await?;
    let by_it: Vec<_> = requests
        .iter()
        .filter(|request| request.credential_id == *id)
        .map(|request| (request.verb.as_str(), request.resource.as_str(), request.code))
        .collect();
    assert_eq!(by_it, [("list", "pods", 403)]);
    Ok(())
}

/// A document that holds `token` for OpenShift's registry, as this program writes it.
pub fn document_with(token: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let auth = STANDARD.encode(format!("<token>:{token}"));
    format!(r#"{{"auths":{{"{OPENSHIFT}":{{"username":"<token>","password":"{token}","auth":"{auth}"}}}}}}"#)
}

fn world_token(document: &[u8]) -> Result<String> {
    let document: serde_json::Value = serde_json::from_slice(document)?;
    Ok(document["auths"][OPENSHIFT]["password"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

/// Waits until the API server rejects the token: its cache keeps it for ten seconds, and docs/security.md
/// promises half a minute.
pub async fn until_denied(token: &str) -> Result<()> {
    use k8s_openapi::api::authentication::v1::SelfSubjectReview;
    let client = ClusterAccess::shared().client_of(token).await?;
    let reviews: kube::Api<SelfSubjectReview> = kube::Api::all(client);
    let started = Instant::now();
    while reviews
        .create(&kube::api::PostParams::default(), &SelfSubjectReview::default())
        .await
        .is_ok()
    {
        anyhow::ensure!(
            started.elapsed() < Duration::from_secs(30),
            "the token is still accepted"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
