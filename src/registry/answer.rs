//! What a registry's answers mean (distribution spec, Authentication and Error Codes). Nothing is sent here.

use http::{HeaderValue, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{
    Asks, Obstacle, Said, Silence,
    challenge::{self, Challenge},
    url,
};
use crate::{https::Answer, image_reference::ImageReference, registry_host::RegistryHost};

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

/// What the registry asks for, by its answer to `GET /v2/` without credentials.
///
/// # Errors
/// It does not say.
pub fn asks(registry: &RegistryHost, answer: &Answer) -> Result<Asks, Silence> {
    match answer.status {
        StatusCode::OK => Ok(Asks::Nobody),
        StatusCode::UNAUTHORIZED => match challenge::read(&answer.headers) {
            None => Err(Silence::Protocol(Obstacle::Challenge)),
            Some(Challenge::Basic) => Ok(Asks::Basic),
            Some(Challenge::Bearer { realm, .. }) if realm == url(registry, "/openshift/token") => {
                Ok(Asks::OpenShift)
            }
            Some(Challenge::Bearer { realm, service }) => Ok(Asks::Bearer { realm, service }),
        },
        other => Err(Silence::Protocol(Obstacle::Status(other))),
    }
}

/// The `Authorization` that a token service's answer gives.
///
/// # Errors
/// There is no token in it that could stand in a header.
pub fn bearer(answer: &Answer) -> Result<HeaderValue, Silence> {
    let nothing = Silence::Protocol(Obstacle::NoToken);
    let answer: TokenAnswer = serde_json::from_slice(&answer.body).map_err(|_| nothing.clone())?;
    let token = answer.token.or(answer.access_token).ok_or(nothing.clone())?;
    let mut header =
        HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).map_err(|_| nothing)?;
    header.set_sensitive(true);
    Ok(header)
}

/// The registry names the digest of what it would send; another than the one asked for is not the image.
pub fn same_digest(image: &ImageReference, answer: &Answer) -> Said {
    let sent = answer
        .headers
        .get("docker-content-digest")
        .and_then(|digest| digest.to_str().ok());
    match (image.digest(), sent) {
        (Some(asked), Some(sent)) if asked != sent => Said::Nothing(Silence::Protocol(Obstacle::OtherDigest)),
        _ => Said::Yes,
    }
}

/// The code of the first error in the body, such as `NAME_UNKNOWN`.
pub fn error_code(answer: &Answer) -> Option<String> {
    let errors: Errors = serde_json::from_slice(&answer.body).ok()?;
    errors.errors.into_iter().next().map(|error| error.code)
}
