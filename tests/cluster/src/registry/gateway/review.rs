//! The API server's verdict on a token: requested with that token, each time again.

use std::time::Duration;

use anyhow::Result;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::super::ApiServer;
use crate::listener::upstream::{Upstream, full};

/// Retries of client-go for 429 or 5xx with a Retry-After (client-go `rest/request.go`, `maxRetries`).
const RETRIES: usize = 10;

/// Sends reviews to the API server.
#[derive(Debug)]
pub(super) struct Reviewer {
    api_server: Upstream,
    own_token: Option<String>,
    limit: Duration,
}

/// Why there is no verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// Anything else, with the reason in the API server's Status where it gave one.
    Unavailable(Option<String>),
}

/// Something on the API server that a token may do or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Permission<'a> {
    /// The verb.
    pub(super) verb: &'a str,
    /// Resource in group `image.openshift.io`. `imagestreams/layers` is one string, as in the real registry: the API
    /// server compares it as such, without a subresource.
    pub(super) resource: &'a str,
    /// The namespace; empty for all.
    pub(super) namespace: &'a str,
    /// The object's name; empty for all.
    pub(super) name: &'a str,
}

impl Permission<'_> {
    fn attributes(&self) -> Value {
        json!({
            "group": "image.openshift.io",
            "resource": self.resource,
            "verb": self.verb,
            "namespace": self.namespace,
            "name": self.name,
        })
    }
}

impl Reviewer {
    /// A reviewer that gives the API server this long for an answer.
    pub(super) fn new(api_server: &ApiServer, limit: Duration) -> Result<Self> {
        Ok(Self {
            // No connection is kept: an API server that was restarted must not be taken for one that is gone.
            api_server: Upstream::new(&api_server.url, Some(&api_server.ca), false)?,
            own_token: api_server.registry_token.clone(),
            limit,
        })
    }

    /// User of the token. An empty token has no user: the API server decides.
    pub(super) async fn user(&self, token: &[u8]) -> Result<String, Failure> {
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let answer = self
            .post(
                "/apis/authentication.k8s.io/v1/selfsubjectreviews",
                token,
                &review,
            )
            .await?;
        answer
            .pointer("/status/userInfo/username")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or(Failure::Unavailable(None))
    }

    /// True if the holder of the token has the permission; with an empty token, whether everybody has it. Where the
    /// API server forbids the question, the registry asks in its own name whether everybody has it, as OpenShift's
    /// does; a registry without a token of its own can't.
    pub(super) async fn allows(&self, token: &[u8], permission: Permission<'_>) -> Result<bool, Failure> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": permission.attributes()},
        });
        let own = self.post(
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            token,
            &review,
        );
        let answer = match (own.await, &self.own_token) {
            (Err(Failure::Forbidden), Some(own_token)) => {
                let review = json!({
                    "apiVersion": "authorization.k8s.io/v1",
                    "kind": "SubjectAccessReview",
                    "spec": {
                        "user": "system:anonymous",
                        "groups": ["system:unauthenticated"],
                        "resourceAttributes": permission.attributes(),
                    },
                });
                let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
                self.post(path, own_token.as_bytes(), &review).await?
            }
            (answer, _) => answer?,
        };
        answer
            .pointer("/status/allowed")
            .and_then(Value::as_bool)
            .ok_or(Failure::Unavailable(None))
    }

    async fn post(&self, path: &str, token: &[u8], body: &Value) -> Result<Value, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if !token.is_empty() {
            // A newline, carriage return or NUL can't be sent, which the real registry's client finds out here too.
            let bearer = HeaderValue::from_bytes(&[b"Bearer ", token].concat())
                .map_err(|_| Failure::Unavailable(None))?;
            headers.insert(AUTHORIZATION, bearer);
        }
        let attempts = async {
            let mut retries = 0;
            loop {
                let outcome = self.attempt(path, &headers, body).await;
                match outcome {
                    Err((_, Some(pause))) if retries < RETRIES => {
                        retries += 1;
                        tokio::time::sleep(pause).await;
                    }
                    other => return other.map_err(|(failure, _)| failure),
                }
            }
        };
        tokio::time::timeout(self.limit, attempts)
            .await
            .unwrap_or(Err(Failure::Unavailable(None)))
    }

    /// One request. If the API server requires a pause before the next, the error has its length.
    async fn attempt(
        &self,
        path: &str,
        headers: &HeaderMap,
        body: &Value,
    ) -> Result<Value, (Failure, Option<Duration>)> {
        let unavailable = || (Failure::Unavailable(None), None);
        let mut request = Request::new(full(body.to_string()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.parse().map_err(|_| unavailable())?;
        *request.headers_mut() = headers.clone();
        let response = self.api_server.send(request).await.map_err(|_| unavailable())?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|_| unavailable())?.to_bytes();
        match head.status {
            status if status.is_success() => serde_json::from_slice(&body).map_err(|_| unavailable()),
            StatusCode::UNAUTHORIZED => Err((Failure::Unauthorized, None)),
            StatusCode::FORBIDDEN => Err((Failure::Forbidden, None)),
            status => {
                let failure = Failure::Unavailable(reason(status, &body));
                let repeatable = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
                Err((failure, pause(&head.headers).filter(|_| repeatable)))
            }
        }
    }
}

fn pause(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The reason of a Status object, else the one that client-go makes up from the status code (apimachinery
/// `pkg/api/errors`, `NewGenericServerResponse`).
fn reason(status: StatusCode, body: &[u8]) -> Option<String> {
    let given = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|status| Some(status.get("reason")?.as_str()?.to_owned()));
    let made_up = match status {
        StatusCode::NOT_FOUND => "NotFound",
        StatusCode::CONFLICT => "Conflict",
        StatusCode::TOO_MANY_REQUESTS => "TooManyRequests",
        StatusCode::INTERNAL_SERVER_ERROR => "InternalError",
        StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
        StatusCode::GATEWAY_TIMEOUT => "Timeout",
        _ => return given,
    };
    given.or_else(|| Some(made_up.to_owned()))
}
