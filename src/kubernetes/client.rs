//! The API server: the service under `kube::Client`, its clock, and what its refusals mean.
//!
//! Retried inside, until the share of the deadline that is set: 429 and 5xx, broken connections, no answer in time. A
//! refusal is heard twice before it counts.
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

/// For how long after trouble a refusal is asked about again and again: what failed then may be starting now. It takes a
/// second on an idle machine until an API server that answers knows whom to let in.
const SETTLING: Duration = Duration::from_secs(10);

/// The API server, and what was learned of it during the run.
#[derive(Clone)]
pub struct ApiServer {
    https: Https,
    authority: Authority,
    learned: Arc<Mutex<Learned>>,
}

struct Learned {
    until: Instant,
    ahead: Option<SignedDuration>,
    trouble: Option<Trouble>,
    last_trouble: Option<Instant>,
    status: Option<StatusCode>,
}

/// What made the last try fail that was, or will be, tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It failed below HTTP.
    Failed(Failure),
    /// It answered that it can't, now.
    Answered(StatusCode),
}

impl ApiServer {
    /// The API server at `authority` (`host:port`), trusted by `tls` alone and dialled without a proxy.
    pub fn new(tls: rustls::ClientConfig, authority: Authority, until: Instant) -> Self {
        Self {
            https: Https::new(tls, Dialer::direct(), ANSWER_LIMIT),
            authority,
            learned: Arc::new(Mutex::new(Learned {
                until,
                ahead: None,
                trouble: None,
                last_trouble: None,
                status: None,
            })),
        }
    }

    /// A client that calls with `token`: the pod's own, or the credential under test for its review.
    ///
    /// # Errors
    /// Where the token can't stand in a header.
    pub fn client(&self, token: &SecretString) -> Result<kube::Client, http::header::InvalidHeaderValue> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))?;
        authorization.set_sensitive(true);
        Ok(kube::Client::new(
            Caller {
                server: self.clone(),
                authorization,
            },
            "default",
        ))
    }

    /// Sets when the calls made from now on end, retries included.
    pub fn set_until(&self, until: Instant) {
        self.learned().until = until;
    }

    /// When the calls made now end.
    pub fn until(&self) -> Instant {
        self.learned().until
    }

    /// The API server's time, by the `Date` of its last answer; this machine's, before the first one.
    pub fn now(&self) -> Timestamp {
        let ahead = self.learned().ahead.unwrap_or_default();
        Timestamp::now()
            .checked_add(ahead)
            .unwrap_or_else(|_| Timestamp::now())
    }

    /// How far the API server's clock is ahead of this machine's, to a second; none before the first answer.
    pub fn clock_ahead(&self) -> Option<SignedDuration> {
        self.learned().ahead
    }

    /// What made the last retried try fail; none where the last call went through.
    pub fn trouble(&self) -> Option<Trouble> {
        self.learned().trouble
    }

    /// Whether the last call made an object: 201, where a patch of an existing one gets 200.
    pub fn created(&self) -> bool {
        self.learned().status == Some(StatusCode::CREATED)
    }

    fn learned(&self) -> std::sync::MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Result<transport::Answer, Failure> {
        let mut backoff = Backoff::new();
        let mut is_first = true;
        loop {
            let until = self.until();
            let outcome = self.https.exchange(request.clone(), until).await;
            let (trouble, retry_after) = match &outcome {
                Ok(answer) => {
                    self.learn_time(&answer.headers);
                    if !can_be_tried_again(answer.status) {
                        self.learned().answered(answer.status);
                        if is_refusal(answer.status) && self.doubts_refusal(mem::take(&mut is_first)).await {
                            continue;
                        }
                        return outcome;
                    }
                    (Trouble::Answered(answer.status), retry_after(&answer.headers))
                }
                Err(failure) if failure.is_transient() => (Trouble::Failed(*failure), None),
                Err(_) => return outcome,
            };
            self.learned().had(trouble);
            if !backoff.wait(retry_after, until).await {
                return outcome;
            }
        }
    }

    /// Waits, and says whether a refusal is to be asked about again then: the first one of its question, or one that
    /// follows trouble. What failed a moment ago may be an API server that starts: it answers before it has read accounts
    /// and roles, and refuses everybody until then.
    pub async fn doubts_refusal(&self, is_first: bool) -> bool {
        let last_trouble = self.learned().last_trouble;
        let is_settling = last_trouble.is_some_and(|last| last.elapsed() < SETTLING);
        (is_first || is_settling) && Backoff::new().wait(Some(REFUSAL_PAUSE), self.until()).await
    }

    fn learn_time(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        if let Some(date) = date.and_then(|date| rfc2822::parse(date).ok()) {
            let ahead = date.timestamp().duration_since(Timestamp::now());
            // `Date` has whole seconds and took its way: less than two seconds are no difference.
            let ahead = if ahead.abs() < SignedDuration::from_secs(2) {
                SignedDuration::ZERO
            } else {
                ahead
            };
            self.learned().ahead = Some(ahead);
        }
    }
}

