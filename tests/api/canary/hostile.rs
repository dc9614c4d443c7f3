//! A registry and an API server that know the credential and hand it back wherever they can.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::{HeaderName, Method, StatusCode, header};
use serde_json::{Value, json};
use test_cluster::{
    listener::{Action, ReceivedRequest, Reply, RequestParts},
    registry::OPENSHIFT,
};

use crate::interception::{answer, json_answer};

/// Text that a terminal, a shell or a reader of a log could be misled by; none of it may be printed.
pub const BAIT: &str = "\u{1b}[31m$(touch pwned)`pwned`\r\nSUCCESS ok (exit 0): pwned\n";

/// The gate at which a held request waits.
pub const GATE: &str = "held";

/// Secrets that the hostile servers know.
#[derive(Clone, Debug)]
pub struct Knowledge {
    /// The credential.
    pub token: String,
    /// Expiry in the API server's response (RFC 3339).
    pub expires_at: String,
}

impl Knowledge {
    /// The credential in all spellings, among what terminals and shells act on.
    pub fn poison(&self) -> String {
        let token = &self.token;
        let pair = STANDARD.encode(format!("<token>:{token}"));
        let hexadecimal: String = token.bytes().map(|byte| format!("{byte:02x}")).collect();
        let (plain, url_safe) = (STANDARD.encode(token), URL_SAFE_NO_PAD.encode(token));
        format!(
            "{BAIT}{token} {pair} {plain} {url_safe} {hexadecimal} {}",
            token.replace('.', " ")
        )
    }

    /// The credential where a host name is expected.
    fn as_host(&self) -> String {
        let tail: String = self
            .token
            .chars()
            .rev()
            .take(40)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect();
        format!("{tail}.evil.test")
    }
}

