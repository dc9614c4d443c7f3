//! Asking the gateway what a row says, with the API server in the state that it says, and comparing the answers.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::Value;
use test_cluster::certificates::Authority;
use test_cluster::clients::HttpsClient;
use test_cluster::listener::upstream::Upstream;
use test_cluster::listener::{Action, InterceptingProxy};
use test_cluster::registry::gateway::{Gateway, REVIEW_LIMIT};
use test_cluster::registry::request_log::RequestLog;
use test_cluster::registry::{ApiServer, Host, OPENSHIFT};

use super::rows::{ApiServerState, Authorization, Expected, Row};
use super::stage::{Stage, basic};
use crate::world::World;

/// In place of 45 s, where a row waits for it.
const SHORT_PATIENCE: Duration = Duration::from_millis(300);

/// Asks a row's requests on a stage.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    world: &'a World,
    stage: &'a Stage,
}

/// A gateway in front of the same images that has an API server of its own kind.
pub struct Backstage {
    gateway: Gateway,
    authority: Authority,
    pub proxy: Option<InterceptingProxy>,
    _directory: tempfile::TempDir,
}

struct Question<'a> {
    request: &'a str,
    account: &'a str,
    authorization: &'a Authorization,
    accept: &'a str,
}

impl<'a> Asker<'a> {
    pub fn new(world: &'a World, stage: &'a Stage) -> Self {
        Self { world, stage }
    }

    /// Every answer that isn't as expected, in words.
    pub fn ask_all(self, row: &Row, expected: &Expected) -> Vec<String> {
        let mut wrong = Vec::new();
        for state in &row.api_server {
            let backstage = Backstage::of(self.world, state);
            let client = match &backstage {
                Some(backstage) => backstage.client(),
                None => self.world.openshift(),
            };
            for request in &row.ask {
                for account in &row.r#as {
                    for authorization in &row.with {
                        for accept in &row.accept {
                            let question = Question {
                                request,
                                account,
                                authorization,
                                accept,
                            };
                            if let Err(difference) = self.ask(&client, &question, expected) {
                                wrong.push(format!(
                                    "{}\n  {request} as {account} with {authorization:?}, Accept {accept}, API server \
                                     {state:?}: {difference}",
                                    row.row
                                ));
                            }
                        }
                    }
                }
            }
            wrong.extend(backstage.and_then(|backstage| backstage.wrong_count(state, row)));
        }
        wrong
    }

    fn ask(&self, client: &HttpsClient, question: &Question<'_>, expected: &Expected) -> Result<(), String> {
        let filled = |text: &str| self.stage.fill(text, question.account);
        let target = filled(question.request);
        let (method, path) = target.split_once(' ').ok_or("not METHOD path")?;
        let mut request = Request::new(Bytes::from_static(if method == "PUT" { b"{}" } else { b"" }));
        *request.method_mut() = Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?;
        *request.uri_mut() = path.parse().map_err(|_| format!("not a path: {path}"))?;
        if let Some(value) = authorization(question.authorization, filled) {
            let value = HeaderValue::from_str(&value).map_err(|error| error.to_string())?;
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        if let Some(accept) = accept(question.accept) {
            request
                .headers_mut()
                .insert(header::ACCEPT, HeaderValue::from_static(accept));
        }
        let begin = Instant::now();
        let response = client.send(request).map_err(|error| format!("{error:#}"))?;
        if let Some(seconds) = expected.after_seconds {
            let elapsed = begin.elapsed();
            let expected = Duration::from_secs(seconds);
            if elapsed < expected || elapsed > 2 * expected {
                return Err(format!("answered after {elapsed:?}, not {expected:?}"));
            }
        }
        compare(&response, method == "HEAD", path, expected, |text| filled(text))
    }
}

