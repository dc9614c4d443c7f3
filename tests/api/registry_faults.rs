//! Registries that are down, slow, flaky, not trusted, or no registries at all; and those that let everybody in.

use std::{
    fs,
    net::TcpListener,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use http::{HeaderMap, Response, StatusCode, header};
use hyper::body::Bytes;
use test_cluster::{
    listener::{Action, ReceivedRequest, Reply, ScriptedServer},
    program::Program,
    registry::{OPENSHIFT, PUBLIC, push_image},
};

use crate::{
    interception::{Scripted, before_openshift, to_openshift},
    registries::with_robot,
    world::{World, registries},
};

const SLOW: &str = "registry.slow.test:5000";

#[tokio::test]
async fn unavailable_registry_is_a_warning_for_ensure_and_75_for_verify() -> Result<()> {
    let world = World::new("down").await?;
    let image = world.push("app:v1")?;
    // A port without a listener.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let program = world
        .program()
        .env("PULL_SECRET_IMAGE", &image)
        .env("PULL_SECRET_CONNECT_TO", to_openshift(address))
        .env("PULL_SECRET_TIMEOUT", "2s");
    let outcome = program.run().await?;
    outcome
        .expect("WARNING", "created", "registry-unavailable", 0)
        .expect_verified("review");
    outcome.expect_message(OPENSHIFT);
    world.assert_pulls(&image).await?;
    let verify = program.env("PULL_SECRET_MODE", "verify").run().await?;
    verify
        .expect("ERROR", "none", "registry-unavailable", 75)
        .expect_verified("review");
    Ok(())
}

#[tokio::test]
async fn flaky_registry_is_retried_until_the_pull_is_verified() -> Result<()> {
    let world = World::new("flaky").await?;
    let image = world.push("app:v1")?;
    let proxy = before_openshift(&world, |request| match request.number {
        1 => Action::Reset,
        2 => answer(StatusCode::SERVICE_UNAVAILABLE, None),
        3 => answer(StatusCode::TOO_MANY_REQUESTS, Some("1")),
        // The response of OpenShift's registry if its API server failed.
        4 => answer(StatusCode::BAD_REQUEST, None),
        6 => answer(StatusCode::BAD_GATEWAY, None),
        _ => Action::Forward,
    })?;
    let outcome = world
        .program()
        .env("PULL_SECRET_IMAGE", &image)
        .env("PULL_SECRET_CONNECT_TO", to_openshift(proxy.address()))
        .run()
        .await?;
    outcome
        .expect("SUCCESS", "created", "ok", 0)
        .expect_verified("pull");
    assert_eq!(
        proxy.passages().len(),
        7,
        "five failed, one challenged, one was answered"
    );
    world.assert_pulls(&image).await
}

#[tokio::test]
async fn slow_registry_gets_its_share_of_the_deadline() -> Result<()> {
    let world = World::new("slow").await?;
    let trusted = Scripted::trusted_by(&world)?;
    let password = "a-robots-password";
    let pause = Duration::from_millis(20);
    let slow = trusted.server(SLOW, move |request| dripped(basic(request, password), 16, pause))?;
    let program = robot(&world, SLOW, password, &slow)?;
    program
        .expect("SUCCESS", "created", "ok", 0)
        .await?
        .expect_verified("login");

    let stored = world.document().await?;
    let pause = Duration::from_millis(500);
    let too_slow = trusted.server(SLOW, move |request| dripped(basic(request, password), 1, pause))?;
    let started = Instant::now();
    let outcome = robot(&world, SLOW, password, &too_slow)?
        .env("PULL_SECRET_TIMEOUT", "3s")
        .run()
        .await?;
    outcome
        .expect("ERROR", "unchanged", "registry-unavailable", 75)
        .expect_verified("none");
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "half of the time is the registry's"
    );
    assert_eq!(world.document().await?, stored);
    Ok(())
}

#[tokio::test]
async fn untrusted_registry_gets_no_credential_and_blocks_no_refresh() -> Result<()> {
    let world = World::new("untrusted-ca").await?;
    let image = world.push("app:v1")?;
    let authority = world.runner.file("registry-ca.pem");
    fs::rename(world.runner.file("service-ca.crt"), &authority)?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image);
    let mark = requests_of_openshift()?;
    let outcome = program.run().await?;
    outcome
        .expect("ERROR", "created", "registry-untrusted", 76)
        .expect_verified("review");
    outcome.expect_message("PULL_SECRET_REGISTRY_CA_FILE");
    let namespace = world.namespace.name().to_owned();
    let asked = requests_of_openshift()?.split_off(mark.len());
    assert!(asked.iter().all(|path| !path.contains(&namespace)), "{asked:?}");
    world.assert_pulls(&image).await?;
    let trusting = program.env("PULL_SECRET_REGISTRY_CA_FILE", &authority);
    trusting
        .expect("SUCCESS", "unchanged", "ok", 0)
        .await?
        .expect_verified("pull");
    Ok(())
}

#[tokio::test]
async fn plain_http_registry_exits_with_76() -> Result<()> {
    let world = World::new("plain-http").await?;
    // A real one, which answers to TLS that it doesn't speak it.
    let program = world
        .program()
        .env("PULL_SECRET_CONNECT_TO", to_openshift(registries().store));
    let outcome = program.run().await?;
    outcome
        .expect("ERROR", "created", "registry-protocol", 76)
        .expect_verified("review");
    // A server that records every byte and closes the connection.
    let server = ScriptedServer::start(None, |_| Reply::json(StatusCode::OK, "{}"))?;
    let program = world
        .program()
        .env("PULL_SECRET_CONNECT_TO", to_openshift(server.address()))
        .env("PULL_SECRET_TIMEOUT", "2s");
    program
        .expect("WARNING", "unchanged", "registry-unavailable", 0)
        .await?;
    let record = server.record();
    assert!(record.connections > 0);
    assert!(record.requests.is_empty() && !record.contains("authorization") && !record.contains("GET /"));
    Ok(())
}