/// Behaviour of the hostile registry; each response has the credential.
#[derive(Clone, Copy, Debug)]
pub enum Registry {
    /// Serves the image.
    Serves,
    /// Allows anonymous access.
    Anonymous,
    /// Accepts the credential and responds 404 with this code.
    Lacks(&'static str),
    /// Rejects every credential.
    Refuses,
    /// Unavailable.
    Down,
    /// A web site.
    WebSite,
    /// Names a token service whose host name has the credential.
    Elsewhere,
}

impl Registry {
    /// The answer to one request.
    pub fn reply(self, request: &ReceivedRequest, knowledge: &Knowledge) -> Reply {
        let with_credential = request.headers.contains_key(header::AUTHORIZATION);
        let of_image = request.target.contains("/manifests/") || request.target.contains("/tags/");
        let reply = match self {
            Self::Down => errors(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", knowledge),
            Self::WebSite => Reply::html(StatusCode::NOT_FOUND, format!("<h1>{}</h1>", knowledge.poison())),
            Self::Anonymous => errors(StatusCode::OK, "OK", knowledge).with_header(
                HeaderName::from_static(if of_image {
                    "docker-content-digest"
                } else {
                    "docker-distribution-api-version"
                }),
                &knowledge.token,
            ),
            Self::Elsewhere => challenge(
                &format!("https://{}/{}", knowledge.as_host(), knowledge.token),
                knowledge,
            ),
            _ if !with_credential => challenge(&format!("https://{OPENSHIFT}/openshift/token"), knowledge),
            Self::Refuses => errors(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", knowledge).with_header(
                header::WWW_AUTHENTICATE,
                &format!("Basic realm=\"{}\"", knowledge.token),
            ),
            Self::Lacks(code) if of_image => errors(StatusCode::NOT_FOUND, code, knowledge),
            Self::Serves if of_image => errors(StatusCode::OK, "OK", knowledge)
                .with_header(HeaderName::from_static("docker-content-digest"), &knowledge.token),
            Self::Serves | Self::Lacks(_) => errors(StatusCode::OK, "OK", knowledge),
        };
        echo(reply, request, knowledge)
    }
}

/// The credential comes back in headers: what was sent, and what was known.
fn echo(reply: Reply, request: &ReceivedRequest, knowledge: &Knowledge) -> Reply {
    let sent = request
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|sent| sent.to_str().ok())
        .unwrap_or_default();
    reply
        .with_header(HeaderName::from_static("x-echo"), sent)
        .with_header(header::SERVER, &knowledge.token)
        .with_header(header::WARNING, &format!("299 - \"{}\"", knowledge.token))
}

fn challenge(realm: &str, knowledge: &Knowledge) -> Reply {
    let token = &knowledge.token;
    errors(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", knowledge).with_header(
        header::WWW_AUTHENTICATE,
        &format!("Bearer realm=\"{realm}\",service=\"{token}\",scope=\"{token}\",error=\"{token}\""),
    )
}

fn errors(status: StatusCode, code: &str, knowledge: &Knowledge) -> Reply {
    let poison = knowledge.poison();
    let error = json!({"code": code, "message": poison, "detail": {poison.clone(): poison}});
    Reply::json(status, json!({"errors": [error], "message": poison}).to_string())
}

/// Behaviour of the hostile API server.
#[derive(Clone, Debug)]
pub enum ApiServer {
    /// Forwards; but the requested token is the canary.
    IssuesCanary,
    /// Denies every call with this status, for an object of this kind.
    RefusesAll(StatusCode, &'static str),
    /// Denies calls with this method and this end of the path with this status, for an object of this kind.
    Refuses(Method, &'static str, StatusCode, &'static str),
    /// A web site.
    WebSite,
    /// A write is confirmed and not done.
    ForgetsWrites,
    /// Nothing is answered until the gate opens.
    Holds,
}

impl ApiServer {
    /// Action for one request.
    pub fn action(&self, request: &RequestParts, knowledge: &Knowledge) -> Action {
        match self {
            Self::RefusesAll(status, kind) => return refusal(*status, kind, knowledge),
            Self::Refuses(method, end, status, kind)
                if request.method == method && request.path.ends_with(end) =>
            {
                return refusal(*status, kind, knowledge);
            }
            Self::WebSite => {
                return answer(
                    StatusCode::OK,
                    "text/html",
                    format!("<h1>{}</h1>", knowledge.poison()),
                );
            }
            Self::ForgetsWrites if request.method == Method::PATCH => return confirmed(request, knowledge),
            Self::Holds => return Action::Hold(GATE.to_owned()),
            Self::IssuesCanary | Self::Refuses(..) | Self::ForgetsWrites => {}
        }
        if request.method == Method::POST && request.path.ends_with("/token") {
            token_response(knowledge)
        } else {
            Action::Forward
        }
    }
}

fn token_response(knowledge: &Knowledge) -> Action {
    json_answer(
        StatusCode::CREATED,
        &json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "metadata": {"name": "canary"},
            "spec": {"audiences": [knowledge.poison()], "expirationSeconds": 86400},
            "status": {"token": knowledge.token, "expirationTimestamp": knowledge.expires_at},
        }),
    )
}

fn confirmed(request: &RequestParts, knowledge: &Knowledge) -> Action {
    let sent: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    json_answer(
        StatusCode::OK,
        &json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": {
                "name": sent["metadata"]["name"], "uid": sent["metadata"]["uid"], "resourceVersion": "1",
                "annotations": {"echo": knowledge.poison()},
            },
        }),
    )
}

fn refusal(status: StatusCode, kind: &str, knowledge: &Knowledge) -> Action {
    let reason = match status {
        StatusCode::NOT_FOUND => "NotFound",
        StatusCode::FORBIDDEN => "Forbidden",
        StatusCode::UNAUTHORIZED => "Unauthorized",
        StatusCode::CONFLICT => "Conflict",
        _ => "InternalError",
    };
    let poison = knowledge.poison();
    json_answer(
        status,
        &json!({
            "apiVersion": "v1", "kind": "Status", "status": "Failure", "metadata": {},
            "message": poison, "reason": reason, "code": status.as_u16(),
            "details": {"name": poison, "kind": kind, "causes": [{"message": poison, "field": poison}]},
        }),
    )
}
