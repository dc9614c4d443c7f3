//! A registry's 401 counts only if the API server confirms it: a registry whose API server starts denies valid tokens
//! for a moment.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use http::{HeaderValue, Response, StatusCode, header};
use hyper::body::Bytes;
use serde_json::json;
use test_cluster::{
    listener::{Action, RequestParts},
    program::Outcome,
};

use crate::{
    interception::{before_api_server, before_openshift, json_answer, through, to_openshift},
    world::World,
};

#[tokio::test]
async fn valid_token_denied_briefly_by_the_registry_is_verified_by_a_retry() -> Result<()> {
    let world = World::new("moment").await?;
    let image = world.push("app:v1")?;
    let registry = before_openshift(&world, refusing(2))?;
    let program = world
        .program()
        .env("PULL_SECRET_IMAGE", &image)
        .env("PULL_SECRET_CONNECT_TO", to_openshift(registry.address()));
    program
        .expect("SUCCESS", "created", "ok", 0)
        .await?
        .expect_verified("pull");

    // The stored credential is not replaced as rejected either.
    let stored = world.document().await?;
    let registry = before_openshift(&world, refusing(2))?;
    let program = program.env("PULL_SECRET_CONNECT_TO", to_openshift(registry.address()));
    program
        .expect("SUCCESS", "unchanged", "ok", 0)
        .await?
        .expect_verified("pull");
    assert_eq!(world.document().await?, stored);
    Ok(())
}

#[tokio::test]
async fn valid_token_denied_briefly_by_both_servers_is_not_rejected() -> Result<()> {
    let world = World::new("moment-both").await?;
    let image = world.push("app:v1")?;
    let registry = before_openshift(&world, refusing(1))?;
    let refused = AtomicUsize::new(0);
    let api_server = before_api_server(&world, move |request| {
        if request.path.ends_with("/selfsubjectreviews") && refused.fetch_add(1, Ordering::SeqCst) == 0 {
            unauthenticated()
        } else {
            Action::Forward
        }
    })?;
    let outcome = through(&world, &api_server)
        .env("PULL_SECRET_IMAGE", &image)
        .env("PULL_SECRET_CONNECT_TO", to_openshift(registry.address()))
        .run()
        .await?;
    outcome
        .expect("SUCCESS", "created", "ok", 0)
        .expect_verified("pull");
    let reviews = api_server
        .passages()
        .into_iter()
        .filter(|passage| passage.request.path.ends_with("/selfsubjectreviews"));
    assert_eq!(reviews.count(), 2, "a refusal is asked about twice");
    Ok(())
}

#[tokio::test]
async fn registry_that_keeps_denying_a_valid_token_is_unreachable() -> Result<()> {
    let world = World::new("refuses-on").await?;
    let image = world.push("app:v1")?;
    let registry = before_openshift(&world, refusing(usize::MAX))?;
    let program = world
        .program()
        .env("PULL_SECRET_IMAGE", &image)
        .env("PULL_SECRET_CONNECT_TO", to_openshift(registry.address()))
        .env("PULL_SECRET_TIMEOUT", "3s");
    let outcome: Outcome = program.run().await?;
    outcome
        .expect("WARNING", "created", "registry-unavailable", 0)
        .expect_verified("review");
    let asked = registry
        .passages()
        .iter()
        .filter(|passage| has_credential(&passage.request))
        .count();
    assert!(asked > 1, "asked once");
    world.assert_pulls(&image).await
}

/// Denies the first `times` requests with a credential, as OpenShift's registry does.
fn refusing(times: usize) -> impl Fn(&RequestParts) -> Action + Send + Sync + 'static {
    let refused = AtomicUsize::new(0);
    move |request| {
        if has_credential(request) && refused.fetch_add(1, Ordering::SeqCst) < times {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            let challenge = HeaderValue::from_static("Basic realm=openshift,error=\"access denied\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            Action::Answer(response)
        } else {
            Action::Forward
        }
    }
}

fn has_credential(request: &RequestParts) -> bool {
    request.headers.contains_key(header::AUTHORIZATION)
}

fn unauthenticated() -> Action {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "Unauthorized", "reason": "Unauthorized", "code": 401,
    });
    json_answer(StatusCode::UNAUTHORIZED, &status)
}
