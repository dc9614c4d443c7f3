//! `verify` is read-only and reports what is wrong.

use anyhow::{Context as _, Result};
use ensure_pull_secret::kubernetes::rbac_yaml::{self, RoleParams, Subject};
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;
use test_cluster::registry::OPENSHIFT;

use crate::world::{PULLER, RUNNER, SECRET, World};

#[tokio::test]
async fn verify_reports_a_missing_secret_and_a_missing_entry() -> Result<()> {
    let world = World::new("verify-missing").await?;
    let verify = world.program().env("PULL_SECRET_MODE", "verify");
    verify
        .expect("FAILURE", "none", "secret-missing", 78)
        .await?
        .expect_message(SECRET);
    assert!(world.namespace.secret(SECRET).await?.is_none());

    world
        .store(br#"{"auths":{"other.test":{"auth":"dTpw"}}}"#)
        .await?;
    verify
        .expect("FAILURE", "none", "no-matching-entry", 78)
        .await?
        .expect_message(OPENSHIFT);
    Ok(())
}

#[tokio::test]
async fn secret_of_another_type_is_rejected_and_unchanged() -> Result<()> {
    let world = World::new("wrong-type").await?;
    let before = world
        .namespace
        .create_secret(SECRET, "Opaque", [("a", b"b".as_slice())])
        .await?;
    for mode in ["verify", "ensure"] {
        let outcome = world.program().env("PULL_SECRET_MODE", mode).run().await?;
        outcome
            .expect("ERROR", "none", "wrong-type", 65)
            .expect_message("PULL_SECRET_NAME");
        assert!(!outcome.result("MESSAGE").to_lowercase().contains("delete"));
    }
    assert_eq!(world.secret().await?, before);
    Ok(())
}

#[tokio::test]
async fn immutable_secret_is_rejected_only_if_its_data_would_change() -> Result<()> {
    let world = World::new("immutable").await?;
    world.program().expect("SUCCESS", "created", "ok", 0).await?;
    let mut secret: Secret = world.secret().await?;
    secret.immutable = Some(true);
    let before = world.namespace.replace(&secret).await?;
    world.program().expect("SUCCESS", "unchanged", "ok", 0).await?;
    let renewed = world.program().env("PULL_SECRET_NEXT_RUN_WITHIN", "24h");
    renewed.expect("ERROR", "none", "immutable", 65).await?;
    assert_eq!(json!(world.secret().await?), json!(before));
    // Kubernetes lets metadata be written, and no data.
    let renamed = world
        .program()
        .env("PULL_SECRET_DISPLAY_NAME", "Other")
        .env("PULL_SECRET_ACCESS", "Push,Pull");
    renamed.expect("SUCCESS", "refreshed", "ok", 0).await?;
    let after = world.secret().await?;
    assert_eq!(after.data, before.data);
    let display_name = after.metadata.annotations.unwrap_or_default();
    assert_eq!(
        display_name.get("openshift.io/display-name").map(String::as_str),
        Some("Other")
    );
    renamed.expect("SUCCESS", "unchanged", "ok", 0).await?;
    Ok(())
}

#[tokio::test]
async fn verify_reports_a_revoked_grant() -> Result<()> {
    let world = World::new("revoked").await?;
    let image = world.push("app:v1")?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image);
    program.expect("SUCCESS", "created", "ok", 0).await?;
    let verify = program.env("PULL_SECRET_MODE", "verify");
    verify
        .expect("SUCCESS", "none", "ok", 0)
        .await?
        .expect_verified("pull");
    world.revoke_pull().await?;
    verify.expect("FAILURE", "none", "pull-forbidden", 77).await?;
    Ok(())
}

#[tokio::test]
async fn verify_reports_a_token_of_another_account() -> Result<()> {
    let world = World::new("verify-other-account").await?;
    world.program().expect("SUCCESS", "created", "ok", 0).await?;
    let verify = world
        .program()
        .env("PULL_SECRET_MODE", "verify")
        .env("PULL_SECRET_SERVICE_ACCOUNT", RUNNER);
    let outcome = verify.run().await?;
    outcome.expect("SUCCESS", "none", "ok", 0);
    let notes = outcome.report["notes"].to_string();
    assert!(notes.contains(PULLER) && notes.contains(RUNNER), "{outcome}");
    Ok(())
}

#[tokio::test]
async fn other_namespaces_need_a_named_account_and_the_caller_is_the_default() -> Result<()> {
    let world = World::without_grant("own-account").await?;
    let needs = RoleParams {
        namespace: world.namespace.name(),
        secret: SECRET,
        token_account: Some(RUNNER),
        runner: Some(Subject {
            namespace: world.namespace.name(),
            name: RUNNER,
        }),
    };
    world
        .namespace
        .apply(&rbac_yaml::role(&needs).context("valid names")?)
        .await?;
    let program = world.program().without("PULL_SECRET_SERVICE_ACCOUNT");
    let outcome = program.run().await?;
    outcome.expect("SUCCESS", "created", "ok", 0);
    let account = format!("{}/{RUNNER}", world.namespace.name());
    assert_eq!(outcome.report["credential"]["service_account"], account);
    let elsewhere = program.env("PULL_SECRET_NAMESPACE", "elsewhere").run().await?;
    elsewhere.expect("ERROR", "none", "invalid-configuration", 64);
    elsewhere.expect_message("PULL_SECRET_SERVICE_ACCOUNT");
    Ok(())
}
