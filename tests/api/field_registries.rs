//! Scripted registries as they are met in the field: each knows the account `robot` by its stored password.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{StatusCode, header};
use serde_json::json;
use test_cluster::listener::{ReceivedRequest, Reply};

pub const NAME: &str = "registry.field.test:5000";
pub const STORED: &str = "the-stored-password";
pub const WRONG: &str = "a-wrong-password";
/// A password that logs in and may not see the image.
pub const STRANGER: &str = "a-strangers-password";
pub const NAME_UNKNOWN: &str = r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#;
pub const MANIFEST_UNKNOWN: &str = r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#;

/// Behaviour of a registry.
pub type Registry = fn(&ReceivedRequest) -> Reply;

/// Account of the credentials in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    Nobody,
    Stored,
    Stranger,
    Wrong,
}

pub fn caller(request: &ReceivedRequest) -> Caller {
    let sent = request.headers.get(header::AUTHORIZATION);
    let sent = sent.and_then(|sent| sent.to_str().ok()).unwrap_or_default();
    let basic = |password: &str| format!("Basic {}", STANDARD.encode(format!("robot:{password}")));
    match sent {
        "" | "Bearer anonymous" => Caller::Nobody,
        "Bearer stored" => Caller::Stored,
        "Bearer stranger" => Caller::Stranger,
        sent if sent == basic(STORED) => Caller::Stored,
        sent if sent == basic(STRANGER) => Caller::Stranger,
        _ => Caller::Wrong,
    }
}

pub fn is_manifest(request: &ReceivedRequest) -> bool {
    request.target.contains("/manifests/")
}

pub fn ok() -> Reply {
    Reply::json(StatusCode::OK, "{}")
}

/// The answer of a token service to a known account.
pub fn token(caller: Caller) -> Reply {
    let token = match caller {
        Caller::Nobody | Caller::Wrong => "anonymous",
        Caller::Stored => "stored",
        Caller::Stranger => "stranger",
    };
    Reply::json(StatusCode::OK, json!({"token": token}).to_string())
}

pub fn ask_for_token() -> Reply {
    Reply::challenge(&format!(
        "Bearer realm=\"https://{NAME}/token\",service=\"registry\""
    ))
}

/// As Harbor: a wrong password gets an anonymous token for a scope, and 401 without one. Every image is public.
pub fn harbor(request: &ReceivedRequest) -> Reply {
    let with_scope = request.target.contains("scope=");
    match caller(request) {
        _ if is_manifest(request) && request.headers.contains_key(header::AUTHORIZATION) => Reply::manifest(),
        Caller::Wrong if request.target.contains("/token") && !with_scope => {
            Reply::status(StatusCode::UNAUTHORIZED)
        }
        caller if request.target.contains("/token") => token(caller),
        _ => ask_for_token(),
    }
}

/// A Bearer registry that hides what a credential may not see.
pub fn hiding(request: &ReceivedRequest, code: &'static str) -> Reply {
    match caller(request) {
        Caller::Wrong => Reply::status(StatusCode::UNAUTHORIZED),
        caller if request.target.contains("/token") => token(caller),
        Caller::Stored if is_manifest(request) => Reply::manifest(),
        Caller::Nobody => ask_for_token(),
        _ => Reply::json(StatusCode::NOT_FOUND, code),
    }
}

/// The same with Basic authentication.
pub fn hiding_basic(request: &ReceivedRequest) -> Reply {
    match caller(request) {
        Caller::Nobody | Caller::Wrong => Reply::challenge("Basic realm=\"registry\""),
        Caller::Stored if is_manifest(request) => Reply::manifest(),
        Caller::Stored | Caller::Stranger if !is_manifest(request) && !request.target.contains("/tags/") => {
            ok()
        }
        _ => Reply::json(StatusCode::NOT_FOUND, NAME_UNKNOWN),
    }
}

/// Default backend of an ingress, or a health check: `ok` to every request.
pub fn health_check(_: &ReceivedRequest) -> Reply {
    match ok() {
        Reply::Respond(mut response) => {
            *response.body_mut() = "ok".into();
            response.headers_mut().remove(header::CONTENT_TYPE);
            Reply::Respond(response).with_header(header::CONTENT_TYPE, "text/plain")
        }
        other => other,
    }
}

/// Another program's JSON.
pub fn other_program(_: &ReceivedRequest) -> Reply {
    Reply::json(StatusCode::OK, r#"{"status":"UP","groups":["live"]}"#)
}

/// As zot with an anonymous policy: `/v2/` and open images are 200 for everybody but a wrong password.
pub fn zot(request: &ReceivedRequest) -> Reply {
    let version = header::HeaderName::from_static("docker-distribution-api-version");
    match caller(request) {
        Caller::Wrong => Reply::challenge("Basic realm=\"zot\""),
        Caller::Nobody if request.target.contains("/closed/") => Reply::challenge("Basic realm=\"zot\""),
        Caller::Stranger if request.target.contains("/closed/") => Reply::challenge("Basic realm=\"zot\""),
        _ if is_manifest(request) => Reply::manifest(),
        _ => Reply::status(StatusCode::OK)
            .with_header(header::CONTENT_TYPE, "application/json")
            .with_header(version, "registry/2.0")
            .with_header(header::WWW_AUTHENTICATE, "basic realm=zot"),
    }
}

/// As Nexus or Artifactory with anonymous access: the same without a challenge.
pub fn nexus(request: &ReceivedRequest) -> Reply {
    match caller(request) {
        Caller::Wrong => Reply::challenge("Basic realm=\"Sonatype\""),
        _ if is_manifest(request) => Reply::manifest(),
        _ => ok(),
    }
}

/// A registry with Basic authentication that knows one password.
pub fn basic(request: &ReceivedRequest) -> Reply {
    match caller(request) {
        Caller::Stored if is_manifest(request) => Reply::manifest(),
        Caller::Stored => ok(),
        _ => Reply::challenge("Basic realm=\"registry\""),
    }
}
