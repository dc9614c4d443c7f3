//! Registries that keep their own accounts, and several at once.

use std::fs;

use anyhow::{Context as _, Result};
use http::{HeaderName, Method, StatusCode};
use serde_json::Value;
use test_cluster::{
    listener::Reply,
    program::Program,
    registry::{OPENSHIFT, Registry, push_image},
};

use crate::{
    interception::Scripted,
    world::{World, registries},
};

/// The program with a robot account's password in a file beside the pod's token.
pub fn with_robot(world: &World, registry: &Registry, account: &str) -> Result<Program> {
    let account = registry.account(account).context("an account")?;
    let file = world.runner.file("robot");
    fs::write(&file, format!("{}\n", account.password))?;
    Ok(world
        .program()
        .without("PULL_SECRET_SERVICE_ACCOUNT")
        .env("PULL_SECRET_REGISTRY", &registry.host.name)
        .env("PULL_SECRET_USERNAME", &account.name)
        .env("PULL_SECRET_TOKEN_FILE", file)
        .canary(&account.password))
}

#[tokio::test]
async fn robot_account_is_stored_and_pulls_from_each_kind_of_registry() -> Result<()> {
    let all = registries();
    for (name, registry) in [("basic", &all.basic), ("token", &all.token)] {
        let world = World::new(&format!("robot-{name}")).await?;
        let repository = format!("{}/app:v1", world.namespace.name());
        push_image(all.store, &repository)?;
        let image = format!("{}/{repository}", registry.host.name);
        let program = with_robot(&world, registry, "robot")?.env("PULL_SECRET_IMAGE", &image);
        program
            .expect("SUCCESS", "created", "ok", 0)
            .await?
            .expect_verified("pull");
        world.assert_pulls(&image).await?;
        let mark = world.mark().await?;
        program.expect("SUCCESS", "unchanged", "ok", 0).await?;
        let requests = world.requests(mark).await?;
        assert_eq!(
            requests.len(),
            1,
            "a robot's password never reaches the API server: {requests:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn denied_pull_differs_from_a_rejected_robot() -> Result<()> {
    let all = registries();
    let world = World::new("robot-nobody").await?;
    let repository = format!("{}/app:v1", world.namespace.name());
    push_image(all.store, &repository)?;
    let image = format!("{}/{repository}", all.token.host.name);
    let nobody = with_robot(&world, &all.token, "nobody")?.env("PULL_SECRET_IMAGE", &image);
    nobody
        .expect("FAILURE", "created", "pull-forbidden", 77)
        .await?
        .expect_verified("login");

    let stored = world.document().await?;
    let wrong = with_robot(&world, &all.token, "robot")?.env("PULL_SECRET_IMAGE", &image);
    fs::write(world.runner.file("robot"), "wrong-password")?;
    wrong.expect("FAILURE", "none", "credential-rejected", 67).await?;
    assert_eq!(
        world.document().await?,
        stored,
        "what is not accepted replaces nothing"
    );
    Ok(())
}

#[tokio::test]
async fn rejected_first_credential_leaves_the_placeholder() -> Result<()> {
    let world = World::new("robot-rejected").await?;
    let program = with_robot(&world, &registries().basic, "robot")?;
    fs::write(world.runner.file("robot"), "wrong-password")?;
    program
        .expect("FAILURE", "created", "credential-rejected", 67)
        .await?
        .expect_verified("none");
    assert_eq!(world.document().await?, br#"{"auths":{}}"#);
    let secret = world.secret().await?;
    assert_eq!(
        (secret.metadata.labels, secret.metadata.annotations),
        (None, None)
    );
    Ok(())
}

#[tokio::test]
async fn bearer_realm_on_another_host_gets_the_password_only_if_trusted() -> Result<()> {
    let all = registries();
    let world = World::new("realm").await?;
    let repository = format!("{}/app:v1", world.namespace.name());
    push_image(all.store, &repository)?;
    let image = format!("{}/{repository}", all.token_elsewhere.host.name);
    let program = with_robot(&world, &all.token_elsewhere, "robot")?.env("PULL_SECRET_IMAGE", &image);
    let realm = all
        .token_elsewhere
        .realm
        .as_ref()
        .context("a realm on another host")?;
    // No usable credential is stored, so the unverified one is written.
    let outcome = program.run().await?;
    outcome
        .expect("ERROR", "created", "registry-untrusted", 76)
        .expect_message(&realm.name);
    outcome.expect_verified("none");
    let trusted = program.env("PULL_SECRET_TRUSTED_HOSTS", &realm.name);
    trusted
        .expect("SUCCESS", "unchanged", "ok", 0)
        .await?
        .expect_verified("pull");
    world.assert_pulls(&image).await
}

#[tokio::test]
async fn one_token_covers_two_names_and_a_removed_name_is_reported() -> Result<()> {
    let world = World::new("two-names").await?;
    let image = world.push("app:v1")?;
    let long = OPENSHIFT.replace(".svc:", ".svc.cluster.local:");
    let address = registries().openshift.host.address;
    let both = world
        .program()
        .env("PULL_SECRET_REGISTRY", format!("{OPENSHIFT},{long}"))
        .env(
            "PULL_SECRET_CONNECT_TO",
            format!("{OPENSHIFT}={address},{long}={address}"),
        )
        .env("PULL_SECRET_VERIFY", "api")
        .env("PULL_SECRET_IMAGE", &image);
    both.expect("SUCCESS", "created", "ok", 0)
        .await?
        .expect_verified("review");
    let document: Value = serde_json::from_slice(&world.document().await?)?;
    assert_eq!(document["auths"][OPENSHIFT], document["auths"][&long]);

    let outcome = world.program().env("PULL_SECRET_IMAGE", &image).run().await?;
    outcome.expect("SUCCESS", "unchanged", "ok", 0);
    let notes = outcome.report["notes"].to_string();
    assert!(
        notes.contains(&long) && notes.contains("will not be refreshed"),
        "{notes}"
    );
    Ok(())
}

#[tokio::test]
async fn r1_long_manifest_is_read_and_head_that_is_denied_is_a_warning() -> Result<()> {
    const REGISTRY: &str = "registry.test:5000";
    let world = World::new("long-manifest").await?;
    let trusted = Scripted::trusted_by(&world)?;
    let server = trusted.server(REGISTRY, |request| {
        if !request.headers.contains_key("authorization") {
            return Reply::challenge("Basic realm=\"registry\"");
        }
        let long = |length| {
            format!(
                r#"{{"schemaVersion":2,"layers":[],"x":"{}"}}"#,
                "y".repeat(length)
            )
        };
        let digest = HeaderName::from_static("docker-content-digest");
        match request.target.as_str() {
            target if !target.contains("/manifests/") => Reply::json(StatusCode::OK, "{}"),
            _ if request.method == Method::HEAD => Reply::status(StatusCode::FORBIDDEN),
            // Known by its body alone, and by its digest.
            target if target.contains("/static/") => Reply::json(StatusCode::OK, long(500_000)),
            _ => Reply::json(StatusCode::OK, long(5_000_000)).with_header(digest, "sha256:00"),
        }
    })?;
    fs::write(world.runner.file("robot"), "a-robots-password")?;
    let outcome = world
        .program()
        .without("PULL_SECRET_SERVICE_ACCOUNT")
        .env("PULL_SECRET_REGISTRY", REGISTRY)
        .env("PULL_SECRET_USERNAME", "robot")
        .env("PULL_SECRET_TOKEN_FILE", world.runner.file("robot"))
        .env(
            "PULL_SECRET_IMAGE",
            format!("{REGISTRY}/team/static/app:v1,{REGISTRY}/team/app:v1"),
        )
        .env(
            "PULL_SECRET_CONNECT_TO",
            format!("{REGISTRY}={}", server.address()),
        )
        .canary("a-robots-password")
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    outcome.expect_verified("pull");
    let output: Value = serde_json::from_str(outcome.result("TEST_OUTPUT"))?;
    assert_eq!(output["warnings"], 2, "{outcome}");
    Ok(())
}
