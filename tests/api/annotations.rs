//! Annotations are for people: the program decides by the credential alone, and corrects annotations.

use anyhow::{Context as _, Result};
use http::StatusCode;
use serde_json::{Value, json};
use test_cluster::listener::Action;

use crate::{
    first_run::claims,
    interception::{before_api_server, json_answer, through},
    plan::writing_nothing,
    refresh::calls,
    registries::with_robot,
    world::{PULLER, SECRET, World, registries},
};

const EXPIRES_AT: &str = "ensure-pull-secret/expires-at";

/// As `kubectl annotate --overwrite` does it: by another field manager.
async fn annotate(world: &World, name: &str, value: &str) -> Result<()> {
    let mut secret = world.secret().await?;
    let annotations = secret.metadata.annotations.get_or_insert_default();
    annotations.insert(name.to_owned(), value.to_owned());
    world.namespace.replace(&secret).await.map(drop)
}

async fn annotations(world: &World) -> Result<Value> {
    Ok(json!(world.secret().await?.metadata.annotations))
}

#[tokio::test]
async fn o3_a_wrong_expiry_is_corrected_without_a_token_request() -> Result<()> {
    let world = World::new("wrong-expiry").await?;
    let image = world.push("app:v1")?;
    let program = world
        .program()
        .env("PULL_SECRET_IMAGE", &image)
        .env("PULL_SECRET_NEXT_RUN_WITHIN", "1h");
    let first = program.run().await?;
    first.expect("SUCCESS", "created", "ok", 0);
    let expires_at = first.result("EXPIRES_AT");
    let (token, good) = (world.stored_token().await?, annotations(&world).await?);

    for wrong in [
        "2026-01-01T00:00:00Z",
        "2096-01-01T00:00:00Z",
        "soon",
        "",
        "2026-13-01",
    ] {
        annotate(&world, EXPIRES_AT, wrong).await?;
        for mode in ["verify", "plan", "doctor"] {
            let outcome = writing_nothing(&world, &program, mode).await?;
            outcome.expect("SUCCESS", "none", "ok", 0).expect_verified("pull");
            assert_eq!(
                outcome.result("EXPIRES_AT"),
                expires_at,
                "{mode} {wrong:?}: {outcome}"
            );
            let notes = outcome.report["notes"].to_string();
            assert_eq!(
                notes.contains(&format!("but the credential expires at {expires_at}")),
                mode == "verify",
                "{mode} {wrong:?}: {outcome}"
            );
        }
        let mark = world.mark().await?;
        let outcome = program.run().await?;
        outcome
            .expect("SUCCESS", "refreshed", "ok", 0)
            .expect_verified("pull");
        assert_eq!(outcome.result("EXPIRES_AT"), expires_at, "{wrong:?}: {outcome}");
        assert_eq!(
            calls(&world.requests(mark).await?),
            ["get secrets", "patch secrets", "get secrets"],
            "{wrong:?}"
        );
        assert_eq!(annotations(&world).await?, good, "{wrong:?}");
        program.expect("SUCCESS", "unchanged", "ok", 0).await?;
    }
    assert_eq!(world.stored_token().await?, token);
    let verify = program.env("PULL_SECRET_MODE", "verify").run().await?;
    assert!(
        !verify.report["notes"].to_string().contains(EXPIRES_AT),
        "{verify}"
    );
    Ok(())
}

#[tokio::test]
async fn o3_a_refresh_time_in_the_future_is_corrected() -> Result<()> {
    let world = World::new("wrong-refresh").await?;
    world.program().expect("SUCCESS", "created", "ok", 0).await?;
    let issued_at = claims(&world.stored_token().await?)?["iat"]
        .as_i64()
        .context("iat")?;
    let issued_at = k8s_openapi::jiff::Timestamp::from_second(issued_at)?.to_string();
    for wrong in ["2096-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "soon"] {
        annotate(&world, "ensure-pull-secret/refreshed-at", wrong).await?;
        let program = world.program();
        program.expect("SUCCESS", "refreshed", "ok", 0).await?;
        assert_eq!(
            annotations(&world).await?["ensure-pull-secret/refreshed-at"],
            issued_at,
            "{wrong}"
        );
        program.expect("SUCCESS", "unchanged", "ok", 0).await?;
    }
    Ok(())
}

#[tokio::test]
async fn o3_exp_of_the_token_outranks_the_timestamp_of_the_response() -> Result<()> {
    for timestamp in ["2026-01-01T00:00:00Z", "2096-01-01T00:00:00Z"] {
        let world = World::new("other-timestamp").await?;
        let image = world.push("app:v1")?;
        world.store(br#"{"auths":{}}"#).await?;
        let uid = world.secret().await?.metadata.uid;
        let bound = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Secret", "name": SECRET, "uid": uid,
        }))?;
        let token = world.namespace.token(PULLER, Some(bound), 7200).await?;
        let answer = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {},
            "spec": {"audiences": []}, "status": {"token": token, "expirationTimestamp": timestamp},
        });
        let proxy = before_api_server(&world, move |request| {
            if request.path.ends_with("/token") {
                json_answer(StatusCode::CREATED, &answer)
            } else {
                Action::Forward
            }
        })?;
        let outcome = through(&world, &proxy)
            .env("PULL_SECRET_IMAGE", &image)
            .env("PULL_SECRET_NEXT_RUN_WITHIN", "1h")
            .canary(&token)
            .run()
            .await?;
        outcome
            .expect("SUCCESS", "refreshed", "ok", 0)
            .expect_verified("pull");
        let exp = claims(&token)?["exp"].as_i64().context("exp")?;
        let expires_at = k8s_openapi::jiff::Timestamp::from_second(exp)?.to_string();
        assert_eq!(outcome.result("EXPIRES_AT"), expires_at, "{timestamp}");
        assert_eq!(annotations(&world).await?[EXPIRES_AT], expires_at, "{timestamp}");
    }
    Ok(())
}

#[tokio::test]
async fn o3_expiry_annotation_of_a_robot_password_is_emptied() -> Result<()> {
    let world = World::new("robot-expiry").await?;
    let robot = with_robot(&world, &registries().basic, "robot")?.env("PULL_SECRET_NEXT_RUN_WITHIN", "1h");
    robot.expect("SUCCESS", "created", "ok", 0).await?;
    annotate(&world, EXPIRES_AT, "2026-01-01T00:00:00Z").await?;
    for mode in ["verify", "plan", "doctor"] {
        let outcome = writing_nothing(&world, &robot, mode).await?;
        outcome.expect("SUCCESS", "none", "ok", 0);
        assert_eq!(outcome.result("EXPIRES_AT"), "", "{mode}: {outcome}");
        let is_noted = outcome.report["notes"]
            .to_string()
            .contains("but the credential has no known expiry");
        assert_eq!(is_noted, mode == "verify", "{mode}: {outcome}");
    }
    let outcome = robot.run().await?;
    outcome.expect("SUCCESS", "refreshed", "ok", 0);
    assert_eq!(outcome.result("EXPIRES_AT"), "");
    assert_eq!(annotations(&world).await?[EXPIRES_AT], "");
    robot.expect("SUCCESS", "unchanged", "ok", 0).await?;
    Ok(())
}
