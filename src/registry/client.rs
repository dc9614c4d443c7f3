//! Client of all registries of a run. Retries transient failures and a kind's outages until the registry's share of the
//! deadline (`transport/retry.rs`).

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use http::{
    HeaderValue, Method, Request,
    header::{ACCEPT, AUTHORIZATION, USER_AGENT},
};
use http_body_util::Full;
use tokio::{sync::OwnedMutexGuard, time::Instant};

use super::{
    Inconclusive, Ping, ProtocolError, Remark,
    host::{self, Host},
    kind::{self, Kind},
    redirect::Redirect,
    response,
};
use crate::{
    image::{HTTPS_PORT, HostPort, RegistryHost},
    transport::{
        self, Answer, AnswerLimit, Failure, HttpRequest, Https,
        retry::{Retry, RetryCause, is_transient},
    },
};

/// Longest answer of a registry, in bytes: a challenge, a token, an error, a page of tags.
pub const ANSWER_LIMIT: usize = 64 << 10;

/// Media types that current clients accept; without the OCI types OpenShift's registry answers 404.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.docker.distribution.manifest.v2+json";

/// Longest manifest whose headers don't say that it is one, in bytes; eight of them fit into a small pod's memory.
const MANIFEST_LIMIT: usize = 1 << 20;

/// How many redirects to the same scheme, host and port are followed (CONTRACT section 5).
const REDIRECTS: usize = 3;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// `/v2/`, with or without a credential.
    Ping,
    /// A manifest.
    Manifest,
    /// A token of a token service.
    Token,
    /// Anything else at the registry.
    Other,
}

impl Purpose {
    fn accept(self) -> &'static str {
        match self {
            Self::Manifest => MANIFESTS,
            Self::Ping | Self::Token | Self::Other => "application/json",
        }
    }

    /// Whether another host is asked where the answer is a redirect to it.
    fn follows_elsewhere(self) -> bool {
        matches!(self, Self::Ping | Self::Manifest)
    }
}

/// A request to a registry or its token service.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub purpose: Purpose,
    pub method: &'a Method,
    pub url: &'a str,
    /// The credential; none without one.
    pub authorization: Option<&'a HeaderValue>,
    pub kind: &'a dyn Kind,
}

/// Client of registries.
#[derive(Clone)]
pub struct Registries {
    https: Https,
    until: Instant,
    is_failing: Arc<AtomicBool>,
    hosts: Arc<host::Known<HostPort, Host>>,
    remarks: Arc<Mutex<Vec<Remark>>>,
}

impl Registries {
    /// Client that trusts and dials as `https` does; a registry that hasn't answered at `until` is unreachable.
    pub fn new(https: Https, until: Instant) -> Self {
        Self {
            https,
            until,
            is_failing: Arc::default(),
            hosts: Arc::default(),
            remarks: Arc::default(),
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

    /// What was learned about registries so far, each once.
    pub fn remarks(&self) -> Vec<Remark> {
        self.remarks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn remark(&self, remark: Remark) {
        let mut remarks = self.remarks.lock().unwrap_or_else(PoisonError::into_inner);
        if !remarks.contains(&remark) {
            remarks.push(remark);
        }
    }

    /// Waits until no other credential with this user name is being verified at this registry: a rejected one may lock the
    /// account for the next.
    pub async fn turn(&self, registry: &RegistryHost, username: &str) -> OwnedMutexGuard<()> {
        self.host(registry).turn(username).await
    }

    /// What all sessions of this run share about a registry.
    pub(super) fn host(&self, registry: &RegistryHost) -> Arc<Host> {
        host::find(&self.hosts, registry.dial(), Host::new)
    }

    /// Answer to `GET /v2/` without credentials: how the registry asks clients to authenticate.
    ///
    /// # Errors
    /// Why the answer doesn't decide.
    pub async fn ping(&self, registry: &RegistryHost) -> Result<Ping, Inconclusive> {
        let ask = Ask {
            purpose: Purpose::Ping,
            method: &Method::GET,
            url: &url(registry, "/v2/"),
            authorization: None,
            kind: kind::by_name(registry),
        };
        let answer = self.send(&self.host(registry), ask).await?;
        response::ping(registry, &answer)
    }

    /// Sends a request, and again while its outcome is transient.
    pub(super) async fn send(&self, host: &Host, ask: Ask<'_>) -> Result<Answer, Inconclusive> {
        let mut retry = Retry::new(self.until);
        loop {
            let (elsewhere, outcome) = self.follow(host, ask).await?;
            let is_outage = |answer| ask.kind.is_outage(ask.method, answer);
            let is_failure = is_transient(&outcome) || outcome.as_ref().is_ok_and(is_outage);
            self.is_failing.store(is_failure, Ordering::Relaxed);
            match elsewhere {
                None if !is_failure => return response::exchanged(ask.url, outcome),
                Some(redirect) if !is_failure => return response::elsewhere(&redirect, ask, outcome),
                _ if retry.again(RetryCause::transient(&outcome)).await => {}
                None => return Err(Inconclusive::Unreachable(ProtocolError::of_exchange(&outcome))),
                Some(redirect) => return Err(ProtocolError::Redirects(redirect.host).into()),
            }
        }
    }

    /// The outcome at the end of the redirects, and the redirect to another host, if there was one.
    async fn follow(
        &self,
        host: &Host,
        ask: Ask<'_>,
    ) -> Result<(Option<Redirect>, Result<Answer, Failure>), Inconclusive> {
        let mut url = ask.url.to_owned();
        for _ in 0..=REDIRECTS {
            let outcome = self.exchange(host, ask, &url, ask.authorization).await?;
            let redirect = outcome.as_ref().ok().and_then(|answer| {
                let redirect = Redirect::of(&url, answer)?;
                Some((redirect, answer.status))
            });
            match redirect {
                None => return Ok((None, outcome)),
                Some((redirect, status)) if redirect.is_same_origin => {
                    if !redirect.allows(ask.method, status) {
                        return Ok((None, outcome));
                    }
                    url = redirect.url;
                }
                Some((redirect, _)) if redirect.is_https && ask.purpose.follows_elsewhere() => {
                    let outcome = self.exchange(host, ask, &redirect.url, None).await?;
                    return Ok((Some(redirect), outcome));
                }
                Some((redirect, _)) => {
                    return Err(match ask.purpose {
                        Purpose::Token => ProtocolError::TokenServiceRedirects(redirect.host).into(),
                        _ => ProtocolError::Redirects(redirect.host).into(),
                    });
                }
            }
        }
        Err(ProtocolError::RedirectsTooOften.into())
    }

    async fn exchange(
        &self,
        host: &Host,
        ask: Ask<'_>,
        url: &str,
        authorization: Option<&HeaderValue>,
    ) -> Result<Result<Answer, Failure>, Inconclusive> {
        let request = request(ask, url, authorization).ok_or(ProtocolError::Challenge)?;
        let permit = tokio::time::timeout_at(self.until, host.permit()).await;
        Ok(match permit {
            Ok(_permit) => self.https.exchange(request, self.until).await,
            Err(_) => Err(Failure::TimedOut),
        })
    }
}

fn request(ask: Ask<'_>, url: &str, authorization: Option<&HeaderValue>) -> Option<HttpRequest> {
    let mut request = Request::builder()
        .method(ask.method)
        .uri(url)
        .header(USER_AGENT, transport::USER_AGENT)
        .header(ACCEPT, ask.purpose.accept());
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    if ask.purpose == Purpose::Manifest {
        request = request.extension(AnswerLimit {
            bytes: MANIFEST_LIMIT,
            is_enough: response::are_of_manifest,
        });
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
