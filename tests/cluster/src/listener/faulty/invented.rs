//! Invented responses, in the form of such a server or of a proxy before it.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use serde_json::{Value, json};

use super::Side;
use super::fault::Invented;
use crate::listener::scripted::ReceivedRequest;

const PAGE: &str =
    "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to continue</body></html>";
/// The program reads at most 4 MiB of the API server's answers.
const ENDLESS: usize = 5 << 20;

/// The answer to `request`.
pub(super) fn answer(side: Side, request: &ReceivedRequest, invented: Invented) -> Response<Bytes> {
    let respond = |status: u16| match side {
        Side::ApiServer => of_api_server(request, status, &json!({})),
        Side::Registry => of_registry(request, status),
    };
    match invented {
        Invented::Status(status) => respond(status),
        Invented::RetryAfter(status, seconds) => {
            let mut response = respond(status);
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        Invented::Text(status) => text(status, "text/plain", "upstream connect error\n"),
        Invented::Bare(status) => text(status, "", ""),
        Invented::Admission => of_api_server(
            request,
            403,
            &json!({"message": "admission webhook \"gate.example.com\" denied the request: not today"}),
        ),
        Invented::NoNamespace => of_api_server(
            request,
            404,
            &json!({"message": "namespaces \"gone\" not found", "details": {"kind": "namespaces"}}),
        ),
        Invented::NoServiceAccount => of_api_server(
            request,
            404,
            &json!({"message": "serviceaccounts \"gone\" not found", "details": {"kind": "serviceaccounts"}}),
        ),
        Invented::OtherUid => unprocessable(request, "metadata.uid", "field is immutable"),
        Invented::Immutable => unprocessable(request, "data", "field is immutable when `immutable` is set"),
        Invented::NoRepository => registry_error(404, "NAME_UNKNOWN"),
        Invented::Redirect => {
            let mut response = text(307, "", "");
            let elsewhere = HeaderValue::from_static("https://127.0.0.1:1/elsewhere");
            response.headers_mut().insert(header::LOCATION, elsewhere);
            response
        }
        Invented::Html => text(200, "text/html; charset=utf-8", PAGE),
        Invented::OtherObject => other_object(side),
        Invented::Empty => text(200, "application/json", ""),
        Invented::TwoMegabytes => json_answer(200, format!("{{\"x\":\"{}\"}}", "x".repeat(2_000_000))),
        Invented::Endless => json_answer(200, format!("{{\"x\":\"{}\"}}", "x".repeat(ENDLESS))),
        // Sent in other ways; here for the sake of completeness.
        Invented::Garbage | Invented::Stale => text(200, "", ""),
    }
}

/// A Status (apimachinery `pkg/apis/meta/v1`) whose usual fields `more` replaces.
fn of_api_server(request: &ReceivedRequest, status: u16, more: &Value) -> Response<Bytes> {
    let object = Object::of(request);
    let reason = match status {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        415 => "UnsupportedMediaType",
        422 => "Invalid",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "",
    };
    let message = match status {
        401 => "Unauthorized".to_owned(),
        403 => object.forbidden(),
        404 => format!("{} \"{}\" not found", object.resource, object.name),
        409 => format!(
            "Operation cannot be fulfilled on {} \"{}\": the object has been modified; please apply your changes to the \
             latest version and try again",
            object.resource, object.name
        ),
        429 => "The server has received too many requests and has asked us to try again later".to_owned(),
        _ => "the server could not do it".to_owned(),
    };
    let mut body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": {"name": object.name, "kind": object.resource},
        "code": status,
    });
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    json_answer(status, body.to_string())
}

fn unprocessable(request: &ReceivedRequest, field: &str, message: &str) -> Response<Bytes> {
    of_api_server(
        request,
        422,
        &json!({"details": {"causes": [{"reason": "FieldValueInvalid", "field": field, "message": message}]}}),
    )
}

/// Object of a request.
struct Object {
    verb: &'static str,
    resource: String,
    name: String,
    namespace: String,
}

impl Object {
    fn of(request: &ReceivedRequest) -> Self {
        let path = request.target.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let part = |index: usize| parts.get(index).copied().unwrap_or_default().to_owned();
        let verb = match request.method {
            Method::GET => "get",
            Method::PATCH => "patch",
            _ => "create",
        };
        // /api/v1/namespaces/NAMESPACE/RESOURCE/NAME, or /apis/GROUP/VERSION/RESOURCE.
        match parts.get(2) {
            Some(&"namespaces") => Self {
                verb,
                namespace: part(3),
                resource: part(4),
                name: part(5),
            },
            _ => Self {
                verb,
                namespace: String::new(),
                resource: part(3),
                name: String::new(),
            },
        }
    }

    fn forbidden(&self) -> String {
        format!(
            "{resource} \"{name}\" is forbidden: User \"system:serviceaccount:{namespace}:somebody\" cannot {verb} resource \
             \"{resource}\" in API group \"\" in the namespace \"{namespace}\"",
            resource = self.resource,
            name = self.name,
            namespace = self.namespace,
            verb = self.verb,
        )
    }
}

/// Error of distribution, or of OpenShift's own code before it.
fn of_registry(request: &ReceivedRequest, status: u16) -> Response<Bytes> {
    let code = match status {
        401 => "UNAUTHORIZED",
        403 => "DENIED",
        404 => "MANIFEST_UNKNOWN",
        409 => "CONFLICT",
        410 => "GONE",
        415 | 422 => "MANIFEST_INVALID",
        429 => "TOOMANYREQUESTS",
        503 | 504 => "UNAVAILABLE",
        500 => "UNKNOWN",
        _ => "UNSUPPORTED",
    };
    let mut response = registry_error(status, code);
    if status == 401 && request.headers.contains_key(header::AUTHORIZATION) {
        let challenge = HeaderValue::from_static("Basic realm=openshift,error=\"access denied\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

fn registry_error(status: u16, code: &str) -> Response<Bytes> {
    let body = json!({"errors": [{"code": code, "message": "not this time"}]});
    json_answer(status, body.to_string())
}

fn other_object(side: Side) -> Response<Bytes> {
    let object = match side {
        Side::ApiServer => json!({
            "kind": "ConfigMap",
            "apiVersion": "v1",
            "metadata": {"name": "other", "namespace": "other", "uid": "0", "resourceVersion": "1"},
            "data": {"a": "b"},
        }),
        Side::Registry => json!({"kind": "Status", "status": "up"}),
    };
    json_answer(200, object.to_string())
}

fn json_answer(status: u16, body: String) -> Response<Bytes> {
    text(status, "application/json", body)
}

fn text(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    if !content_type.is_empty() {
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    response
}
