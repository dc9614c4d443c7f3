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

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName};

    use super::*;

    fn answer(status: u16, header: Option<(&'static str, &str)>, body: &str) -> Answer {
        let headers = header.map(|(name, value)| {
            let value = HeaderValue::from_str(value).expect("a value");
            (HeaderName::from_static(name), value)
        });
        Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::from_iter(headers),
            body: body.to_owned().into(),
        }
    }

    fn no_token() -> Silence {
        Silence::Protocol(Obstacle::NoToken)
    }

    #[test]
    fn a_registry_asks_by_its_challenge_and_openshifts_by_a_realm_of_its_own() {
        let registry = RegistryHost::parse("registry.test:5000").expect("a registry");
        let bearer = |realm: &str| Asks::Bearer {
            realm: realm.to_owned(),
            service: None,
        };
        for (challenge, expected) in [
            ("Basic realm=\"x\"", Ok(Asks::Basic)),
            (
                "Bearer realm=\"https://registry.test:5000/openshift/token\"",
                Ok(Asks::OpenShift),
            ),
            (
                "Bearer realm=\"https://other.test:5000/openshift/token\"",
                Ok(bearer("https://other.test:5000/openshift/token")),
            ),
            (
                "Bearer realm=\"https://registry.test:5000/token\"",
                Ok(bearer("https://registry.test:5000/token")),
            ),
            ("Negotiate", Err(Silence::Protocol(Obstacle::Challenge))),
        ] {
            let answer = answer(401, Some(("www-authenticate", challenge)), "");
            assert_eq!(asks(&registry, &answer), expected, "{challenge}");
        }
        assert_eq!(asks(&registry, &answer(200, None, "")), Ok(Asks::Nobody));
        let missing = Silence::Protocol(Obstacle::Status(StatusCode::NOT_FOUND));
        assert_eq!(asks(&registry, &answer(404, None, "")), Err(missing));
    }

    #[test]
    fn a_token_service_sends_a_token_under_either_name() {
        for (body, expected) in [
            (r#"{"token":"t"}"#, Ok("Bearer t")),
            (r#"{"access_token":"t"}"#, Ok("Bearer t")),
            (r#"{"token":"t","access_token":"other"}"#, Ok("Bearer t")),
            (r#"{"token":"a\nb"}"#, Err(no_token())),
            (r#"{"token":5}"#, Err(no_token())),
            ("{}", Err(no_token())),
            ("<html>", Err(no_token())),
        ] {
            let header = bearer(&answer(200, None, body));
            let sensitive = header.as_ref().is_ok_and(HeaderValue::is_sensitive);
            assert_eq!(sensitive, expected.is_ok(), "{body}");
            let shown = header.map(|header| header.to_str().unwrap_or_default().to_owned());
            assert_eq!(shown.as_deref(), expected.as_ref().copied(), "{body}");
        }
    }

    #[test]
    fn another_digest_than_the_one_asked_for_is_another_image() {
        let (asked, other) = ("a".repeat(64), "b".repeat(64));
        let of = |digits: &str| format!("sha256:{digits}");
        let image = |reference: &str| {
            ImageReference::parse(&format!("registry.test:5000/app{reference}")).expect("an image")
        };
        let by_digest = image(&format!("@{}", of(&asked)));
        let sent = |digits: &str| answer(200, Some(("docker-content-digest", &of(digits))), "");
        let another = Said::Nothing(Silence::Protocol(Obstacle::OtherDigest));
        for (image, answer, expected) in [
            (&by_digest, sent(&asked), Said::Yes),
            (&by_digest, sent(&other), another),
            (&by_digest, answer(200, None, ""), Said::Yes),
            (&image(":1"), sent(&other), Said::Yes),
        ] {
            assert_eq!(same_digest(image, &answer), expected);
        }
    }

    #[test]
    fn the_first_error_is_the_one_that_counts() {
        for (body, code) in [
            (
                r#"{"errors":[{"code":"NAME_UNKNOWN","message":"x"},{"code":"DENIED"}]}"#,
                Some("NAME_UNKNOWN"),
            ),
            (r#"{"errors":[]}"#, None),
            ("", None),
        ] {
            assert_eq!(error_code(&answer(404, None, body)).as_deref(), code, "{body}");
        }
    }
}
