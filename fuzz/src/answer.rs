//! Every answer that is read: the API server's, a registry's and a token service's.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use ensure_pull_secret::{
    credential::{KnownSecrets, Lifetime},
    dockerconfig::Document,
    image::{ImageReference, RegistryHost},
    kubernetes::{
        access_review::Reviewer,
        client::ApiServer,
        error::Refusal,
        response::response,
        secret::{AppliedFields, SecretApi, Version},
        token_request::request_token,
    },
    registry::response::{bearer, error_code, is_manifest, ping, same_digest},
    transport::retry::{can_be_tried_again, retry_after},
    transport::{Answer, roots},
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, uri::Authority};
use http_body_util::Full;
use hyper::body::Bytes;
use kube::{Client, client::Body};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;
use tower::Service;

/// An answer as it is written in HTTP: the status, a header a line, an empty line, the body. The very same answer is given to
/// everything that is asked.
pub fn check(data: &[u8]) {
    let Some(answer) = parse(data) else { return };
    registry(&answer);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(api_server(&answer));
}

fn parse(data: &[u8]) -> Option<Answer> {
    let end = data.windows(2).position(|two| two == b"\n\n")?;
    let mut lines = data[..end].split(|byte| *byte == b'\n');
    let status = StatusCode::from_bytes(lines.next()?).ok()?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let at = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..at]).ok()?;
        headers.append(name, HeaderValue::from_bytes(line[at + 1..].trim_ascii()).ok()?);
    }
    Some(Answer {
        status,
        headers,
        body: Bytes::copy_from_slice(&data[end + 2..]),
    })
}

fn registry(answer: &Answer) {
    let registry = RegistryHost::parse("quay.io").expect("a registry");
    let digest = format!("sha256:{}", "0".repeat(64));
    let image = ImageReference::parse(&format!("quay.io/team/model@{digest}")).expect("an image");
    let _ = ping(&registry, answer);
    is_manifest(answer);
    same_digest(&image, answer);
    error_code(answer);
    retry_after(&answer.headers);
    can_be_tried_again(answer.status);
    if let Ok(authorization) = bearer(answer) {
        assert!(authorization.is_sensitive() && authorization.as_bytes().starts_with(b"Bearer "));
    }
}

async fn api_server(answer: &Answer) {
    let client = Client::new(
        Same {
            status: answer.status,
            body: answer.body.clone(),
        },
        "default",
    );
    let secret = SecretApi::new(client.clone(), "namespace", "name");
    match secret.get().await {
        Ok(Some(stored)) => {
            assert!(answer.status.is_success());
            assert!(!stored.version.uid.is_empty() && !stored.version.resource_version.is_empty());
            let _ = Document::parse(stored.document());
        }
        Ok(None) => assert!(!answer.status.is_success()),
        Err(refusal) => is_fit_to_be_shown(refusal),
    }
    let version = Version {
        uid: "uid".to_owned(),
        resource_version: "1".to_owned(),
    };
    for written in [
        secret.create_placeholder().await,
        secret.apply(&version, AppliedFields::default()).await,
    ] {
        match written {
            Ok(version) => assert!(!version.uid.is_empty() && !version.resource_version.is_empty()),
            Err(refusal) => is_fit_to_be_shown(refusal),
        }
    }
    let lifetime = Lifetime::parse("24h").expect("a lifetime");
    match request_token(client.clone(), "namespace", "account", lifetime, ("name", "uid")).await {
        Ok(token) => assert!(!token.secret().expose_secret().is_empty()),
        Err(refusal) => is_fit_to_be_shown(refusal),
    }
    let image = ImageReference::parse("quay.io/team/model").expect("an image");
    // There is no time for pauses.
    let api = ApiServer::new(
        roots::Registries::public().client().expect("public roots"),
        Authority::from_static("127.0.0.1:1"),
        Instant::now(),
    );
    let reviewer = Reviewer::new(api, client);
    reviewer.authenticates().await;
    reviewer.permits("get", &image).await;
}

fn is_fit_to_be_shown(refusal: Refusal) {
    if let Refusal::Denied { by: Some(denier), .. } = refusal {
        let shown = denier.shown(&KnownSecrets::default());
        assert!(
            !shown.contains(char::is_control) && shown.chars().count() < 100,
            "{shown:?}"
        );
    }
}

/// Gives the same answer to everything.
#[derive(Clone)]
struct Same {
    status: StatusCode,
    body: Bytes,
}

impl Service<Request<Body>> for Same {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(response(Answer {
            status: self.status,
            headers: HeaderMap::new(),
            body: self.body.clone(),
        })))
    }
}
