//! Connection to the API server: the service under `kube::Client`, its retries and its clock.
//!
//! Transient failures and refusals are retried inside, until the deadline of the call (`transport/retry.rs`).
//! kube's own constructor is not used: it brings a YAML parser, exec plugins and debug variables (2 MB), and retries
//! for up to 1000 s.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU16, Ordering},
};

use http::{
    HeaderMap, HeaderValue, Request, StatusCode,
    header::{AUTHORIZATION, DATE, USER_AGENT},
    uri::{Authority, Scheme},
};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use k8s_openapi::jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use kube::client::Body;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use tower::service_fn;

use super::response::response;
use crate::transport::{
    self, Answer, Dialer, Failure, Https,
    retry::{Retry, RetryCause, is_transient},
    roots::Trust,
};

/// Longest answer, in bytes: a Secret may have 1 MiB of data, in base64; its other parts are small.
const ANSWER_LIMIT: usize = 4 << 20;

/// The connection to the API server, with the state that its calls share.
#[derive(Clone)]
pub struct ApiConnection {
    https: Https,
    authority: Authority,
    state: Arc<Mutex<ServerState>>,
}

/// State of the API server, by its answers.
#[derive(Default)]
struct ServerState {
    clock_offset: Option<SignedDuration>,
    last_failure: Option<LastFailure>,
    failed_at: Option<Instant>,
    /// Requests that may have been done although the answer doesn't confirm it.
    lost_answers: u32,
}

/// Transient failure of the last attempt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LastFailure {
    /// The exchange failed below HTTP.
    #[error("{0}")]
    Exchange(Failure),
    /// A transient status.
    #[error("it answers {}", .0.as_u16())]
    Status(StatusCode),
}

/// The status of the last answer to one client's calls, and whether the answer to an attempt before it was lost.
#[derive(Clone, Default)]
pub struct LastStatus(Arc<AtomicU16>, Arc<AtomicBool>);

impl LastStatus {
    /// Whether the call created an object: 201, where a patch of an existing one is answered with 200; or 200 after an
    /// attempt that was done and whose answer was lost.
    pub fn is_created(&self) -> bool {
        self.0.load(Ordering::Relaxed) == StatusCode::CREATED.as_u16() || self.1.load(Ordering::Relaxed)
    }
}

impl ApiConnection {
    /// The API server at `authority` (`host:port`), trusted by `trust` alone and dialled without a proxy.
    pub fn new(trust: Trust, authority: Authority) -> Self {
        Self::from_https(Https::new(trust, Dialer::direct(), ANSWER_LIMIT), authority)
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
        let shared = (self.clone(), authorization.clone(), last_status.clone());
        let service = service_fn(move |request| {
            let (connection, authorization, last_status) = shared.clone();
            async move {
                let lost = connection.lost_answers();
                let answer = connection.call(request, authorization, until).await?;
                last_status
                    .1
                    .store(connection.lost_answers() != lost, Ordering::Relaxed);
                last_status.0.store(answer.status.as_u16(), Ordering::Relaxed);
                Ok::<_, Failure>(response(answer))
            }
        });
        (kube::Client::new(service, "default"), last_status)
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
        self.state().last_failure.clone()
    }

    /// How many requests may have been done although the answer was lost.
    pub fn lost_answers(&self) -> u32 {
        self.state().lost_answers
    }

    fn state(&self) -> std::sync::MutexGuard<'_, ServerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call(
        &self,
        request: Request<Body>,
        authorization: Authorization,
        until: Instant,
    ) -> Result<Answer, Failure> {
        let (mut parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Failure::NoConnection)?;
        let mut uri = parts.uri.into_parts();
        uri.scheme = Some(Scheme::HTTPS);
        uri.authority = Some(self.authority.clone());
        parts.uri = http::Uri::from_parts(uri).map_err(|_| Failure::NotHttp)?;
        parts.headers.insert(AUTHORIZATION, authorization.0);
        let user_agent = HeaderValue::from_static(transport::USER_AGENT);
        parts.headers.insert(USER_AGENT, user_agent);
        let request = Request::from_parts(parts, Full::new(body.to_bytes()));
        self.send(request, until).await
    }

    async fn send(&self, request: Request<Full<Bytes>>, until: Instant) -> Result<Answer, Failure> {
        let mut retry = Retry::new(until);
        loop {
            let outcome = self.https.exchange(request.clone(), until).await;
            if let Ok(answer) = &outcome {
                self.record_time(&answer.headers);
            }
            if is_lost(&outcome) {
                self.state().lost_answers += 1;
            }
            let cause = if is_transient(&outcome) {
                self.state().record_failure(LastFailure::of(&outcome));
                RetryCause::transient(&outcome)
            } else if let Ok(answer) = &outcome {
                self.state().last_failure = None;
                match answer.status {
                    StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.refusal(1),
                    _ => return outcome,
                }
            } else {
                return outcome;
            };
            if !retry.again(cause).await {
                return outcome;
            }
        }
    }

    /// A refusal of the API server, which is retried `retries` times; longer soon after a failure, since an API server
    /// that starts refuses every client until it has read accounts and roles.
    pub fn refusal(&self, retries: u32) -> RetryCause {
        let failed_at = self.state().failed_at;
        RetryCause::api_refusal(retries, failed_at.map(|at| at.elapsed()))
    }

    fn record_time(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        if let Some(date) = date.and_then(|date| rfc2822::parse(date).ok()) {
            let offset = date.timestamp().duration_since(Timestamp::now());
            // `Date` has whole seconds and arrives late: less than two seconds are no difference.
            let offset = if offset.abs() < SignedDuration::from_secs(2) {
                SignedDuration::ZERO
            } else {
                offset
            };
            self.state().clock_offset = Some(offset);
        }
    }
}

