//! The connection to the API server: the service under `kube::Client`, its retries and its clock.
//!
//! Retried inside, until the deadline of the call: 429 and 5xx, broken connections, no answer in time. A
//! refusal counts once it is repeated.
//! kube's own constructor is not used: it brings a YAML parser, exec plugins and debug variables (2 MB), and retries
//! for up to 1000 s.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{AUTHORIZATION, DATE, USER_AGENT},
    uri::{Authority, Scheme},
};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use k8s_openapi::jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use kube::client::Body;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use tower::Service;

use crate::transport::{
    self, Dialer, Failure, Https,
    deadline::{Backoff, REFUSAL_PAUSE},
    retry::{can_be_tried_again, retry_after},
};

/// A Secret may hold 1 MiB of data, base64 encoded; its other parts are small.
const ANSWER_LIMIT: usize = 4 << 20;

/// How long after a failure a refusal is retried: the API server may be starting, and takes a second on an idle machine
/// until it knows whom to let in.
const REFUSAL_RETRY_WINDOW: Duration = Duration::from_secs(10);

/// The connection to the API server, with the state that its calls share.
#[derive(Clone)]
pub struct ApiConnection {
    https: Https,
    authority: Authority,
    state: Arc<Mutex<ServerState>>,
}

/// What the answers of the run show about the API server.
#[derive(Default)]
struct ServerState {
    clock_offset: Option<SignedDuration>,
    last_failure: Option<LastFailure>,
    failed_at: Option<Instant>,
}

/// Why the last attempt failed that was retried, or will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastFailure {
    /// The exchange failed below HTTP.
    Exchange(Failure),
    /// A transient status.
    Status(StatusCode),
}

/// The status of the last answer to one client's calls.
#[derive(Clone, Default)]
pub struct LastStatus(Arc<Mutex<Option<StatusCode>>>);

impl LastStatus {
    /// Whether the call created an object: 201, where a patch of an existing one is answered with 200.
    pub fn is_created(&self) -> bool {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) == Some(StatusCode::CREATED)
    }

    fn set(&self, status: StatusCode) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
    }
}

impl ApiConnection {
    /// The API server at `authority` (`host:port`), trusted by `tls` alone and dialled without a proxy.
    pub fn new(tls: rustls::ClientConfig, authority: Authority) -> Self {
        Self::from_https(Https::new(tls, Dialer::direct(), ANSWER_LIMIT), authority)
    }

    /// The API server at `authority`, reached through `https`.
    pub fn from_https(https: Https, authority: Authority) -> Self {
        Self {
            https,
            authority,
            state: Arc::default(),
        }
    }

    /// A client whose calls send `authorization` and end at `until`, retries included.
    pub fn client(&self, authorization: &Authorization, until: Instant) -> (kube::Client, LastStatus) {
        let last_status = LastStatus::default();
        let caller = Caller {
            connection: self.clone(),
            authorization: authorization.0.clone(),
            until,
            last_status: last_status.clone(),
        };
        (kube::Client::new(caller, "default"), last_status)
    }

    /// The API server's time, by the `Date` of its last answer; this machine's, before the first one.
    pub fn now(&self) -> Timestamp {
        let offset = self.state().clock_offset.unwrap_or_default();
        Timestamp::now()
            .checked_add(offset)
            .unwrap_or_else(|_| Timestamp::now())
    }

    /// How far the API server's clock is ahead of this machine's, to a second; none before the first answer.
    pub fn clock_offset(&self) -> Option<SignedDuration> {
        self.state().clock_offset
    }

    /// Why the last retried attempt failed; none where the last call got an answer that isn't transient.
    pub fn last_failure(&self) -> Option<LastFailure> {
        self.state().last_failure
    }

