//! Two first runs at once: one Secret, both end well, nothing is emptied.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use test_cluster::{
    access::ClusterAccess,
    certificates::Authority,
    listener::{Action, InterceptingProxy, RequestParts, upstream::Upstream},
    program::Program,
};

use crate::world::{SECRET, World};

const LIMIT: Duration = Duration::from_secs(60);

/// A proxy in front of the API server that the program takes for the API server.
pub fn in_front(
    world: &World,
    hook: impl Fn(&RequestParts) -> Action + Send + Sync + 'static,
) -> Result<Arc<InterceptingProxy>> {
    let access = ClusterAccess::shared();
    let authority = Authority::new("kubernetes")?;
    let certificate = authority.issue(&["127.0.0.1"])?;
    std::fs::write(world.runner.file("ca.crt"), authority.pem())?;
    let url = format!("https://{}", access.api_server);
    Ok(Arc::new(InterceptingProxy::start(
        Upstream::new(&url, Some(&access.certificate_authority), true)?,
        &certificate,
        hook,
    )?))
}

pub fn through(world: &World, proxy: &InterceptingProxy) -> Program {
    let address = proxy.address();
    world
        .program()
        .env("KUBERNETES_SERVICE_HOST", address.ip().to_string())
        .env("KUBERNETES_SERVICE_PORT", address.port().to_string())
}

fn is_secret_get(request: &RequestParts) -> bool {
    request.method == "GET" && request.path.ends_with(&format!("/secrets/{SECRET}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_first_runs_that_both_found_nothing_end_well_with_one_secret() -> Result<()> {
    let world = World::new("two-runs").await?;
    let image = world.push("app:v1")?;
    let proxy = in_front(&world, |request| {
        if is_secret_get(request) {
            Action::Hold("first reads".to_owned())
        } else {
            Action::Forward
        }
    })?;
    let program = through(&world, &proxy).env("PULL_SECRET_IMAGE", &image);
    let runs = [program.spawn()?, program.spawn()?];
    let held = Arc::clone(&proxy);
    tokio::task::spawn_blocking(move || held.wait_until_held("first reads", 2, LIMIT))
        .await?
        .map_err(anyhow::Error::msg)?;
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
async fn a_placeholder_that_comes_after_the_others_final_write_empties_nothing() -> Result<()> {
    let world = World::new("late-placeholder").await?;
    let image = world.push("app:v1")?;
    let proxy = in_front(&world, |request| {
        let late = request
            .query
            .contains("fieldManager=ensure-pull-secret-placeholder");
        if late {
            Action::Hold("placeholder".to_owned())
        } else {
            Action::Forward
        }
    })?;
    let late = through(&world, &proxy).env("PULL_SECRET_IMAGE", &image).spawn()?;
    let held = Arc::clone(&proxy);
    tokio::task::spawn_blocking(move || held.wait_until_held("placeholder", 1, LIMIT))
        .await?
        .map_err(anyhow::Error::msg)?;
    // The other run goes past the proxy, from nothing to the end.
    let other = World {
        runner: world.namespace.identity(crate::world::RUNNER).await?,
        namespace: world.namespace,
    };
    other
        .program()
        .env("PULL_SECRET_IMAGE", &image)
        .run()
        .await?
        .expect("SUCCESS", "created", "ok", 0);
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
async fn a_write_whose_answer_is_lost_is_found_done() -> Result<()> {
    let world = World::new("lost-answer").await?;
    let image = world.push("app:v1")?;
    let lost = std::sync::atomic::AtomicBool::new(false);
    let proxy = in_front(&world, move |request| {
        let is_write =
            request.method == "PATCH" && request.query.contains("fieldManager=ensure-pull-secret&");
        if is_write && !lost.swap(true, std::sync::atomic::Ordering::SeqCst) {
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
    let minted = proxy
        .passages()
        .iter()
        .filter(|passage| passage.request.path.ends_with("/token"))
        .count();
    assert_eq!(minted, 1, "a token that was minted is not minted again");
    world.secret().await?.metadata.uid.context("a Secret")?;
    world.assert_pulls(&image).await
}