/// Whether the request may have been done: a gateway answers 5xx for a server that did it, and so does a server that can't
/// read what it stored.
fn is_lost(outcome: &Result<Answer, Failure>) -> bool {
    match outcome {
        Ok(answer) => answer.status.is_server_error() && answer.status != StatusCode::NOT_IMPLEMENTED,
        Err(failure) => failure.is_after_sending(),
    }
}

impl LastFailure {
    fn of(outcome: &Result<Answer, Failure>) -> Self {
        match outcome {
            Ok(answer) => Self::Status(answer.status),
            Err(failure) => Self::Exchange(failure.clone()),
        }
    }
}

impl ServerState {
    fn record_failure(&mut self, failure: LastFailure) {
        (self.last_failure, self.failed_at) = (Some(failure), Some(Instant::now()));
    }
}

/// The header of one identity: the pod's own token, or the credential under review.
#[derive(Clone)]
pub struct Authorization(HeaderValue);

impl Authorization {
    /// The header for `token`.
    ///
    /// # Errors
    /// The token has characters that a header can't contain.
    pub fn bearer(token: &SecretString) -> Result<Self, http::header::InvalidHeaderValue> {
        transport::authorization("Bearer", token.expose_secret()).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use std::{future::ready, time::Duration};

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
    fn errors_are_classified_by_code_and_field() {
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
                KubernetesError::NamespaceTerminating,
            ),
            (
                404,
                json!({"kind": "secrets"}),
                KubernetesError::Missing {
                    kind: "secrets".to_owned(),
                },
            ),
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
            (429, json!({}), KubernetesError::Status(429)),
        ];
        for (code, details, expected) in cases {
            assert_eq!(refusal(code, details.clone()), expected, "{code} {details}");
        }
        for (code, details) in [
            (404, json!({})),
            (422, cause("data", "Too long")),
            (422, json!({})),
            (415, json!({})),
        ] {
            let found = refusal(code, details.clone());
            assert!(matches!(found, KubernetesError::Rejected(_)), "{code} {details}");
        }
    }

    #[test]
    fn rbac_denial_is_known_by_its_message() {
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

    /// Status of the answer to a request, retries included.
    async fn send(connection: &ApiConnection) -> u16 {
        let request = Request::get("https://api.test/").body(Full::default());
        let until = Instant::now() + Duration::from_secs(60);
        let answer = connection.send(request.expect("a request"), until).await;
        answer.expect("an answer").status.as_u16()
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_retried_once_and_longer_after_a_failure() {
        for (statuses, expected) in [
            (&[401, 200][..], 200),
            (&[401, 401, 200], 401),
            (&[403, 403, 200], 403),
            (&[503, 401, 403, 401, 200], 200),
        ] {
            let answers = Arc::new(Mutex::new(statuses.iter()));
            let script = Arc::clone(&answers);
            let https = Https::from_service(service_fn(move |_| {
                let status = *script.lock().expect("no panic").next().expect("one more answer");
                ready(Ok(Answer {
                    status: StatusCode::from_u16(status).expect("a status"),
                    headers: HeaderMap::new(),
                    body: Bytes::new(),
                }))
            }));
            let connection = ApiConnection::from_https(https, Authority::from_static("api.test"));
            assert_eq!(send(&connection).await, expected, "{statuses:?}");
            assert_eq!(connection.last_failure(), None, "{statuses:?}");
        }
    }
}
