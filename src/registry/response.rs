//! Meaning of a registry's answers (distribution spec, Authentication and Error Codes). Pure. A registry's kind adds only
//! its differences.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header::CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Authorization, Inconclusive, Login, Ping, ProtocolError, PullAnswer, RegistryVerdict, UntrustedParty,
    client::{Ask, Purpose},
    kind::{AuthScheme, Kind},
    redirect::Redirect,
};
use crate::{
    image::{ImageReference, RegistryHost},
    transport::{self, Answer, Failure},
};

/// The media types of manifests (OCI image spec, Docker image manifest V2 schema 1 and 2), lower case.
const MANIFEST_TYPES: [&str; 6] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

/// The header of every registry since the first (distribution spec, legacy Docker support).
const API_VERSION: &str = "docker-distribution-api-version";

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<SecretString>,
    access_token: Option<SecretString>,
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<ErrorCode>,
}

#[derive(Deserialize)]
struct ErrorCode {
    code: String,
}

/// Members by which a manifest differs from other JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u32,
    #[serde(borrow)]
    media_type: Option<&'a RawValue>,
    #[serde(borrow)]
    manifests: Option<&'a RawValue>,
    #[serde(borrow)]
    layers: Option<&'a RawValue>,
}

/// The answer of an exchange that is not retried.
///
/// # Errors
/// How the exchange failed.
pub fn exchanged(url: &str, outcome: Result<Answer, Failure>) -> Result<Answer, Inconclusive> {
    match outcome {
        Ok(answer) => Ok(answer),
        Err(failure) => match failure.parts() {
            (Failure::Certificate(certificate), proxy) => {
                let authority = url.split('/').nth(2).unwrap_or_default();
                Err(Inconclusive::Untrusted(UntrustedParty::Certificate {
                    host: authority.to_owned(),
                    failure: certificate.clone(),
                    proxy: proxy.map(str::to_owned),
                }))
            }
            _ => Err(ProtocolError::Failed(failure).into()),
        },
    }
}

/// The answer of another host that a redirect led to: a manifest, or one to HEAD after which GET decides.
///
/// # Errors
/// Anything else; the certificate of that host is not trusted.
pub(super) fn elsewhere(
    redirect: &Redirect,
    ask: Ask<'_>,
    outcome: Result<Answer, Failure>,
) -> Result<Answer, Inconclusive> {
    match outcome {
        Ok(answer)
            if ask.purpose == Purpose::Manifest
                && (answer.status == StatusCode::OK && is_manifest(&answer)
                    || ask.method == Method::HEAD && answer.status != StatusCode::UNAUTHORIZED) =>
        {
            Ok(answer)
        }
        Err(failure) if matches!(failure.parts().0, Failure::Certificate(_)) => {
            exchanged(&redirect.url, Err(failure))
        }
        Ok(_) | Err(_) => Err(ProtocolError::Redirects(redirect.host.clone()).into()),
    }
}

/// The answer to `GET /v2/` without credentials.
///
/// # Errors
/// Its sender isn't shown to be a registry.
pub fn ping(registry: &RegistryHost, answer: &Answer) -> Result<Ping, Inconclusive> {
    let scheme = AuthScheme::of_challenge(registry, &answer.headers);
    let is_registry =
        || scheme.is_some() || answer.headers.contains_key(API_VERSION) || is_empty_object(&answer.body);
    match answer.status {
        StatusCode::OK if is_registry() => Ok(Ping::Anonymous { challenge: scheme }),
        StatusCode::OK => Err(ProtocolError::NotARegistry.into()),
        StatusCode::UNAUTHORIZED => Ok(Ping::Asks(scheme.ok_or(ProtocolError::Challenge)?)),
        other => Err(ProtocolError::Status(other).into()),
    }
}

/// The answer to `GET /v2/` with user name and password.
///
/// # Errors
/// The status doesn't decide, or a proxy's or a login's page answers.
pub fn login(answer: &Answer) -> Result<Login, Inconclusive> {
    match answer.status {
        StatusCode::OK if is_web_page(answer) => Err(ProtocolError::NotARegistry.into()),
        StatusCode::OK => Ok(Login::Accepted),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST => Ok(Login::Refused),
        other => Err(ProtocolError::Status(other).into()),
    }
}

/// The answer of a token service.
///
/// # Errors
/// The status doesn't decide, or there is no token that can stand in a header.
pub fn token(answer: &Answer) -> Result<Authorization, Inconclusive> {
    match answer.status {
        StatusCode::OK => Ok(Authorization::Header(Some(
            bearer(answer).ok_or(ProtocolError::NoToken)?,
        ))),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(Authorization::Refused),
        other => Err(ProtocolError::Status(other).into()),
    }
}

/// The answer of a token service to a request without a scope.
///
/// # Errors
/// The answer doesn't decide.
pub fn token_login(token: Result<Authorization, Inconclusive>) -> Result<Login, Inconclusive> {
    match token {
        Ok(Authorization::Header(_)) => Ok(Login::Accepted),
        Ok(Authorization::Refused) => Ok(Login::Refused),
        Err(Inconclusive::Protocol(ProtocolError::Status(StatusCode::BAD_REQUEST))) => Ok(Login::NeedsScope),
        Err(inconclusive) => Err(inconclusive),
    }
}

