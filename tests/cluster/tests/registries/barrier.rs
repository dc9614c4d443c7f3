//! The intercepting proxy in front of the real API server and a real registry.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use test_cluster::access::ClusterAccess;
use test_cluster::certificates::Authority;
use test_cluster::clients::HttpsClient;
use test_cluster::listener::upstream::Upstream;
use test_cluster::listener::{Action, InterceptingProxy, RequestParts};
use test_cluster::registry::Host;

use crate::project::Project;
use crate::world::World;

const LIMIT: Duration = Duration::from_secs(20);

/// A proxy in front of the API server, and the data that its clients need.
fn in_front_of_the_api_server(
    world: &World,
    hook: impl Fn(&RequestParts) -> Action + Send + Sync + 'static,
) -> (InterceptingProxy, ClusterAccess) {
    let access = world.access();
    let url = format!("https://{}", access.api_server);
    let upstream = Upstream::new(&url, Some(&access.certificate_authority), true).expect("a client");
    let authority = Authority::new("barrier-ca").expect("an authority");
    let certificate = authority.issue(&["127.0.0.1"]).expect("a certificate");
    let proxy = InterceptingProxy::start(upstream, &certificate, hook).expect("a proxy");
    let through_it = ClusterAccess {
        api_server: proxy.address(),
        certificate_authority: authority.pem(),
        ..access.clone()
    };
    (proxy, through_it)
}

async fn config_maps(access: &ClusterAccess, project: &Project) -> Api<ConfigMap> {
    Api::namespaced(access.client().await.expect("a client"), &project.name)
}

async fn apply(api: &Api<ConfigMap>, writer: &str) {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared"}, "data": {"writer": writer}});
    let params = PatchParams::apply("barrier-test").force();
    api.patch("shared", &params, &Patch::Apply(object))
        .await
        .expect("applied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_barrier_holds_two_reads_until_both_have_arrived() {
    let world = World::shared();
    let project = Project::new(world, "barrier").await;
    let (proxy, access) = in_front_of_the_api_server(world, |request| {
        if request.method == Method::GET && request.path.ends_with("/configmaps/shared") {
            Action::Hold("reads".to_owned())
        } else {
            Action::Forward
        }
    });
    let first = config_maps(&access, &project).await;
    let second = config_maps(&access, &project).await;
    let reads = [first, second].map(|api| tokio::spawn(async move { api.get_opt("shared").await }));

    proxy.wait_until_held("reads", 2, LIMIT).expect("both arrive");
    assert!(
        reads.iter().all(|read| !read.is_finished()),
        "a read went past the barrier"
    );
    assert!(proxy.passages().iter().all(|passage| passage.status.is_none()));
    // It appears while both are held: they were not forwarded before.
    apply(&config_maps(world.access(), &project).await, "test").await;
    proxy.release("reads");

    for read in reads {
        let found = read.await.expect("a task").expect("an answer");
        assert!(found.is_some(), "the read was answered before it was let go");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_can_be_delayed_past_a_later_one() {
    let world = World::shared();
    let project = Project::new(world, "barrier").await;
    let (proxy, access) = in_front_of_the_api_server(world, |request| {
        let early = request.body.windows(5).any(|bytes| bytes == b"early");
        if request.method == Method::PATCH && early {
            Action::Hold("early write".to_owned())
        } else {
            Action::Forward
        }
    });
    let api = config_maps(&access, &project).await;
    let early = {
        let api = api.clone();
        tokio::spawn(async move { apply(&api, "early").await })
    };
    proxy
        .wait_until_held("early write", 1, LIMIT)
        .expect("it arrives");
    apply(&api, "late").await;
    let written = proxy.wait_for(LIMIT, |passage| {
        passage.request.method == Method::PATCH && passage.status.is_some_and(|status| status.is_success())
    });
    let written = written.expect("the late write was answered").request;
    assert!(String::from_utf8_lossy(&written.body).contains("late"));
    proxy.release("early write");
    early.await.expect("a task");

    let data = api.get("shared").await.expect("it is there").data.expect("data");
    assert_eq!(data["writer"], "early", "the held write came last");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_can_be_lost_after_the_server_has_done_the_work() {
    let world = World::shared();
    let project = Project::new(world, "barrier").await;
    let (_proxy, access) = in_front_of_the_api_server(world, |request| match request.method {
        Method::PATCH => Action::LoseAnswer,
        Method::DELETE => Action::Reset,
        _ => Action::Forward,
    });
    let host = Host {
        name: format!("127.0.0.1:{}", access.api_server.port()),
        address: access.api_server,
    };
    let client = HttpsClient::new(&host, &access.certificate_authority).expect("a client");
    let path = format!(
        "/api/v1/namespaces/{}/configmaps/shared?fieldManager=barrier-test",
        project.name
    );
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared"}}).to_string();
    let send = |method: Method| {
        let request = Request::builder()
            .method(method)
            .uri(&path)
            .header("authorization", format!("Bearer {}", access.admin_token))
            .header("content-type", "application/apply-patch+yaml")
            .body(Bytes::from(object.clone()))
            .expect("a request");
        client.send(request)
    };

    send(Method::PATCH).expect_err("its answer is lost");
    let api = config_maps(world.access(), &project).await;
    assert!(
        api.get_opt("shared").await.expect("an answer").is_some(),
        "the work was not done"
    );
    send(Method::DELETE).expect_err("the connection is reset");
    assert!(
        api.get_opt("shared").await.expect("an answer").is_some(),
        "it was forwarded"
    );
}

#[test]
fn a_registry_can_be_intercepted_under_its_own_name() {
    let world = World::shared();
    let registries = world.registries();
    let host = &registries.basic.host;
    let upstream = Upstream::named(&host.name, host.address, &registries.ca).expect("a client");
    let authority = Authority::new("barrier-ca").expect("an authority");
    let certificate = authority.issue(&["registry.basic.test"]).expect("a certificate");
    let proxy = InterceptingProxy::start(upstream, &certificate, |request| {
        if request.number > 1 {
            return Action::Forward;
        }
        let mut response = Response::new(Bytes::from_static(b"busy"));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        Action::Answer(response)
    })
    .expect("a proxy");
    let intercepted = Host {
        name: host.name.clone(),
        address: proxy.address(),
    };
    let client = HttpsClient::new(&intercepted, &authority.pem()).expect("a client");
    let ask = || {
        let request = Request::builder()
            .uri("/v2/")
            .body(Bytes::new())
            .expect("a request");
        client.send(request).expect("an answer")
    };
    assert_eq!(ask().status(), 503);
    let second = ask();
    assert_eq!(second.status(), 401);
    assert_eq!(second.headers()["www-authenticate"], "Basic realm=\"basic\"");
}
