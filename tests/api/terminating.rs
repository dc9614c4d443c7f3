//! A Secret that is being deleted is never written, and its finalizers are named.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use http::StatusCode;
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;
use test_cluster::{
    control_plane::SigningKey,
    listener::{Action, InterceptingProxy, RequestParts},
    program::{Outcome, Program},
};

use crate::{
    first_run::claims,
    interception::{before_api_server, held, is_placeholder, is_secret_get, is_write, json_answer, to},
    plan::writing_nothing,
    registries::with_robot,
    world::{SECRET, World, registries, renewing, short_lived},
};

const FINALIZER: &str = "example.test/hold";
/// Call at which a run is held while the deletion begins.
const GATE: &str = "deletion";
const MODES: [&str; 4] = ["ensure", "verify", "plan", "doctor"];

/// Begins a deletion that a finalizer holds.
async fn begin_deletion(world: &World) -> Result<()> {
    let mut secret = world.secret().await?;
    secret.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    world.namespace.replace(&secret).await?;
    world.namespace.delete_secret(SECRET).await?;
    let secret = world.secret().await?;
    anyhow::ensure!(secret.metadata.deletion_timestamp.is_some(), "it is held");
    Ok(())
}

/// Removes the finalizer, which ends the deletion.
async fn end_deletion(world: &World) -> Result<()> {
    let mut secret = world.secret().await?;
    secret.metadata.finalizers = None;
    world.namespace.replace(&secret).await?;
    anyhow::ensure!(world.namespace.secret(SECRET).await?.is_none(), "it is gone");
    Ok(())
}

fn expect_terminating(outcome: &Outcome, action: &str) {
    outcome
        .expect("ERROR", action, "secret-terminating", 65)
        .expect_message(&format!("is held by the finalizer {FINALIZER}"))
        .expect_message("remove the finalizer, then run ensure again")
        .expect_verified("none");
    assert_eq!(outcome.result("EXPIRES_AT"), "", "what is stored ends soon");
}

#[tokio::test]
async fn o1_a_secret_being_deleted_is_reported_in_every_mode() -> Result<()> {
    let world = World::new("terminating").await?;
    let image = world.push("app:v1")?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image);
    short_lived(&program)
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    begin_deletion(&world).await?;

    let mark = world.mark().await?;
    for mode in MODES {
        expect_terminating(&writing_nothing(&world, &program, mode).await?, "none");
        // Even if a new token is due.
        expect_terminating(&writing_nothing(&world, &renewing(&program), mode).await?, "none");
    }
    let requests = world.requests(mark).await?;
    assert!(
        requests
            .iter()
            .all(|request| request.subresource != "token" || request.code >= 400),
        "no token is issued: {requests:?}"
    );
    let robot = with_robot(&world, &registries().basic, "robot")?;
    for mode in MODES {
        expect_terminating(&writing_nothing(&world, &robot, mode).await?, "none");
    }
    let nowhere = robot.env("PULL_SECRET_TOKEN_FILE", world.runner.file("nowhere"));
    let outcome = writing_nothing(&world, &nowhere, "doctor").await?;
    let findings = outcome.report["findings"].to_string();
    assert!(findings.contains("secret-terminating"), "{outcome}");

    end_deletion(&world).await?;
    program.expect("SUCCESS", "created", "ok", 0).await?;
    world.assert_pulls(&image).await
}

#[tokio::test]
async fn o1_a_secret_of_another_type_or_document_is_terminating_first() -> Result<()> {
    let cases: [(&str, &str, &[u8]); 2] = [
        ("Opaque", "note", b"kept"),
        (
            "kubernetes.io/dockerconfigjson",
            ".dockerconfigjson",
            br#"{"auths":[]}"#,
        ),
    ];
    for (kind, key, value) in cases {
        let world = World::new("terminating-other").await?;
        world
            .namespace
            .create_secret(SECRET, kind, [(key, value)])
            .await?;
        begin_deletion(&world).await?;
        for mode in MODES {
            expect_terminating(&writing_nothing(&world, &world.program(), mode).await?, "none");
        }
        end_deletion(&world).await?;
    }
    Ok(())
}

/// Holds the program at the first request that `at` picks, begins a deletion there, and gives the run's end.
async fn deleted_at(
    world: &World,
    program: &Program,
    at: impl Fn(&RequestParts) -> bool + Send + Sync + 'static,
) -> Result<(Outcome, Arc<InterceptingProxy>)> {
    let proxy = before_api_server(world, move |request| {
        if at(request) {
            Action::Hold(GATE.to_owned())
        } else {
            Action::Forward
        }
    })?;
    let run = to(program, &proxy).spawn()?;
    held(&proxy, GATE, 1).await?;
    begin_deletion(world).await?;
    proxy.release(GATE);
    Ok((run.wait().await?, proxy))
}