/// Whether the answer to HEAD for a manifest decides; GET does otherwise.
pub fn is_final_head(answer: &Answer) -> bool {
    match answer.status {
        StatusCode::UNAUTHORIZED => true,
        StatusCode::OK => is_manifest(answer),
        _ => false,
    }
}

/// The answer to an image's manifest request; none for a 404 that fits a missing repository and a missing tag.
///
/// # Errors
/// The answer doesn't decide.
pub fn manifest(
    kind: &dyn Kind,
    image: &ImageReference,
    answer: &Answer,
) -> Result<Option<PullAnswer>, Inconclusive> {
    Ok(Some(match answer.status {
        StatusCode::OK if !is_manifest(answer) => return Err(ProtocolError::NotAManifest.into()),
        StatusCode::OK if !is_same_digest(image, answer) => return Err(ProtocolError::OtherDigest.into()),
        StatusCode::OK => PullAnswer::Served,
        StatusCode::UNAUTHORIZED => kind.manifest_refused(),
        StatusCode::FORBIDDEN => PullAnswer::Forbidden,
        StatusCode::NOT_FOUND => match error_code(answer).as_deref() {
            Some("NAME_UNKNOWN") => PullAnswer::RepositoryMissing,
            Some(code) if kind.is_missing_tag(code) => PullAnswer::TagMissing,
            _ => return Ok(None),
        },
        other => return Err(ProtocolError::Status(other).into()),
    }))
}

/// The answer to the list of a repository's tags, after a 404 for its manifest: some registries send `MANIFEST_UNKNOWN`
/// for a missing repository too, but list no tags of it.
///
/// # Errors
/// There is no answer.
pub fn tags(answer: Result<Answer, Inconclusive>) -> Result<PullAnswer, Inconclusive> {
    match answer {
        Ok(answer) if answer.status == StatusCode::NOT_FOUND => Ok(PullAnswer::RepositoryMissing),
        // A list of tags that is longer than the limit is one. Another host's says nothing.
        Ok(_)
        | Err(Inconclusive::Protocol(
            ProtocolError::Failed(Failure::TooLong) | ProtocolError::Redirects(_),
        )) => Ok(PullAnswer::TagMissing),
        Err(inconclusive) => Err(inconclusive),
    }
}

/// The answer to the start of an upload.
///
/// # Errors
/// The status doesn't decide.
pub fn upload(answer: &Answer) -> Result<RegistryVerdict, Inconclusive> {
    match answer.status {
        StatusCode::ACCEPTED => Ok(RegistryVerdict::Pulls),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED => {
            Ok(RegistryVerdict::PushForbidden)
        }
        StatusCode::NOT_FOUND => Ok(RegistryVerdict::RepositoryMissing),
        other => Err(ProtocolError::Status(other).into()),
    }
}

fn is_empty_object(body: &[u8]) -> bool {
    let mut text = body.trim_ascii().iter().copied();
    text.next() == Some(b'{') && text.next_back() == Some(b'}') && text.all(|byte| byte.is_ascii_whitespace())
}

/// A page for browsers that nothing shows to be a registry's, by its media type or its body: some servers send another
/// type, or none.
fn is_web_page(answer: &Answer) -> bool {
    let is_html = || {
        media_type(&answer.headers)
            .is_some_and(|found| matches!(found.as_str(), "text/html" | "application/xhtml+xml"))
    };
    let body = answer.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&answer.body);
    !answer.headers.contains_key(API_VERSION) && (is_html() || body.trim_ascii_start().starts_with(b"<"))
}

/// Whether a success is a manifest: by its media type, by the digest that registries send with one, or by its body,
/// where there is one (a registry of static files sends neither).
fn is_manifest(answer: &Answer) -> bool {
    are_of_manifest(&answer.headers)
        || serde_json::from_slice::<Manifest<'_>>(&answer.body).is_ok_and(|manifest| {
            manifest.schema_version == 2
                && (manifest.media_type.is_some()
                    || manifest.manifests.is_some()
                    || manifest.layers.is_some())
        })
}

/// Whether headers are a manifest's, by media type or digest.
pub(super) fn are_of_manifest(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|found| MANIFEST_TYPES.contains(&found.as_str()))
        || headers.contains_key("docker-content-digest")
}

/// The media type, lower case, without parameters.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split([';', ',']).next()?.trim().to_ascii_lowercase())
}

fn bearer(answer: &Answer) -> Option<HeaderValue> {
    let answer: TokenAnswer = serde_json::from_slice(&answer.body).ok()?;
    let mut tokens = [answer.token, answer.access_token].into_iter().flatten();
    let token = tokens.find(|token| !token.expose_secret().is_empty())?;
    transport::authorization("Bearer", token.expose_secret()).ok()
}

/// Whether the digest that the registry names is the one asked for, where both are known.
fn is_same_digest(image: &ImageReference, answer: &Answer) -> bool {
    let sent = answer.headers.get("docker-content-digest");
    let sent = sent.and_then(|digest| digest.to_str().ok());
    image
        .digest()
        .is_none_or(|asked| sent.is_none_or(|sent| asked == sent))
}

/// The code of the first error in the body, such as `NAME_UNKNOWN`.
fn error_code(answer: &Answer) -> Option<String> {
    let errors: Errors = serde_json::from_slice(&answer.body).ok()?;
    errors.errors.into_iter().next().map(|error| error.code)
}

#[cfg(test)]
mod tests;
