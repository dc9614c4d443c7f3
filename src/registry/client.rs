//! Client of all registries of a run. Retries transient failures and a kind's outages until the registry's share of the
//! deadline (`transport/retry.rs`).

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::{
    HeaderValue, Method, Request,
    header::{ACCEPT, AUTHORIZATION, USER_AGENT},
};
use http_body_util::Full;
use tokio::time::Instant;

use super::{
    Inconclusive, Ping, ProtocolError,
    kind::{self, Kind},
    response,
};
use crate::{
    image::{HTTPS_PORT, RegistryHost},
    transport::{
        self, Answer, HttpRequest, Https,
        retry::{Retry, RetryCause, is_transient},
    },
};

/// Longest answer of a registry, in bytes: a challenge, a token, an error, a page of tags.
pub const ANSWER_LIMIT: usize = 64 << 10;

/// Media types that current clients accept; without the OCI types OpenShift's registry answers 404.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.docker.distribution.manifest.v2+json";

/// Client of registries.
#[derive(Clone)]
pub struct Registries {
    https: Https,
    until: Instant,
    is_failing: Arc<AtomicBool>,
}

impl Registries {
    /// Client that trusts and dials as `https` does; a registry that hasn't answered at `until` is unreachable.
    pub fn new(https: Https, until: Instant) -> Self {
        Self {
            https,
            until,
            is_failing: Arc::default(),
        }
    }

    /// When retries end.
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

    /// Whether the last exchange failed in a way that is retried.
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// Answer to `GET /v2/` without credentials: how the registry asks clients to authenticate.
    ///
    /// # Errors
    /// Why the answer doesn't decide.
    pub async fn ping(&self, registry: &RegistryHost) -> Result<Ping, Inconclusive> {
        let answer = self
            .send(
                &Method::GET,
                &url(registry, "/v2/"),
                None,
                kind::by_name(registry),
            )
            .await?;
        response::ping(registry, &answer)
    }

    /// Sends a request, and again while its outcome is transient.
    pub(super) async fn send(
        &self,
        method: &Method,
        url: &str,
        authorization: Option<&HeaderValue>,
        kind: &dyn Kind,
    ) -> Result<Answer, Inconclusive> {
        let request = request(method, url, authorization).ok_or(ProtocolError::Challenge)?;
        let mut retry = Retry::new(self.until);
        loop {
            let outcome = self.https.exchange(request.clone(), self.until).await;
            let is_outage = |answer| kind.is_outage(method, answer);
            let is_failure = is_transient(&outcome) || outcome.as_ref().is_ok_and(is_outage);
            self.is_failing.store(is_failure, Ordering::Relaxed);
            if !is_failure {
                return response::exchanged(url, outcome);
            }
            if !retry.again(RetryCause::transient(&outcome)).await {
                return Err(Inconclusive::Unreachable(ProtocolError::of_exchange(&outcome)));
            }
        }
    }
}

fn request(method: &Method, url: &str, authorization: Option<&HeaderValue>) -> Option<HttpRequest> {
    let accept = if url.contains("/manifests/") {
        MANIFESTS
    } else {
        "application/json"
    };
    let mut request = Request::builder()
        .method(method)
        .uri(url)
        .header(USER_AGENT, transport::USER_AGENT)
        .header(ACCEPT, accept);
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    request.body(Full::default()).ok()
}

/// URL at the registry; without port 443, as every client writes it.
pub(super) fn url(registry: &RegistryHost, path: &str) -> String {
    let endpoint = registry.dial().to_string();
    let authority = match registry.dial().port() {
        HTTPS_PORT => endpoint.trim_end_matches(":443"),
        _ => endpoint.as_str(),
    };
    format!("https://{authority}{path}")
}