impl Backstage {
    /// What the state needs, or nothing where the gateway of the world will do.
    pub fn of(world: &World, state: &ApiServerState) -> Option<Self> {
        let (hook, patience): (Box<dyn Fn(&str) -> Action + Send + Sync>, _) = match state.clone() {
            ApiServerState::Named(name) => match name.as_str() {
                "well" => return None,
                "gone" => return Some(Self::start(world, nobody_there(world), None, REVIEW_LIMIT)),
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
            // Nobody is let in for being anybody, so that a refusal is the API server's own.
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

    /// Says so where the API server was asked more or less often than the row has it.
    fn wrong_count(&self, state: &ApiServerState, row: &Row) -> Option<String> {
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

/// The API server of the world, at a port where nobody listens.
fn nobody_there(world: &World) -> ApiServer {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    ApiServer {
        url: format!("https://{address}"),
        ..world.api_server()
    }
}

fn authorization(template: &Authorization, filled: impl Fn(&str) -> String) -> Option<String> {
    Some(match template {
        Authorization::None => return None,
        Authorization::Header(text) => filled(text),
        Authorization::Basic(text) => basic(&filled(text)),
        Authorization::BasicInCapitals(text) => format!("BASIC {}", STANDARD.encode(filled(text))),
        Authorization::BasicUnpadded(text) => {
            let mut credentials = filled(text);
            while credentials.len().is_multiple_of(3) {
                credentials.insert(0, 'u');
            }
            format!("Basic {}", STANDARD_NO_PAD.encode(credentials))
        }
        Authorization::BasicUrlSafe(text) => {
            let encoded = URL_SAFE.encode(filled(text));
            assert!(encoded.contains(['-', '_']), "the same in both alphabets");
            format!("Basic {encoded}")
        }
    })
}

fn accept(name: &str) -> Option<&'static str> {
    Some(match name {
        "none" => return None,
        "all" => {
            "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
             application/vnd.docker.distribution.manifest.v2+json, \
             application/vnd.docker.distribution.manifest.list.v2+json"
        }
        "*/*" => "*/*",
        "docker" => "application/vnd.docker.distribution.manifest.v2+json",
        "schema 1" => "application/vnd.docker.distribution.manifest.v1+json",
        other => panic!("no Accept {other:?}"),
    })
}

fn compare(
    response: &Response<Bytes>,
    to_head: bool,
    path: &str,
    expected: &Expected,
    filled: impl Fn(&str) -> String,
) -> Result<(), String> {
    let header = |name: &str| {
        response
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap_or("?"))
    };
    let same = |what: &str, got: Option<&str>, wanted: Option<&str>| {
        if got == wanted {
            return Ok(());
        }
        Err(format!("{what} is {got:?} instead of {wanted:?}; {response:?}"))
    };
    let status = response.status().as_u16().to_string();
    same("status", Some(&status), Some(&expected.status.to_string()))?;
    let challenge = expected.challenge.as_deref().map(|challenge| match challenge {
        "bearer" => format!("Bearer realm=\"https://{OPENSHIFT}/openshift/token\""),
        "denied" => "Basic realm=openshift,error=\"access denied\"".to_owned(),
        "undecodable" => "Basic realm=openshift,error=\"failed to decode credentials\"".to_owned(),
        other => panic!("no challenge {other:?}"),
    });
    same("challenge", header("www-authenticate"), challenge.as_deref())?;
    if path != "/healthz" {
        same(
            "API version",
            header("docker-distribution-api-version"),
            Some("registry/2.0"),
        )?;
    }
    for (name, wanted) in [
        ("content-type", &expected.content_type),
        ("docker-content-digest", &expected.digest),
        ("location", &expected.location),
    ] {
        if let Some(wanted) = wanted {
            same(name, header(name), Some(&filled(wanted)))?;
        }
    }
    if to_head {
        return match response.body().len() {
            0 => Ok(()),
            length => Err(format!("HEAD was answered with a body of {length} bytes")),
        };
    }
    compare_body(response, expected, filled)
}

fn compare_body(
    response: &Response<Bytes>,
    expected: &Expected,
    filled: impl Fn(&str) -> String,
) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{what}: {response:?}"));
    if expected.body == Some(Value::from("")) {
        let has_type = response.headers().contains_key(header::CONTENT_TYPE);
        if !response.body().is_empty() || has_type != expected.content_type.is_some() {
            return wrong("the answer is not empty, or has another content type");
        }
        return Ok(());
    }
    let body = serde_json::from_slice::<Value>(response.body()).unwrap_or(Value::Null);
    let filled_in = |value: &Value| serde_json::from_str::<Value>(&filled(&value.to_string())).expect("JSON");
    if expected
        .body
        .as_ref()
        .is_some_and(|wanted| filled_in(wanted) != body)
    {
        return wrong("another body");
    }
    let error = body.pointer("/errors/0");
    let member = |name: &str| error.and_then(|error| error.get(name));
    if expected.any_code && member("code").is_none() {
        return wrong("no error code");
    }
    for (name, wanted) in [("code", &expected.code), ("message", &expected.message)] {
        if wanted.is_some() && member(name).and_then(Value::as_str) != wanted.as_deref() {
            return wrong(&format!("another {name}"));
        }
    }
    if expected
        .detail
        .as_ref()
        .is_some_and(|wanted| member("detail") != Some(&filled_in(wanted)))
    {
        return wrong("another detail");
    }
    if expected.without_detail && member("detail").is_some() {
        return wrong("a detail");
    }
    let lacks = |name: &String| member("detail").and_then(|detail| detail.get(name)).is_none();
    if expected.detail_members.iter().any(lacks) {
        return wrong("the detail lacks a member");
    }
    Ok(())
}