    fn state(&self) -> std::sync::MutexGuard<'_, ServerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(
        &self,
        request: Request<Full<Bytes>>,
        until: Instant,
    ) -> Result<transport::Answer, Failure> {
        let mut backoff = Backoff::new();
        let mut is_first = true;
        loop {
            let outcome = self.https.exchange(request.clone(), until).await;
            let (failure, retry_after) = match &outcome {
                Ok(answer) => {
                    self.record_time(&answer.headers);
                    if !can_be_tried_again(answer.status) {
                        self.state().record_status();
                        if is_refusal(answer.status)
                            && self.should_retry_refusal(mem::take(&mut is_first), until).await
                        {
                            continue;
                        }
                        return outcome;
                    }
                    (LastFailure::Status(answer.status), retry_after(&answer.headers))
                }
                Err(failure) if failure.is_transient() => (LastFailure::Exchange(*failure), None),
                Err(_) => return outcome,
            };
            self.state().record_failure(failure);
            if !backoff.wait(retry_after, until).await {
                return outcome;
            }
        }
    }

    /// Whether a refusal is to be retried before `until`, after the pause that this waits for: the first one of its
    /// request, or one soon after a failure. An API server that starts answers before it has read accounts and roles, and
    /// refuses everybody until then.
    pub async fn should_retry_refusal(&self, is_first: bool, until: Instant) -> bool {
        let failed_at = self.state().failed_at;
        let may_be_starting = failed_at.is_some_and(|at| at.elapsed() < REFUSAL_RETRY_WINDOW);
        (is_first || may_be_starting) && Backoff::new().wait(Some(REFUSAL_PAUSE), until).await
    }

    fn record_time(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        if let Some(date) = date.and_then(|date| rfc2822::parse(date).ok()) {
            let offset = date.timestamp().duration_since(Timestamp::now());
            // `Date` has whole seconds and took its way: less than two seconds are no difference.
            let offset = if offset.abs() < SignedDuration::from_secs(2) {
                SignedDuration::ZERO
            } else {
                offset
            };
            self.state().clock_offset = Some(offset);
        }
    }
}

impl ServerState {
    fn record_failure(&mut self, failure: LastFailure) {
        (self.last_failure, self.failed_at) = (Some(failure), Some(Instant::now()));
    }

    fn record_status(&mut self) {
        self.last_failure = None;
    }
}

/// The header of one identity: the pod's own token, or the credential under review.
#[derive(Clone)]
pub struct Authorization(HeaderValue);

impl Authorization {
    /// The header for `token`.
    ///
    /// # Errors
    /// Where the token can't stand in a header.
    pub fn bearer(token: &SecretString) -> Result<Self, http::header::InvalidHeaderValue> {
        let mut header = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))?;
        header.set_sensitive(true);
        Ok(Self(header))
    }
}

