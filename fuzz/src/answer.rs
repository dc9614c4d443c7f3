//! Every answer that is read: the API server's, a registry's and a token service's.

use std::future::ready;

use ensure_pull_secret::{
    credential::{KnownSecrets, Lifetime, Token},
    dockerconfig::Document,
    image::{ImageReference, RegistryHost},
    kubernetes::{
        access_review::Reviewer,
        api::KubernetesApi,
        client::{ApiConnection, Authorization},
        error::KubernetesError,
        secret::{Applied, AppliedFields, Version},
    },
    registry::{self, Ping, kind, response},
    transport::retry::{RetryCause, is_transient},
    transport::{Answer, HttpRequest, Https},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, uri::Authority};
use hyper::body::Bytes;
use secrecy::ExposeSecret as _;
use tokio::time::Instant;
use tower::service_fn;

/// An HTTP response: the status, a header a line, an empty line, the body. Every request gets this response.
pub fn check(data: &[u8]) {
    let Some(answer) = parse(data) else { return };
    registry_answer(&answer);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(api_server(&answer));
    let outcome = Ok(answer);
    is_transient(&outcome);
    RetryCause::transient(&outcome);
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

fn registry_answer(answer: &Answer) {
    let registry = RegistryHost::parse("quay.io").expect("a registry");
    let digest = format!("sha256:{}", "0".repeat(64));
    let image = ImageReference::parse(&format!("quay.io/team/model@{digest}")).expect("an image");
    if let Ok(Ping::Asks(scheme)) = response::ping(&registry, answer) {
        let _ = response::manifest(scheme.kind(), &image, answer);
    }
    let _ = response::manifest(kind::by_name(&registry), &image, answer);
    let _ = (response::login(answer), response::upload(answer));
    response::is_final_head(answer);
    if let Ok(registry::Authorization::Header(Some(authorization))) = response::token(answer) {
        assert!(authorization.is_sensitive() && authorization.as_bytes().starts_with(b"Bearer "));
    }
}

async fn api_server(answer: &Answer) {
    // There is no time for pauses.
    let until = Instant::now();
    let (status, body) = (answer.status, answer.body.clone());
    let https = Https::from_service(service_fn(move |_: HttpRequest| {
        ready(Ok(Answer {
            status,
            headers: HeaderMap::new(),
            body: body.clone(),
        }))
    }));
    let connection = ApiConnection::from_https(https, Authority::from_static("127.0.0.1:1"));
    let token = Token::new("token".to_owned().into());
    let authorization = Authorization::bearer(token.secret()).expect("a header");
    let api = KubernetesApi::new(
        connection.clone(),
        authorization,
        token.claims(),
        ("namespace", "name"),
    );
    match api.get_secret(until).await {
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
        api.create_placeholder(until).await,
        api.apply(&version, AppliedFields::default(), until).await,
    ] {
        match written {
            Ok(Applied { version, .. }) => {
                assert!(!version.uid.is_empty() && !version.resource_version.is_empty())
            }
            Err(refusal) => is_fit_to_be_shown(refusal),
        }
    }
    let lifetime = Lifetime::parse("24h").expect("a lifetime");
    match api.request_token("account", lifetime, "uid", until).await {
        Ok(token) => assert!(!token.secret().expose_secret().is_empty()),
        Err(refusal) => is_fit_to_be_shown(refusal),
    }
    let image = ImageReference::parse("quay.io/team/model").expect("an image");
    let reviewer = Reviewer::new(&connection, &token, until).expect("a reviewer");
    reviewer.authenticates().await;
    reviewer.permits("get", &image).await;
}

fn is_fit_to_be_shown(refusal: KubernetesError) {
    if let KubernetesError::Denied { by: Some(denier), .. } = refusal {
        let shown = denier.shown(&KnownSecrets::default());
        assert!(
            !shown.contains(char::is_control) && shown.chars().count() < 100,
            "{shown:?}"
        );
    }
}
