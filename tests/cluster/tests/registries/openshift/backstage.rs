//! Gateways whose API server is unavailable, slow or wrong.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use test_cluster::certificates::Authority;
use test_cluster::clients::HttpsClient;
use test_cluster::listener::upstream::Upstream;
use test_cluster::listener::{Action, InterceptingProxy};
use test_cluster::registry::gateway::{Gateway, REVIEW_LIMIT};
use test_cluster::registry::request_log::RequestLog;
use test_cluster::registry::{ApiServer, Host, OPENSHIFT};

use super::rows::{ApiServerState, Row};
use crate::world::World;

/// In place of 45 s, where a row waits for it.
const SHORT_PATIENCE: Duration = Duration::from_millis(300);

/// Action for a request to the API server, by its path.
type Hook = Box<dyn Fn(&str) -> Action + Send + Sync>;

/// A gateway in front of the same images that has an API server of its own kind.
pub struct Backstage {
    gateway: Gateway,
    authority: Authority,
    pub proxy: Option<InterceptingProxy>,
    _directory: tempfile::TempDir,
}

impl Backstage {
    /// Gateway of a state; none if the shared one is enough.
    pub fn of(world: &World, state: &ApiServerState) -> Option<Self> {
        let (hook, patience): (Hook, _) = match state.clone() {
            ApiServerState::Named(name) => match name.as_str() {
                "well" => return None,
                "gone" => return Some(Self::start(world, no_api_server(world), None, REVIEW_LIMIT)),
                "frozen" => (Box::new(|_| Action::Hold("frozen".to_owned())), SHORT_PATIENCE),
                "resets" => (Box::new(|_| Action::Reset), REVIEW_LIMIT),
                other => panic!("no state {other:?} of the API server"),
            },
            ApiServerState::Answers {
                review,
                status,
                retry_after,
                ..
            } => {
                let path = review_path(&review);
                let answer = move |asked: &str| {
                    if asked != path {
                        return Action::Forward;
                    }
                    let mut response = Response::new(Bytes::new());
                    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
                    if let Some(seconds) = retry_after {
                        response
                            .headers_mut()
                            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                    }
                    Action::Answer(response)
                };
                (Box::new(answer), REVIEW_LIMIT)
            }
        };
        Some(Self::intercepted(world, patience, hook))
    }

    /// A gateway whose requests to the API server go through a hook, which gets their path.
    pub fn intercepted(
        world: &World,
        patience: Duration,
        hook: impl Fn(&str) -> Action + Send + Sync + 'static,
    ) -> Self {
        let real = world.api_server();
        let upstream = Upstream::new(&real.url, Some(&real.ca), true).expect("a client");
        let authority = Authority::new("intercepting proxy").expect("an authority");
        let certificate = authority.issue(&["127.0.0.1"]).expect("a certificate");
        let proxy = InterceptingProxy::start(upstream, &certificate, move |request| hook(&request.path))
            .expect("a proxy");
        let intercepted = ApiServer {
            url: format!("https://{}", proxy.address()),
            ca: authority.pem(),
            // Without anonymous access, so that a denial is the API server's own.
            registry_token: None,
        };
        Self::start(world, intercepted, Some(proxy), patience)
    }

    fn start(
        world: &World,
        api_server: ApiServer,
        proxy: Option<InterceptingProxy>,
        patience: Duration,
    ) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let log = RequestLog::create(&directory.path().join("requests.jsonl")).expect("a log");
        let authority = Authority::new("registry-ca").expect("an authority");
        let certificate = authority
            .issue(&["image-registry.openshift-image-registry.svc"])
            .expect("a certificate");
        let gateway = Gateway::start(&api_server, world.registries().store, &certificate, log, patience)
            .expect("a gateway");
        Self {
            gateway,
            authority,
            proxy,
            _directory: directory,
        }
    }

    pub fn client(&self) -> HttpsClient {
        let host = Host {
            name: OPENSHIFT.to_owned(),
            address: self.gateway.address(),
        };
        HttpsClient::new(&host, &self.authority.pem()).expect("a client")
    }

    /// Fails if the API server got more or fewer requests than the row has.
    pub fn wrong_count(&self, state: &ApiServerState, row: &Row) -> Option<String> {
        let ApiServerState::Answers {
            review,
            requests: Some(expected),
            ..
        } = state
        else {
            return None;
        };
        let path = review_path(review);
        let passages = self.proxy.as_ref()?.passages();
        let asked = passages
            .iter()
            .filter(|passage| passage.request.path == path)
            .count();
        (asked != *expected).then(|| format!("{}: {asked} requests instead of {expected}", row.row))
    }
}

fn review_path(review: &str) -> &'static str {
    match review {
        "self" => "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        "access" => "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        other => panic!("no review {other:?}"),
    }
}

/// The API server of the world, at a port without a listener.
fn no_api_server(world: &World) -> ApiServer {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    ApiServer {
        url: format!("https://{address}"),
        ..world.api_server()
    }
}
