//! Tokens that expire and grants that come and go, while the gateway keeps running.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use test_cluster::registry::push_image;

use super::super::stage::basic;
use crate::project::{Project, pull};
use crate::world::World;

/// The API server remembers a token that it has seen for about 10 s.
const CACHE_LIMIT: Duration = Duration::from_secs(40);

const DENIED: &str = "Basic realm=openshift,error=\"access denied\"";

/// The gateway's answer to a token.
fn ask(world: &World, path: &str, token: &str) -> Response<Bytes> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = path.parse().expect("a path");
    let value = HeaderValue::from_str(&basic(&format!("<token>:{token}"))).expect("a header");
    request.headers_mut().insert(header::AUTHORIZATION, value);
    world.openshift().send(request).expect("an answer")
}

fn status(world: &World, path: &str, token: &str) -> u16 {
    ask(world, path, token).status().as_u16()
}

fn assert_denied(world: &World, path: &str, token: &str) {
    let response = ask(world, path, token);
    assert_eq!(response.status(), 401, "{path}");
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], DENIED, "{path}");
}

/// Repeats a request until the response has this status; every response until then is 200.
async fn await_status(world: &World, path: &str, token: &str, wanted: u16) {
    let begin = Instant::now();
    loop {
        let got = status(world, path, token);
        if got == wanted {
            return;
        }
        assert_eq!(got, 200, "{path}");
        assert!(
            begin.elapsed() < CACHE_LIMIT,
            "{path} still 200 after {CACHE_LIMIT:?}"
        );
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

pub async fn service_account_deleted_after_use(world: &World) {
    let project = Project::new(world, "dying").await;
    let token = project.account("puller", Some(pull())).await;
    assert_eq!(status(world, "/v2/", &token), 200);
    project.delete_service_account("puller").await;
    await_status(world, "/v2/", &token, 401).await;
    assert_denied(world, "/v2/", &token);
}

pub async fn service_account_deleted_before_use(world: &World) {
    let project = Project::new(world, "dying").await;
    let token = project.account("puller", Some(pull())).await;
    project.delete_service_account("puller").await;
    assert_denied(world, "/v2/", &token);
}

pub async fn service_account_recreated(world: &World) {
    let project = Project::new(world, "dying").await;
    let old = project.account("puller", Some(pull())).await;
    project.delete_service_account("puller").await;
    project.service_account("puller").await;
    assert_denied(world, "/v2/", &old);
    let new = project.token("puller").await;
    assert_eq!(status(world, "/v2/", &new), 200);
}

pub async fn secret_deleted_after_use(world: &World) {
    let project = Project::new(world, "dying").await;
    project.account("puller", Some(pull())).await;
    let token = project.bound_token("puller", "pull-secret").await;
    let tags = format!("/v2/{}/app/tags/list", project.name);
    push_image(world.registries().store, &format!("{}/app:v1", project.name)).expect("pushed");
    assert_eq!(status(world, &tags, &token), 200);

    project.delete_secret("pull-secret").await;

    await_status(world, &tags, &token, 401).await;
    assert_denied(world, &tags, &token);
    assert_denied(world, "/v2/", &token);
    let refused = ask(world, "/openshift/token", &token);
    assert_eq!((refused.status().as_u16(), refused.body().len()), (401, 0));
}

pub async fn secret_deleted_before_use(world: &World) {
    let project = Project::new(world, "dying").await;
    project.account("puller", Some(pull())).await;
    let token = project.bound_token("puller", "pull-secret").await;
    project.delete_secret("pull-secret").await;
    assert_denied(world, "/v2/", &token);
}

pub async fn secret_recreated(world: &World) {
    let project = Project::new(world, "dying").await;
    project.account("puller", Some(pull())).await;
    let token = project.bound_token("puller", "pull-secret").await;
    project.delete_secret("pull-secret").await;
    project.secret("pull-secret").await;
    assert_denied(world, "/v2/", &token);
}

pub async fn role_binding_made_and_removed(world: &World) {
    let project = Project::new(world, "grants").await;
    project.service_account("puller").await;
    let token = project.token("puller").await;
    let tags = format!("/v2/{}/app/tags/list", project.name);
    push_image(world.registries().store, &format!("{}/app:v1", project.name)).expect("pushed");
    assert_denied(world, &tags, &token);

    project.grant("puller", pull()).await;
    // The API server's own view of its grants is behind by milliseconds.
    await_change(world, &tags, &token, 401, 200).await;

    project.revoke("puller").await;
    await_change(world, &tags, &token, 200, 401).await;
    assert_eq!(status(world, "/v2/", &token), 200, "the token itself is valid");
}

async fn await_change(world: &World, path: &str, token: &str, before: u16, after: u16) {
    let begin = Instant::now();
    loop {
        match status(world, path, token) {
            got if got == after => return,
            got => assert_eq!(got, before, "{path}"),
        }
        assert!(begin.elapsed() < Duration::from_secs(5), "{path}: still {before}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
