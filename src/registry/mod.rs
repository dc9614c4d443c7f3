//! What a registry says of a credential. Knows the registry protocol (distribution spec) and OpenShift's way of
//! speaking it; knows nothing of Kubernetes.
//!
//! Retried inside, until the registry's share of the deadline: 429, 5xx, a 400 without a body (how OpenShift's
//! registry says that its API server failed it), broken connections and no answer in time.

pub mod answer;
pub mod challenge;
mod session;

use std::sync::{Arc, Mutex, PoisonError};

use http::{
    HeaderValue, Method, Request, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};
use http_body_util::Full;
use hyper::body::Bytes;
use tokio::time::Instant;

pub use self::session::Session;
use crate::{
    api_server::{can_be_tried_again, retry_after},
    deadline::Backoff,
    https::{self, Answer, Failure, Https},
    registry_host::{HTTPS_PORT, RegistryHost},
};

/// The longest answer that is read of a registry: a challenge, a token, an error, a page of tags.
pub const ANSWER_LIMIT: usize = 64 << 10;

/// The manifests that a client of today asks for: without the OCI types OpenShift's registry says 404.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.docker.distribution.manifest.v2+json";

/// Why a registry could not be brought to say anything of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// No answer, or none but "later", until the registry's share of the deadline was over.
    Unreachable(Obstacle),
    /// Its certificate is not trusted, or it asks for the credential on behalf of a host that may not have it.
    Untrusted(Distrust),
    /// What answered does not speak the registry protocol.
    Protocol(Obstacle),
    /// It asks nobody for credentials.
    Open,
    /// It was not to be asked (`PULL_SECRET_VERIFY`).
    NotAsked,
}

/// What came back instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The exchange failed below HTTP.
    Failed(Failure),
    /// An answer that says nothing of the credential.
    Status(StatusCode),
    /// A 401 although the API server accepts the credential and permits the pull.
    Refused,
    /// A 401 that asks for something we can't give.
    Challenge,
    /// A token service whose answer holds no token.
    NoToken,
    /// The manifest of another digest than the one asked for.
    OtherDigest,
    /// A web page: of a proxy or a login, which answer everything with 200.
    WebPage,
}

/// Who is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// The registry's certificate.
    Certificate,
    /// The host, named by the registry's Bearer challenge, to which the credential would go.
    Realm(String),
}

/// What a registry says of a credential, or of an image with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The credential is accepted; the image, where one was asked for, is there and may be pulled.
    Yes,
    /// The credential is accepted, the registry has no such repository.
    RepositoryMissing,
    /// The credential is accepted, the repository has no such tag or digest.
    TagMissing,
    /// The credential is accepted and may not do this.
    Forbidden,
    /// 401. Of OpenShift's registry: either the credential is not accepted, or it may not do this.
    Refused,
    /// Nothing.
    Nothing(Silence),
}

/// What a registry asks a client for that brings no credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Nothing: anybody may read.
    Nobody,
    /// User name and password, with each request.
    Basic,
    /// A token of its token service.
    Bearer {
        /// The token service's URL.
        realm: String,
        /// Its `service` parameter.
        service: Option<String>,
    },
    /// OpenShift's registry: a Kubernetes token as the password, with each request. `/openshift/token` is never used:
    /// it turns outages of the API server into 401.
    OpenShift,
}

/// Talks to registries.
#[derive(Clone)]
pub struct Registries {
    https: Https,
    until: Instant,
    trouble: Arc<Mutex<Option<Obstacle>>>,
}

impl Registries {
    /// A client that trusts and dials as `https` does; what is undecided at `until` is unreachable.
    pub fn new(https: Https, until: Instant) -> Self {
        Self {
            https,
            until,
            trouble: Arc::default(),
        }
    }

    /// When asking ends.
    pub const fn until(&self) -> Instant {
        self.until
    }

    /// The same client with another end.
    #[must_use]
    pub fn with_until(&self, until: Instant) -> Self {
        Self {
            until,
            ..self.clone()
        }
    }

    /// What made the last retried try fail; none where the last request went through.
    pub fn trouble(&self) -> Option<Obstacle> {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks `GET /v2/` without credentials: what does this registry ask for?
    ///
    /// # Errors
    /// Why it did not say.
    pub async fn survey(&self, registry: &RegistryHost) -> Result<Asks, Silence> {
        let answer = self.send(&Method::GET, &url(registry, "/v2/"), None).await?;
        answer::asks(registry, &answer)
    }

    /// One request, tried again while its answer is transient.
    async fn send(
        &self,
        method: &Method,
        url: &str,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Silence> {
        let mut backoff = Backoff::new();
        loop {
            let request =
                request(method, url, authorization).ok_or(Silence::Protocol(Obstacle::Challenge))?;
            let (obstacle, retry_after) = match self.https.exchange(request, self.until).await {
                Ok(answer) if is_transient(method, &answer) => {
                    (Obstacle::Status(answer.status), retry_after(&answer.headers))
                }
                Ok(answer) if is_web_page(&answer) => return Err(Silence::Protocol(Obstacle::WebPage)),
                Ok(answer) => {
                    self.note(None);
                    return Ok(answer);
                }
                Err(failure) if failure.is_transient() => (Obstacle::Failed(failure), None),
                Err(Failure::Untrusted) => return Err(Silence::Untrusted(Distrust::Certificate)),
                Err(failure) => return Err(Silence::Protocol(Obstacle::Failed(failure))),
            };
            self.note(Some(obstacle));
            if !backoff.wait(retry_after, self.until).await {
                return Err(Silence::Unreachable(obstacle));
            }
        }
    }

    fn note(&self, obstacle: Option<Obstacle>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = obstacle;
    }
}

/// A 400 to HEAD has no body by nature; the caller asks again with GET before it believes it.
fn is_transient(method: &Method, answer: &Answer) -> bool {
    let bare_400 =
        answer.status == StatusCode::BAD_REQUEST && answer.body.is_empty() && method != Method::HEAD;
    can_be_tried_again(answer.status) || bare_400
}

/// No registry means a 200 that brings HTML.
fn is_web_page(answer: &Answer) -> bool {
    let content_type = answer.headers.get(CONTENT_TYPE);
    answer.status == StatusCode::OK
        && content_type.is_some_and(|content_type| content_type.as_bytes().starts_with(b"text/html"))
}

fn request(method: &Method, url: &str, authorization: Option<&HeaderValue>) -> Option<Request<Full<Bytes>>> {
    let mut request = Request::builder()
        .method(method)
        .uri(url)
        .header(USER_AGENT, https::USER_AGENT)
        .header(
            ACCEPT,
            if url.contains("/manifests/") {
                MANIFESTS
            } else {
                "application/json"
            },
        );
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    request.body(Full::default()).ok()
}

/// The registry's URL; the port is left out where it is https' own, as every client does.
fn url(registry: &RegistryHost, path: &str) -> String {
    let endpoint = registry.dial().to_string();
    let authority = match registry.dial().port() {
        HTTPS_PORT => endpoint.trim_end_matches(":443"),
        _ => endpoint.as_str(),
    };
    format!("https://{authority}{path}")
}
