//! Responses that don't come from the requested server. The fault matrix (tests/faults) found each of them.

use anyhow::Result;
use http::StatusCode;
use serde_json::json;
use test_cluster::{
    listener::{Action, Reply, RequestParts},
    program::Program,
    registry::OPENSHIFT,
};

use crate::{
    inconclusive_registries::{Cause, InconclusiveRegistry},
    interception::{
        Scripted, answer, before_api_server, before_openshift, is_secret_get, is_write, json_answer, through,
        to_openshift,
    },
    registry_faults::robot,
    world::{World, renewing, short_lived},
};

/// Picks the requests that get a false answer.
type IsAsked = fn(&RequestParts) -> bool;

fn is_review(request: &RequestParts) -> bool {
    request.path.ends_with("/selfsubjectreviews")
}

fn is_access_review(request: &RequestParts) -> bool {
    request.path.ends_with("/selfsubjectaccessreviews")
}

#[tokio::test]
async fn review_without_a_verdict_and_a_401_do_not_deny_the_pull() -> Result<()> {
    let cases: [(&str, IsAsked, StatusCode); 3] = [
        ("review", is_review, StatusCode::CREATED),
        ("access review", is_access_review, StatusCode::CREATED),
        // The review before it accepted the credential.
        (
            "access review refused",
            is_access_review,
            StatusCode::UNAUTHORIZED,
        ),
    ];
    for (name, matches, status) in cases {
        let world = World::new("no-verdict").await?;
        let image = world.push("app:v1")?;
        let proxy = before_api_server(&world, move |request| {
            if matches(request) {
                json_answer(status, &json!({}))
            } else {
                Action::Forward
            }
        })?;
        let inconclusive = InconclusiveRegistry::start(&world, OPENSHIFT, Cause::Untrusted)?;
        let program = inconclusive.instead_of(OPENSHIFT, &through(&world, &proxy));
        let outcome = program.env("PULL_SECRET_IMAGE", &image).run().await?;
        outcome
            .expect("ERROR", "created", "api-unavailable", 75)
            .expect_verified("none");
        assert_eq!(
            world.document().await?,
            b"{\"auths\":{}}",
            "{name}: it was not verified"
        );
    }
    Ok(())
}

#[tokio::test]
async fn web_page_is_no_anonymous_registry_and_replaces_no_password() -> Result<()> {
    const NAME: &str = "registry.page.test:5000";
    let page = || Reply::html(StatusCode::OK, "<html>Sign in</html>");
    let world = World::new("web-page").await?;
    let trusted = Scripted::trusted_by(&world)?;
    let open = trusted.server(NAME, |_| Reply::json(StatusCode::OK, "{}"))?;
    robot(&world, NAME, "a-robots-password", &open)?
        .expect("WARNING", "created", "registry-anonymous", 0)
        .await?;
    let stored = world.document().await?;
    let portal = trusted.server(NAME, move |_| page())?;
    robot(&world, NAME, "another-password", &portal)?
        .expect("ERROR", "none", "registry-protocol", 76)
        .await?;
    assert_eq!(world.document().await?, stored, "the new one was not verified");
    Ok(())
}

#[tokio::test]
async fn web_page_instead_of_a_manifest_verifies_no_pull() -> Result<()> {
    let world = World::new("page-manifest").await?;
    let image = world.push("app:v1")?;
    let proxy = before_openshift(&world, |request| {
        if request.path.contains("/manifests/") {
            answer(StatusCode::OK, "text/html; charset=utf-8", "<html>")
        } else {
            Action::Forward
        }
    })?;
    let outcome = world
        .program()
        .env("PULL_SECRET_IMAGE", &image)
        .env("PULL_SECRET_CONNECT_TO", to_openshift(proxy.address()))
        .run()
        .await?;
    outcome
        .expect("ERROR", "created", "registry-protocol", 76)
        .expect_verified("review");
    Ok(())
}

#[tokio::test]
async fn response_about_another_object_is_no_write() -> Result<()> {
    let world = World::new("other-object").await?;
    let image = world.push("app:v1")?;
    let program = |program: Program| program.env("PULL_SECRET_IMAGE", &image);
    short_lived(&program(world.program()))
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    let stored = world.document().await?;
    let other = || {
        let metadata = json!({"name": "other", "uid": "another", "resourceVersion": "1"});
        json_answer(
            StatusCode::OK,
            &json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata}),
        )
    };
    let proxy = before_api_server(&world, move |request| match request.number {
        // GET, POST of the token request, and from the write on nothing else.
        3.. if is_write(request) || is_secret_get(request) => other(),
        _ => Action::Forward,
    })?;
    let outcome = renewing(&program(through(&world, &proxy))).run().await?;
    outcome.expect("ERROR", "none", "api-unavailable", 75);
    assert_eq!(world.document().await?, stored);
    Ok(())
}

#[tokio::test]
async fn o9_a_lost_answer_to_a_write_leaves_the_action_unknown() -> Result<()> {
    let world = World::new("lost-answers").await?;
    let image = world.push("app:v1")?;
    let program = |program: Program| program.env("PULL_SECRET_IMAGE", &image);
    short_lived(&program(world.program()))
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    let stored = world.document().await?;
    let proxy = before_api_server(&world, |request| match request.number {
        3.. => Action::LoseAnswer,
        _ => Action::Forward,
    })?;
    let outcome = renewing(&program(through(&world, &proxy)))
        .env("PULL_SECRET_TIMEOUT", "3s")
        .run()
        .await?;
    outcome.expect("ERROR", "unknown", "api-unavailable", 75);
    assert_ne!(world.document().await?, stored, "the write was done");
    assert!(!outcome.result("MESSAGE").contains("unchanged"), "{outcome}");
    world.assert_pulls(&image).await?;
    Ok(())
}
