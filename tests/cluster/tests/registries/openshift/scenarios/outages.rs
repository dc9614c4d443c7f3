//! The API server or the images out of reach, and back again.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use serde_json::Value;
use test_cluster::certificates::Authority;
use test_cluster::clients::HttpsClient;
use test_cluster::listener::Action;
use test_cluster::registry::gateway::REVIEW_LIMIT;
use test_cluster::registry::{RunningRegistries, Setup};
use test_cluster::supervisor::Supervisor;

use super::super::backstage::Backstage;
use super::super::stage::{Stage, basic};
use crate::world::World;

fn ask(client: &HttpsClient, path: &str, token: &str) -> Response<Bytes> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = path.parse().expect("a path");
    let value = HeaderValue::from_str(&basic(&format!("<token>:{token}"))).expect("a header");
    request.headers_mut().insert(header::AUTHORIZATION, value);
    client.send(request).expect("an answer")
}

pub async fn plain_http_to_the_tls_port(world: &World) {
    let mut stream = TcpStream::connect(world.registries().openshift.host.address).expect("a connection");
    stream
        .write_all(b"GET /v2/ HTTP/1.1\r\nHost: registry\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("an answer and the end of it");
    assert!(answer.starts_with("HTTP/1.0 400 "), "{answer}");
    assert!(
        answer.contains("Client sent an HTTP request to an HTTPS server."),
        "{answer}"
    );
}

pub async fn api_server_frozen_for_a_while(world: &World) {
    let stage = Stage::new(world, None).await;
    let backstage = Backstage::intercepted(world, REVIEW_LIMIT, |_| Action::Hold("frozen".to_owned()));
    let client = backstage.client();
    let proxy = backstage.proxy.as_ref().expect("a proxy");
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| ask(&client, "/v2/", stage.token("puller")));
        proxy
            .wait_until_held("frozen", 1, Duration::from_secs(10))
            .expect("the gateway asks");
        assert!(!answer.is_finished(), "answered without the API server");
        proxy.release("frozen");
        assert_eq!(answer.join().expect("an answer").status(), 200);
    });
}

pub async fn api_server_starting(world: &World) {
    let stage = Stage::new(world, None).await;
    let unauthorized = |_: &str| {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        Action::Answer(response)
    };
    let started = Arc::new(AtomicBool::new(false));
    let observed = Arc::clone(&started);
    let backstage = Backstage::intercepted(world, REVIEW_LIMIT, move |path| {
        if observed.load(Ordering::SeqCst) {
            Action::Forward
        } else {
            unauthorized(path)
        }
    });
    let client = backstage.client();
    let good = stage.token("puller");
    let tags = format!("/v2/{}/app/tags/list", stage.project().name);
    for path in ["/v2/", &tags] {
        let refused = ask(&client, path, good);
        assert_eq!(refused.status(), 401, "{path}");
        let challenge = &refused.headers()[header::WWW_AUTHENTICATE];
        assert_eq!(
            challenge, "Basic realm=openshift,error=\"access denied\"",
            "{path}"
        );
    }
    started.store(true, Ordering::SeqCst);
    for path in ["/v2/", &tags] {
        assert_eq!(ask(&client, path, good).status(), 200, "{path}");
    }
}

pub async fn images_out_of_reach(world: &World) {
    let stage = Stage::new(world, None).await;
    let token = stage.token("puller");
    let directory = tempfile::tempdir().expect("a directory");
    let supervisor = Supervisor::start().expect("a supervisor");
    let authority = Authority::new("registry-ca").expect("an authority");
    let mut running = RunningRegistries::start(Setup {
        supervisor: &supervisor,
        distribution: &world.access().binaries.registry,
        directory: directory.path(),
        authority: &authority,
        api_server: &world.api_server(),
    })
    .expect("registries");
    let registries = running.registries();
    let client = HttpsClient::new(&registries.openshift.host, &registries.ca).expect("a client");
    let repository = format!("/v2/{}/app", stage.project().name);
    assert_eq!(
        ask(&client, &format!("{repository}/tags/list"), token).status(),
        404
    );

    running.store().process().kill();

    for part in ["tags/list", "manifests/v1"] {
        let failed = ask(&client, &format!("{repository}/{part}"), token);
        assert_eq!(failed.status(), 500, "{part}");
        let body: Value = serde_json::from_slice(failed.body()).expect("JSON");
        assert_eq!(body["errors"][0]["code"], "UNKNOWN", "{part}");
    }
    assert_eq!(ask(&client, "/v2/", token).status(), 200);
    assert_eq!(ask(&client, "/openshift/token", token).status(), 200);
}
