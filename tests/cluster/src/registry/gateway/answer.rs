//! The answers of OpenShift's registry that its own code gives, as they were seen; the rest is distribution's.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use super::route::Need;
use crate::listener::upstream::{Body, full};

/// Is on every answer, errors and `/openshift/token` included.
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// Challenge of a 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Challenge<'a> {
    /// No credential: go to `/openshift/token` on the host of the Host header.
    Bearer(&'a str),
    /// Rejected credential, or missing permission: the response doesn't distinguish them.
    AccessDenied,
    /// A credential that doesn't decode.
    Undecodable,
}

impl Challenge<'_> {
    fn header(self) -> String {
        match self {
            Self::Bearer(host) => format!("Bearer realm=\"https://{host}/openshift/token\""),
            Self::AccessDenied => "Basic realm=openshift,error=\"access denied\"".to_owned(),
            Self::Undecodable => "Basic realm=openshift,error=\"failed to decode credentials\"".to_owned(),
        }
    }
}

/// 401 on `/v2/...`. Its detail has the requested action on a repository, and is null elsewhere.
pub(super) fn unauthorized(challenge: Challenge<'_>, asked: Option<(&str, &[Need])>) -> Response<Body> {
    let detail = asked.map(|(name, needs)| {
        needs
            .iter()
            .map(|need| json!({"Type": "repository", "Class": "", "Name": name, "Action": need.action()}))
            .collect::<Vec<_>>()
    });
    let mut response = errors(
        StatusCode::UNAUTHORIZED,
        &json!({"code": "UNAUTHORIZED", "message": "authentication required", "detail": detail}),
    );
    if let Ok(challenge) = HeaderValue::from_str(&challenge.header()) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// 400 without body, content type or challenge: the API server gave no verdict, or the name is no image stream's.
pub(super) fn bad_request() -> Response<Body> {
    respond(StatusCode::BAD_REQUEST, None, Bytes::new())
}

/// 200 with the empty object, of `/v2/`.
pub(super) fn base() -> Response<Body> {
    respond(StatusCode::OK, Some("application/json"), "{}")
}

/// 301 from `/v2` to `/v2/`.
pub(super) fn moved_to_base() -> Response<Body> {
    let mut response = respond(StatusCode::MOVED_PERMANENTLY, None, Bytes::new());
    response
        .headers_mut()
        .insert(LOCATION, HeaderValue::from_static("/v2/"));
    response
}

/// 404 NAME_UNKNOWN without detail: the image stream of a tag is absent.
pub(super) fn name_unknown() -> Response<Body> {
    errors(
        StatusCode::NOT_FOUND,
        &json!({"code": "NAME_UNKNOWN", "message": "repository name not known to registry"}),
    )
}

/// 403 DENIED: an image is pushed to a missing stream, by an account that may not create one.
pub(super) fn denied() -> Response<Body> {
    errors(
        StatusCode::FORBIDDEN,
        &json!({"code": "DENIED", "message": "requested access to the resource is denied"}),
    )
}

/// 500 UNKNOWN: the images themselves can't be reached.
pub(super) fn unknown() -> Response<Body> {
    errors(
        StatusCode::INTERNAL_SERVER_ERROR,
        &json!({"code": "UNKNOWN", "message": "unknown error", "detail": {}}),
    )
}

/// A path that the registry doesn't have.
pub(super) fn not_found() -> Response<Body> {
    respond(
        StatusCode::NOT_FOUND,
        Some("text/plain; charset=utf-8"),
        "404 page not found\n",
    )
}

/// A method that a path doesn't have.
pub(super) fn method_not_allowed() -> Response<Body> {
    respond(StatusCode::METHOD_NOT_ALLOWED, None, Bytes::new())
}

/// 200 without a body, of `/healthz`.
pub(super) fn healthy() -> Response<Body> {
    respond(StatusCode::OK, None, Bytes::new())
}

/// 200 of `/openshift/token`.
pub(super) fn token(token: &str) -> Response<Body> {
    let body = json!({"access_token": token, "token": token});
    respond(StatusCode::OK, Some("application/json"), format!("{body}\n"))
}

/// 401 of `/openshift/token`, which has no challenge, and a body only where `details` are given.
pub(super) fn token_refused(details: Option<String>) -> Response<Body> {
    let body = details.map(|details| format!("{}\n", json!({"details": details})));
    respond(
        StatusCode::UNAUTHORIZED,
        Some("application/json"),
        body.unwrap_or_default(),
    )
}

/// An answer of distribution's, with the header that is on every one.
pub(super) fn of_distribution(mut response: Response<Body>) -> Response<Body> {
    response
        .headers_mut()
        .insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    response
}

fn errors(status: StatusCode, error: &Value) -> Response<Body> {
    let body = json!({"errors": [error]});
    respond(status, Some("application/json"), format!("{body}\n"))
}

fn respond(status: StatusCode, content_type: Option<&'static str>, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    if let Some(content_type) = content_type {
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    of_distribution(response)
}
