//! Runs at once: one Secret, all end well, nothing is emptied.

use std::net::TcpListener;

use anyhow::{Context as _, Result};
use http::StatusCode;
use serde_json::json;
use test_cluster::{
    listener::{Action, Forwarder},
    program::{Outcome, Program},
};

use crate::{
    interception::{before_api_server, held, is_placeholder, is_secret_get, is_write, json_answer, through},
    world::{SECRET, World, registries},
};

#[tokio::test(flavor = "multi_thread")]
async fn two_first_runs_without_a_secret_end_well_with_one() -> Result<()> {
    let world = World::new("two-runs").await?;
    let image = world.push("app:v1")?;
    let proxy = before_api_server(&world, |request| {
        if is_secret_get(request) {
            Action::Hold("first reads".to_owned())
        } else {
            Action::Forward
        }
    })?;
    let program = through(&world, &proxy).env("PULL_SECRET_IMAGE", &image);
    let runs = [program.spawn()?, program.spawn()?];
    held(&proxy, "first reads", 2).await?;
    proxy.release("first reads");
    for run in runs {
        let outcome = run.wait().await?;
        assert_eq!(
            (outcome.result("STATUS"), outcome.result("VERIFIED")),
            ("SUCCESS", "pull"),
            "{outcome}"
        );
    }
    world.assert_pulls(&image).await
}