impl Learned {
    fn had(&mut self, trouble: Trouble) {
        (self.trouble, self.last_trouble) = (Some(trouble), Some(Instant::now()));
    }

    fn answered(&mut self, status: StatusCode) {
        (self.trouble, self.status) = (None, Some(status));
    }
}

fn is_refusal(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

/// The tower service under a `kube::Client`: one identity's calls.
#[derive(Clone)]
struct Caller {
    server: ApiServer,
    authorization: HeaderValue,
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
            server,
            authorization,
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
            uri.authority = Some(server.authority.clone());
            parts.uri = http::Uri::from_parts(uri).map_err(|_| Failure::NotHttp)?;
            parts.headers.insert(AUTHORIZATION, authorization);
            parts
                .headers
                .insert(USER_AGENT, HeaderValue::from_static(transport::USER_AGENT));
            let answer = server.answer(Request::from_parts(parts, Full::new(body))).await?;
            Ok(super::response::response(answer))
        })
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use serde_json::{Value, json};

    use super::*;
    use crate::kubernetes::error::{Refusal, refused_verb};

    fn refusal(code: u16, details: Value) -> Refusal {
        let status: Status =
            serde_json::from_value(json!({"code": code, "details": details})).expect("a Status");
        Refusal::from_status(&status)
    }

    #[test]
    fn refusals_are_told_apart_by_code_and_field() {
        let cause = |field: &str, message: &str| json!({"causes": [{"field": field, "message": message}]});
        let cases = [
            (401, json!({}), Refusal::Unauthenticated),
            (
                403,
                json!({}),
                Refusal::Denied {
                    by: None,
                    variable: None,
                },
            ),
            (
                403,
                json!({"causes": [{"reason": "NamespaceTerminating"}]}),
                Refusal::Missing {
                    kind: "namespaces".to_owned(),
                },
            ),
            (
                404,
                json!({"kind": "secrets"}),
                Refusal::Missing {
                    kind: "secrets".to_owned(),
                },
            ),
            (404, json!({}), Refusal::Missing { kind: String::new() }),
            (409, json!({}), Refusal::Conflict),
            (
                422,
                cause("metadata.uid", "field is immutable"),
                Refusal::Conflict,
            ),
            (
                422,
                cause("data", "field is immutable when `immutable` is set"),
                Refusal::Immutable,
            ),
            (422, cause("data", "Too long"), Refusal::Status(422)),
            (422, json!({}), Refusal::Status(422)),
            (415, json!({}), Refusal::Status(415)),
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
            Refusal::from_status(&status),
            Refusal::Forbidden { verb: Some("get") }
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
    async fn a_refusal_counts_when_it_is_heard_again_and_there_was_no_trouble_for_a_while() {
        let server = ApiServer::new(
            transport::roots::Registries::public()
                .client()
                .expect("public roots"),
            Authority::from_static("127.0.0.1:1"),
            Instant::now() + Duration::from_secs(60),
        );
        let begun = Instant::now();
        assert!(server.doubts_refusal(true).await, "the first time");
        assert_eq!(begun.elapsed(), REFUSAL_PAUSE);
        assert!(!server.doubts_refusal(false).await, "the second time");
        server
            .learned()
            .had(Trouble::Answered(StatusCode::SERVICE_UNAVAILABLE));
        assert!(server.doubts_refusal(false).await, "soon after trouble");
        tokio::time::advance(SETTLING).await;
        assert!(!server.doubts_refusal(false).await, "later");
        server.set_until(Instant::now() + REFUSAL_PAUSE / 2);
        assert!(!server.doubts_refusal(true).await, "when there is no time for it");
    }
}
