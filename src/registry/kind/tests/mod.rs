//! Whole conversations with scripted registries: what their answers mean together.

mod anonymous;
mod basic;
mod bearer;
mod challenges;
mod limits;
mod redirects;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use secrecy::SecretString;
use tokio::time::{Duration, Instant};
use tower::service_fn;

use super::*;
use crate::{
    image::RegistryHost,
    registry::{Registries, UserPassword, send_policy::SendPolicy},
    transport::{Answer, Https},
};

const HOST: &str = "registry.test:5000";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// One request as the registry sees it.
#[derive(Clone, Debug)]
struct Seen {
    method: Method,
    /// Host, path and query.
    target: String,
    /// The user name and password of Basic authentication, or `Bearer TOKEN`; empty without credentials.
    credentials: String,
}

impl Seen {
    fn is(&self, part: &str) -> bool {
        self.target.contains(part)
    }
}

struct Reply(u16, Vec<(HeaderName, String)>, &'static str);

fn status(status: u16) -> Reply {
    Reply(status, Vec::new(), "")
}

fn json(body: &'static str) -> Reply {
    Reply(200, vec![(CONTENT_TYPE, "application/json".to_owned())], body)
}

fn challenge(status: u16, challenge: &str) -> Reply {
    Reply(status, vec![(WWW_AUTHENTICATE, challenge.to_owned())], "")
}

fn manifest() -> Reply {
    Reply(200, vec![(CONTENT_TYPE, MANIFEST_TYPE.to_owned())], "")
}

fn missing(code: &'static str) -> Reply {
    Reply(404, Vec::new(), code)
}

const NAME_UNKNOWN: &str = r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#;

/// Asks about `team+robot` with this password.
async fn ask(
    password: &str,
    images: &[&str],
    push: bool,
    registry: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> (Answers, Vec<Seen>) {
    let scripted = Scripted::new(registry);
    let answers = scripted.ask(password, images, push).await;
    (answers, scripted.seen())
}

/// A client of a scripted registry.
struct Scripted {
    registries: Registries,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// The greatest number of requests at a time.
    most: Arc<AtomicUsize>,
}

impl Scripted {
    fn new(registry: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::slow(registry, |_| Duration::from_millis(10))
    }

    /// A registry that takes so long for each request.
    fn slow(registry: impl Fn(&Seen) -> Reply + Send + Sync + 'static, takes: fn(&Seen) -> Duration) -> Self {
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let most = Arc::<AtomicUsize>::default();
        let now = Arc::<AtomicUsize>::default();
        let (record, registry, greatest) = (Arc::clone(&seen), Arc::new(registry), Arc::clone(&most));
        let https = Https::from_service(service_fn(move |request: crate::transport::HttpRequest| {
            let authorization = request.headers().get(AUTHORIZATION);
            let authorization = authorization
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default();
            let basic = authorization
                .strip_prefix("Basic ")
                .and_then(|pair| STANDARD.decode(pair).ok())
                .and_then(|pair| String::from_utf8(pair).ok());
            let request = Seen {
                method: request.method().clone(),
                target: request.uri().to_string(),
                credentials: basic.unwrap_or_else(|| authorization.to_owned()),
            };
            record.lock().expect("no panic").push(request.clone());
            let takes = takes(&request);
            let Reply(status, headers, body) = registry(&request);
            let headers: HeaderMap = headers
                .into_iter()
                .map(|(name, value)| (name, HeaderValue::try_from(value).expect("a value")))
                .collect();
            let answer = Answer {
                status: StatusCode::from_u16(status).expect("a status"),
                headers,
                body: if request.method == Method::HEAD { "" } else { body }.into(),
            };
            let (now, greatest) = (Arc::clone(&now), Arc::clone(&greatest));
            async move {
                greatest.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                tokio::time::sleep(takes).await;
                now.fetch_sub(1, Ordering::Relaxed);
                Ok(answer)
            }
        }));
        Self {
            registries: Registries::new(https, Instant::now() + Duration::from_secs(60)),
            seen,
            most,
        }
    }

    async fn ask(&self, password: &str, images: &[&str], push: bool) -> Answers {
        let host = RegistryHost::parse(HOST).expect("a registry");
        let images: Vec<ImageReference> = images
            .iter()
            .map(|image| ImageReference::parse(&format!("{HOST}/{image}")).expect("an image"))
            .collect();
        let images: Vec<&ImageReference> = images.iter().collect();
        let password = SecretString::from(password);
        let ping = self.registries.ping(&host).await;
        let scheme = ping.as_ref().ok().and_then(Ping::scheme).cloned();
        let credential = UserPassword {
            username: "team+robot",
            password: &password,
        };
        let policy = SendPolicy::new(&[], false);
        let session = Session::new(&self.registries, &host, scheme, credential, policy);
        verify(session, ping, &images, push).await
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic").clone()
    }
}

fn failed_logins(seen: &[Seen], is_failure: impl Fn(&Seen) -> bool) -> usize {
    seen.iter()
        .filter(|seen| {
            !seen.credentials.is_empty() && !seen.credentials.starts_with("Bearer") && is_failure(seen)
        })
        .count()
}

fn is_good(seen: &Seen) -> bool {
    seen.credentials == "team+robot:good"
}

fn inconclusive(error: ProtocolError) -> RegistryVerdict {
    RegistryVerdict::Inconclusive(Inconclusive::Protocol(error))
}

fn anonymous() -> RegistryVerdict {
    RegistryVerdict::Inconclusive(Inconclusive::Anonymous)
}

/// A registry with a token service. With a scope, a wrong password gets what `wrong_with_scope` says.
fn bearer(
    seen: &Seen,
    without_scope: impl Fn(&Seen) -> Reply,
    wrong_with_scope: fn() -> Reply,
    repository: impl Fn(&Seen) -> Reply,
) -> Reply {
    if seen.is("/token") && seen.is("scope=") {
        if is_good(seen) {
            json(r#"{"token":"robot"}"#)
        } else if seen.credentials.is_empty() {
            json(r#"{"token":"anonymous"}"#)
        } else {
            wrong_with_scope()
        }
    } else if seen.is("/token") {
        without_scope(seen)
    } else if seen.is("/manifests/") || seen.is("/tags/") {
        repository(seen)
    } else {
        challenge(
            401,
            r#"Bearer realm="https://registry.test:5000/token",service="s""#,
        )
    }
}

/// 401 without a scope for a wrong password, as Harbor and docker_auth.
fn strict(seen: &Seen) -> Reply {
    if is_good(seen) {
        json(r#"{"token":"login"}"#)
    } else {
        status(401)
    }
}

fn anonymous_token() -> Reply {
    json(r#"{"token":"anonymous"}"#)
}

fn refused() -> Reply {
    status(401)
}

fn forbidden() -> Reply {
    status(403)
}

/// `public/` is for everybody, `hidden/` is a 404 for everybody but the robot, the rest is the robot's.
fn repositories(seen: &Seen) -> Reply {
    let is_robot = seen.credentials == "Bearer robot";
    if seen.is("/public/") {
        manifest()
    } else if seen.is("/missing/") {
        missing(NAME_UNKNOWN)
    } else if is_robot {
        manifest()
    } else if seen.is("/hidden/") {
        missing(NAME_UNKNOWN)
    } else {
        status(401)
    }
}