#[tokio::test(flavor = "multi_thread")]
async fn late_placeholder_empties_no_secret() -> Result<()> {
    let world = World::new("late-placeholder").await?;
    let image = world.push("app:v1")?;
    let proxy = before_api_server(&world, |request| {
        if is_placeholder(request) {
            Action::Hold("placeholder".to_owned())
        } else {
            Action::Forward
        }
    })?;
    let late = through(&world, &proxy).env("PULL_SECRET_IMAGE", &image).spawn()?;
    held(&proxy, "placeholder", 1).await?;
    // The other run goes past the proxy, from nothing to the end.
    let other = World {
        runner: world.namespace.identity(crate::world::RUNNER).await?,
        namespace: world.namespace,
    };
    other
        .program()
        .env("PULL_SECRET_IMAGE", &image)
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    let written = other.document().await?;
    proxy.release("placeholder");
    late.wait()
        .await?
        .expect("SUCCESS", "unchanged", "ok", 0)
        .expect_verified("pull");
    assert_eq!(other.document().await?, written);
    other.assert_pulls(&image).await
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_first_runs_create_one_secret() -> Result<()> {
    for count in [2, 10] {
        let world = World::new(&format!("at-once-{count}")).await?;
        let image = world.push("app:v1")?;
        let outcomes = all_at_once(&world.program().env("PULL_SECRET_IMAGE", &image), count).await?;
        let created = outcomes
            .iter()
            .filter(|outcome| outcome.result("ACTION") == "created")
            .count();
        assert_eq!(created, 1, "of {count} runs");
        world.assert_pulls(&image).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_concurrent_refreshes_report_no_reverting_manager() -> Result<()> {
    let world = World::new("refresh-at-once").await?;
    let image = world.push("app:v1")?;
    let unmanaged = br#"{"auths":{"foreign.test":{"auth":"dTpw", "n":2.50}}}"#;
    world.store(unmanaged).await?;
    let outcomes = all_at_once(&world.program().env("PULL_SECRET_IMAGE", &image), 10).await?;
    assert!(
        outcomes
            .iter()
            .any(|outcome| outcome.result("ACTION") == "refreshed")
    );
    let document = String::from_utf8(world.document().await?)?;
    assert!(
        document.contains(r#""foreign.test":{"auth":"dTpw", "n":2.50}"#),
        "others' bytes stay"
    );
    world.assert_pulls(&image).await
}

/// Starts `count` runs at the same time; after each, the stored credential can pull.
async fn all_at_once(program: &Program, count: usize) -> Result<Vec<Outcome>> {
    let runs = (0..count).map(|_| program.spawn()).collect::<Result<Vec<_>>>()?;
    let mut outcomes = Vec::new();
    for run in runs {
        let outcome = run.wait().await?;
        let ended = (
            outcome.result("STATUS"),
            outcome.result("REASON"),
            outcome.result("VERIFIED"),
        );
        assert_eq!(ended, ("SUCCESS", "ok", "pull"), "{outcome}");
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

#[tokio::test(flavor = "multi_thread")]
async fn write_with_a_lost_response_is_found_done() -> Result<()> {
    let world = World::new("lost-answer").await?;
    let image = world.push("app:v1")?;
    let lost = std::sync::atomic::AtomicBool::new(false);
    let proxy = before_api_server(&world, move |request| {
        if is_write(request) && !lost.swap(true, std::sync::atomic::Ordering::SeqCst) {
            Action::LoseAnswer
        } else {
            Action::Forward
        }
    })?;
    let outcome = through(&world, &proxy)
        .env("PULL_SECRET_IMAGE", &image)
        .run()
        .await?;
    outcome
        .expect("SUCCESS", "created", "ok", 0)
        .expect_verified("pull");
    let answers: Vec<_> = proxy
        .passages()
        .into_iter()
        .filter(|passage| is_write(&passage.request))
        .map(|passage| passage.status.map(|status| status.as_u16()))
        .collect();
    assert_eq!(
        answers,
        [Some(200), Some(409)],
        "written, the answer lost, and tried again"
    );
    let requested = proxy
        .passages()
        .iter()
        .filter(|passage| passage.request.path.ends_with("/token"))
        .count();
    assert_eq!(requested, 1, "the token is requested once");
    world.secret().await?.metadata.uid.context("a Secret")?;
    world.assert_pulls(&image).await
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_conflicts_outrank_the_interrupted_call() -> Result<()> {
    let world = World::new("no-time-left").await?;
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Conflict", "code": 409,
        "details": {"kind": "secrets"},
    });
    let proxy = before_api_server(&world, move |request| {
        if request.method == "PATCH" {
            json_answer(StatusCode::CONFLICT, &status)
        } else if request.number > 4 {
            // Under way when the time is over.
            Action::Hold("late".to_owned())
        } else {
            Action::Forward
        }
    })?;
    let outcome = through(&world, &proxy)
        .env("PULL_SECRET_TIMEOUT", "2s")
        .run()
        .await?;
    outcome.expect("ERROR", "none", "conflict", 75);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn secret_recreated_during_verification_gets_its_own_token() -> Result<()> {
    let world = World::new("made-anew").await?;
    let image = world.push("app:v1")?;
    // The registry keeps its answer back, after the placeholder and before the write.
    let registry = &registries().openshift.host;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let there = format!("{}={}", registry.name, listener.local_addr()?);
    let run = world
        .program()
        .env("PULL_SECRET_IMAGE", &image)
        .env("PULL_SECRET_CONNECT_TO", there)
        .spawn()?;
    // Reviews need a token, and that is bound to the placeholder.
    let (listener, waiting) = tokio::task::spawn_blocking(move || {
        let (waiting, _) = listener.accept()?;
        std::io::Result::Ok((listener, waiting))
    })
    .await??;
    world.namespace.delete_secret(SECRET).await?;
    let other = br#"{"auths":{"quay.io":{"auth":"dGVhbTpub3QtYS1zZWNyZXQ="}}}"#;
    world.store(other).await?;
    drop(waiting);
    let _forwarder = Forwarder::start(listener, registry.address)?;
    let outcome = run.wait().await?;
    assert_eq!(
        (outcome.result("STATUS"), outcome.result("VERIFIED")),
        ("SUCCESS", "pull"),
        "{outcome}"
    );
    world.assert_pulls(&image).await?;
    let stored = String::from_utf8(world.document().await?)?;
    assert!(
        stored.contains("dGVhbTpub3QtYS1zZWNyZXQ="),
        "an unmanaged entry is lost"
    );
    Ok(())
}