fn statuses(proxy: &InterceptingProxy, matches: impl Fn(&RequestParts) -> bool) -> Vec<Option<u16>> {
    let passages = proxy.passages().into_iter();
    passages
        .filter(|passage| matches(&passage.request))
        .map(|passage| passage.status.map(|status| status.as_u16()))
        .collect()
}

fn is_token_request(request: &RequestParts) -> bool {
    request.path.ends_with("/token")
}

/// Everything that a write would change.
async fn content(world: &World) -> Result<serde_json::Value> {
    let Secret { data, metadata, .. } = world.secret().await?;
    Ok(json!([data, metadata.labels, metadata.annotations]))
}

#[tokio::test(flavor = "multi_thread")]
async fn o1_a_deletion_that_begins_before_the_write_stops_it() -> Result<()> {
    let world = World::new("terminating-write").await?;
    short_lived(&world.program())
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    let before = content(&world).await?;
    let (outcome, proxy) = deleted_at(&world, &renewing(&world.program()), is_write).await?;
    expect_terminating(&outcome, "none");
    assert_eq!(statuses(&proxy, is_write), [Some(409)]);
    assert_eq!(statuses(&proxy, is_token_request), [Some(201)], "and no other");
    assert_eq!(content(&world).await?, before);
    end_deletion(&world).await
}

#[tokio::test(flavor = "multi_thread")]
async fn o1_a_deletion_that_begins_before_the_token_request_stops_it() -> Result<()> {
    let world = World::new("terminating-token").await?;
    let (outcome, proxy) = deleted_at(&world, &world.program(), is_token_request).await?;
    expect_terminating(&outcome, "created");
    // The API server issues it: only the conflict of the write stops the run.
    assert_eq!(statuses(&proxy, is_token_request), [Some(201)]);
    assert_eq!(statuses(&proxy, is_write), [Some(409)]);
    assert_eq!(world.document().await?, br#"{"auths":{}}"#);
    end_deletion(&world).await
}

#[tokio::test(flavor = "multi_thread")]
async fn o1_a_deletion_that_begins_after_the_write_is_reported() -> Result<()> {
    let world = World::new("terminating-read").await?;
    let is_last_read = |request: &RequestParts| is_secret_get(request) && request.number > 1;
    let (outcome, proxy) = deleted_at(&world, &world.program(), is_last_read).await?;
    expect_terminating(&outcome, "created");
    assert_eq!(statuses(&proxy, is_write), [Some(200)]);
    end_deletion(&world).await
}

#[tokio::test(flavor = "multi_thread")]
async fn o1_a_placeholder_that_meets_a_deletion_gets_no_token() -> Result<()> {
    let world = World::new("terminating-first").await?;
    let proxy = before_api_server(&world, |request| {
        if is_placeholder(request) {
            Action::Hold(GATE.to_owned())
        } else {
            Action::Forward
        }
    })?;
    let run = to(&world.program(), &proxy).spawn()?;
    held(&proxy, GATE, 1).await?;
    // The same document: the API server takes the placeholder as one that changes nothing.
    world.store(br#"{"auths":{}}"#).await?;
    begin_deletion(&world).await?;
    proxy.release(GATE);
    expect_terminating(&run.wait().await?, "none");
    assert_eq!(statuses(&proxy, is_placeholder), [Some(200)]);
    assert_eq!(statuses(&proxy, is_token_request), []);
    end_deletion(&world).await
}

#[tokio::test(flavor = "multi_thread")]
async fn o1_a_token_refused_because_of_the_deletion_is_not_the_reason() -> Result<()> {
    let world = World::new("terminating-refused").await?;
    short_lived(&world.program())
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    let forged = SigningKey::generate()?.sign(&claims(&world.stored_token().await?)?)?;
    let issued = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {},
        "spec": {"audiences": []}, "status": {"token": forged, "expirationTimestamp": "2096-01-01T00:00:00Z"},
    });
    let proxy = before_api_server(&world, move |request| {
        if is_token_request(request) {
            json_answer(StatusCode::CREATED, &issued)
        } else if is_secret_get(request) && request.number > 1 {
            Action::Hold(GATE.to_owned())
        } else {
            Action::Forward
        }
    })?;
    let run = to(&renewing(&world.program()), &proxy).canary(&forged).spawn()?;
    held(&proxy, GATE, 1).await.context("the token was refused")?;
    begin_deletion(&world).await?;
    proxy.release(GATE);
    expect_terminating(&run.wait().await?, "none");
    assert_eq!(statuses(&proxy, is_write), []);
    end_deletion(&world).await
}