fn is_refusal(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

/// The tower service under a `kube::Client`: one identity's calls, until one deadline.
#[derive(Clone)]
struct Caller {
    connection: ApiConnection,
    authorization: HeaderValue,
    until: Instant,
    last_status: LastStatus,
}

impl Service<Request<Body>> for Caller {
    type Response = Response<Full<Bytes>>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self {
            connection,
            authorization,
            until,
            last_status,
        } = self.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let body = body
                .collect()
                .await
                .map_err(|_| Failure::NoConnection)?
                .to_bytes();
            let mut uri = parts.uri.into_parts();
            uri.scheme = Some(Scheme::HTTPS);
            uri.authority = Some(connection.authority.clone());
            parts.uri = http::Uri::from_parts(uri).map_err(|_| Failure::NotHttp)?;
            parts.headers.insert(AUTHORIZATION, authorization);
            parts
                .headers
                .insert(USER_AGENT, HeaderValue::from_static(transport::USER_AGENT));
            let request = Request::from_parts(parts, Full::new(body));
            let answer = connection.send(request, until).await?;
            last_status.set(answer.status);
            Ok(super::response::response(answer))
        })
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use serde_json::{Value, json};

    use super::*;
    use crate::kubernetes::error::{KubernetesError, refused_verb};

    fn refusal(code: u16, details: Value) -> KubernetesError {
        let status: Status =
            serde_json::from_value(json!({"code": code, "details": details})).expect("a Status");
        KubernetesError::from_status(&status)
    }

    #[test]
    fn refusals_are_told_apart_by_code_and_field() {
        let cause = |field: &str, message: &str| json!({"causes": [{"field": field, "message": message}]});
        let cases = [
            (401, json!({}), KubernetesError::Unauthenticated),
            (
                403,
                json!({}),
                KubernetesError::Denied {
                    by: None,
                    variable: None,
                },
            ),
            (
                403,
                json!({"causes": [{"reason": "NamespaceTerminating"}]}),
                KubernetesError::Missing {
                    kind: "namespaces".to_owned(),
                },
            ),
            (
                404,
                json!({"kind": "secrets"}),
                KubernetesError::Missing {
                    kind: "secrets".to_owned(),
                },
            ),
            (404, json!({}), KubernetesError::Missing { kind: String::new() }),
            (409, json!({}), KubernetesError::Conflict),
            (
                422,
                cause("metadata.uid", "field is immutable"),
                KubernetesError::Conflict,
            ),
            (
                422,
                cause("data", "field is immutable when `immutable` is set"),
                KubernetesError::Immutable,
            ),
            (422, cause("data", "Too long"), KubernetesError::Status(422)),
            (422, json!({}), KubernetesError::Status(422)),
            (415, json!({}), KubernetesError::Status(415)),
        ];
        for (code, details, expected) in cases {
            assert_eq!(refusal(code, details.clone()), expected, "{code} {details}");
        }
    }

    #[test]
    fn rbac_is_told_from_other_denials_by_its_words() {
        let said = r#"secrets "x" is forbidden: User "u" cannot get resource "secrets" in API group "" in the namespace"#;
        let status: Status = serde_json::from_value(json!({"code": 403, "message": said})).expect("a Status");
        assert_eq!(
            KubernetesError::from_status(&status),
            KubernetesError::Forbidden { verb: Some("get") }
        );
    }

    #[test]
    fn the_verb_that_was_refused_is_read_from_the_message() {
        let said = |verb: &str| {
            format!(
                "secrets \"a\" is forbidden: User \"system:serviceaccount:n:r\" cannot {verb} resource \"secrets\" in API group \"\" in the namespace \"n\""
            )
        };
        for verb in ["get", "create", "patch"] {
            assert_eq!(refused_verb(&said(verb)), Some(verb));
        }
        for message in [
            said("list"),
            said("\u{1b}[31mget"),
            "exceeded quota: secrets".to_owned(),
        ] {
            assert_eq!(refused_verb(&message), None, "{message:?}");
        }
    }

    #[test]
    fn what_may_pass_is_tried_again_and_nothing_else() {
        let again = |status: u16| StatusCode::from_u16(status).is_ok_and(can_be_tried_again);
        for status in [429, 500, 502, 503, 504] {
            assert!(again(status), "{status}");
        }
        for status in [200, 301, 400, 401, 403, 404, 409, 422, 501] {
            assert!(!again(status), "{status}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_retried_once_and_longer_after_a_failure() {
        let connection = ApiConnection::new(
            transport::roots::Registries::public()
                .client()
                .expect("public roots"),
            Authority::from_static("127.0.0.1:1"),
        );
        let begun = Instant::now();
        let until = begun + Duration::from_secs(60);
        let retries = async |is_first| connection.should_retry_refusal(is_first, until).await;
        assert!(retries(true).await, "the first time");
        assert_eq!(begun.elapsed(), REFUSAL_PAUSE);
        assert!(!retries(false).await, "the second time");
        connection
            .state()
            .record_failure(LastFailure::Status(StatusCode::SERVICE_UNAVAILABLE));
        assert!(retries(false).await, "soon after a failure");
        tokio::time::advance(REFUSAL_RETRY_WINDOW).await;
        assert!(!retries(false).await, "later");
        let until = Instant::now() + REFUSAL_PAUSE / 2;
        assert!(
            !connection.should_retry_refusal(true, until).await,
            "when there is no time for it"
        );
    }
}