#[tokio::test]
async fn anonymous_registry_verifies_nothing_and_its_robot_is_stored() -> Result<()> {
    let world = World::new("asks-nobody").await?;
    let open = &registries().open;
    let repository = format!("{}/app:v1", world.namespace.name());
    push_image(registries().store, &repository)?;
    let trusted = registries().ca.clone();
    fs::write(world.runner.file("service-ca.crt"), trusted)?;
    let file = world.runner.file("robot");
    fs::write(&file, "a-robots-password")?;
    let program = world
        .program()
        .without("PULL_SECRET_SERVICE_ACCOUNT")
        .env("PULL_SECRET_REGISTRY", &open.host.name)
        .env("PULL_SECRET_USERNAME", "robot")
        .env("PULL_SECRET_TOKEN_FILE", file)
        .env("PULL_SECRET_IMAGE", format!("{}/{repository}", open.host.name))
        .canary("a-robots-password");
    let outcome = program.run().await?;
    outcome
        .expect("WARNING", "created", "registry-anonymous", 0)
        .expect_verified("none");
    let again = program.run().await?;
    again.expect("WARNING", "unchanged", "registry-anonymous", 0);
    Ok(())
}

#[tokio::test]
async fn public_image_does_not_verify_a_wrong_password() -> Result<()> {
    let world = World::new("public").await?;
    // A registry with a token service.
    let token = &registries().token;
    let repository = format!("{PUBLIC}/{}:v1", world.namespace.name());
    push_image(registries().store, &repository)?;
    let image = format!("{}/{repository}", token.host.name);
    let program = with_robot(&world, token, "nobody")?.env("PULL_SECRET_IMAGE", &image);
    program
        .expect("SUCCESS", "created", "ok", 0)
        .await?
        .expect_verified("pull");
    fs::write(world.runner.file("robot"), "a-wrong-password")?;
    let stored = world.document().await?;
    program
        .expect("FAILURE", "none", "credential-rejected", 67)
        .await?;
    assert_eq!(world.document().await?, stored);

    // A registry with Basic authentication that serves the manifest with any password.
    let world = World::new("public-basic").await?;
    let password = "a-robots-password";
    let trusted = Scripted::trusted_by(&world)?;
    let server = trusted.server(SLOW, move |request| {
        match request.target.contains("/manifests/") {
            true => Reply::manifest(),
            false => basic(request, password),
        }
    })?;
    let image = format!("{SLOW}/team/app:v1");
    let right = robot(&world, SLOW, password, &server)?.env("PULL_SECRET_IMAGE", &image);
    right
        .expect("SUCCESS", "created", "ok", 0)
        .await?
        .expect_verified("pull");
    let wrong = robot(&world, SLOW, "a-wrong-password", &server)?.env("PULL_SECRET_IMAGE", &image);
    wrong.expect("FAILURE", "none", "credential-rejected", 67).await?;
    Ok(())
}

/// The program with a robot's password for the registry `name`, which is really `server`.
pub fn robot(world: &World, name: &str, password: &str, server: &ScriptedServer) -> Result<Program> {
    let file = world.runner.file("robot");
    fs::write(&file, password)?;
    Ok(world
        .program()
        .without("PULL_SECRET_SERVICE_ACCOUNT")
        .env("PULL_SECRET_REGISTRY", name)
        .env("PULL_SECRET_USERNAME", "robot")
        .env("PULL_SECRET_TOKEN_FILE", file)
        .env("PULL_SECRET_CONNECT_TO", format!("{name}={}", server.address()))
        .canary(password))
}

/// Response of a registry with Basic authentication to `robot` with this password.
fn basic(request: &ReceivedRequest, password: &str) -> Reply {
    if is_robot(&request.headers, password) && request.target.contains("/manifests/") {
        Reply::manifest()
    } else if is_robot(&request.headers, password) {
        Reply::json(StatusCode::OK, "{}")
    } else {
        Reply::challenge("Basic realm=\"registry\"")
    }
}

fn is_robot(headers: &HeaderMap, password: &str) -> bool {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let expected = format!("Basic {}", STANDARD.encode(format!("robot:{password}")));
    headers
        .get(header::AUTHORIZATION)
        .is_some_and(|sent| sent.as_bytes() == expected.as_bytes())
}

fn dripped(reply: Reply, piece: usize, pause: Duration) -> Reply {
    match reply {
        Reply::Respond(response) => Reply::Drip {
            response,
            piece,
            pause,
        },
        other => other,
    }
}

fn answer(status: StatusCode, retry_after: Option<&'static str>) -> Action {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    if let Some(seconds) = retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, http::HeaderValue::from_static(seconds));
    }
    Action::Answer(response)
}

/// Paths that OpenShift's registry was requested for so far.
fn requests_of_openshift() -> Result<Vec<String>> {
    let log = test_cluster::registry::request_log::read(&registries().openshift.request_log)
        .context("cannot read the registry's log")?;
    Ok(log.into_iter().map(|request| request.path).collect())
}
