//! What a registry's answers mean (distribution spec, Authentication and Error Codes). Nothing is sent here.

use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    AuthScheme, Inconclusive, Ping, ProtocolError, PullAnswer, UntrustedParty,
    challenge::{self, Challenge},
    kind::openshift,
};
use crate::{
    image::{ImageReference, RegistryHost},
    transport::{Answer, Failure},
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

/// The members that tell a manifest from other JSON.
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
/// The exchange failed, or what answered is no registry.
pub fn exchanged(outcome: Result<Answer, Failure>) -> Result<Answer, Inconclusive> {
    match outcome {
        Ok(answer) if is_web_page(&answer) => Err(Inconclusive::Protocol(ProtocolError::NotARegistry)),
        Ok(answer) => Ok(answer),
        Err(Failure::Untrusted) => Err(Inconclusive::Untrusted(UntrustedParty::Certificate)),
        Err(failure) => Err(Inconclusive::Protocol(ProtocolError::Failed(failure))),
    }
}

/// How the registry asks to authenticate, by its answer to `GET /v2/` without credentials.
///
/// # Errors
/// The answer doesn't tell.
pub fn ping(registry: &RegistryHost, answer: &Answer) -> Result<Ping, Inconclusive> {
    let scheme = scheme(registry, &answer.headers);
    match answer.status {
        StatusCode::OK => Ok(Ping::Anonymous {
            is_registry: scheme.is_some()
                || answer.headers.contains_key("docker-distribution-api-version")
                || is_empty_object(&answer.body),
            challenge: scheme,
        }),
        StatusCode::UNAUTHORIZED => scheme
            .map(Ping::Asks)
            .ok_or(Inconclusive::Protocol(ProtocolError::Challenge)),
        other => Err(Inconclusive::Protocol(ProtocolError::Status(other))),
    }
}

/// The scheme of the challenge in `headers`; none where it is neither Basic nor Bearer.
pub fn scheme(registry: &RegistryHost, headers: &HeaderMap) -> Option<AuthScheme> {
    Some(match challenge::read(headers)? {
        Challenge::Basic => AuthScheme::Basic,
        Challenge::Bearer { realm, .. } if openshift::is_realm(registry, &realm) => AuthScheme::OpenShift,
        Challenge::Bearer { realm, service } => AuthScheme::Bearer { realm, service },
    })
}

fn is_empty_object(body: &[u8]) -> bool {
    let mut text = body.trim_ascii().iter().copied();
    text.next() == Some(b'{') && text.next_back() == Some(b'}') && text.all(|byte| byte.is_ascii_whitespace())
}

/// A success that brings HTML is not from a registry: a proxy's or a login's page.
fn is_web_page(answer: &Answer) -> bool {
    let content_type = answer.headers.get(CONTENT_TYPE);
    answer.status == StatusCode::OK
        && content_type.is_some_and(|content_type| content_type.as_bytes().starts_with(b"text/html"))
}

/// Whether a success is a manifest: by its media type, by the digest that registries send with one, or by its body,
/// where there is one (a registry of static files sends neither).
pub fn is_manifest(answer: &Answer) -> bool {
    let media_type = answer
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase());
    media_type.is_some_and(|found| MANIFEST_TYPES.contains(&found.as_str()))
        || answer.headers.contains_key("docker-content-digest")
        || serde_json::from_slice::<Manifest<'_>>(&answer.body).is_ok_and(|manifest| {
            manifest.schema_version == 2
                && (manifest.media_type.is_some()
                    || manifest.manifests.is_some()
                    || manifest.layers.is_some())
        })
}

/// The `Authorization` that a token service's answer gives.
///
/// # Errors
/// There is no token in it that could stand in a header.
pub fn bearer(answer: &Answer) -> Result<HeaderValue, Inconclusive> {
    let nothing = Inconclusive::Protocol(ProtocolError::NoToken);
    let answer: TokenAnswer = serde_json::from_slice(&answer.body).map_err(|_| nothing.clone())?;
    let token = answer.token.or(answer.access_token).ok_or(nothing.clone())?;
    let mut header =
        HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).map_err(|_| nothing)?;
    header.set_sensitive(true);
    Ok(header)
}

/// The registry names the digest of what it would send; another than the one asked for is not the image.
pub fn same_digest(image: &ImageReference, answer: &Answer) -> PullAnswer {
    let sent = answer
        .headers
        .get("docker-content-digest")
        .and_then(|digest| digest.to_str().ok());
    match (image.digest(), sent) {
        (Some(asked), Some(sent)) if asked != sent => {
            PullAnswer::Inconclusive(Inconclusive::Protocol(ProtocolError::OtherDigest))
        }
        _ => PullAnswer::Served,
    }
}

/// The code of the first error in the body, such as `NAME_UNKNOWN`.
pub fn error_code(answer: &Answer) -> Option<String> {
    let errors: Errors = serde_json::from_slice(&answer.body).ok()?;
    errors.errors.into_iter().next().map(|error| error.code)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

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

    fn no_token() -> Inconclusive {
        Inconclusive::Protocol(ProtocolError::NoToken)
    }

    #[test]
    fn a_challenge_names_the_scheme_and_openshift_is_known_by_its_realm() {
        let registry = RegistryHost::parse("registry.test:5000").expect("a registry");
        let bearer = |realm: &str| AuthScheme::Bearer {
            realm: realm.to_owned(),
            service: None,
        };
        for (challenge, expected) in [
            ("Basic realm=\"x\"", Some(AuthScheme::Basic)),
            ("basic realm=zot", Some(AuthScheme::Basic)),
            (
                "Bearer realm=\"https://registry.test:5000/openshift/token\"",
                Some(AuthScheme::OpenShift),
            ),
            (
                "Bearer realm=\"https://other.test:5000/openshift/token\"",
                Some(bearer("https://other.test:5000/openshift/token")),
            ),
            (
                "Bearer realm=\"https://registry.test:5000/token\"",
                Some(bearer("https://registry.test:5000/token")),
            ),
            ("Negotiate", None),
        ] {
            let header = Some(("www-authenticate", challenge));
            let unsupported = Inconclusive::Protocol(ProtocolError::Challenge);
            let asked = expected.clone().map(Ping::Asks).ok_or(unsupported);
            assert_eq!(ping(&registry, &answer(401, header, "")), asked, "{challenge}");
            let anonymous = Ping::Anonymous {
                is_registry: expected.is_some(),
                challenge: expected,
            };
            assert_eq!(
                ping(&registry, &answer(200, header, "ok")),
                Ok(anonymous),
                "{challenge}"
            );
        }
        let missing = Inconclusive::Protocol(ProtocolError::Status(StatusCode::NOT_FOUND));
        assert_eq!(ping(&registry, &answer(404, None, "")), Err(missing));
    }

    #[test]
    fn p2_a_200_is_a_registrys_only_where_its_answer_shows_it() {
        let registry = RegistryHost::parse("registry.test").expect("a registry");
        let version = Some(("docker-distribution-api-version", "registry/2.0"));
        for (header, body, expected) in [
            (version, "", true),
            (None, "{}", true),
            (None, " {\n} ", true),
            (None, "", false),
            (None, "ok", false),
            (None, "[]", false),
            (None, "{", false),
            (None, "}", false),
            (None, r#"{"status":"UP"}"#, false),
            (Some(("content-type", "application/json")), "null", false),
        ] {
            let found = ping(&registry, &answer(200, header, body));
            let expected = Ping::Anonymous {
                challenge: None,
                is_registry: expected,
            };
            assert_eq!(found, Ok(expected), "{body}");
        }
    }

    #[test]
    fn p2_a_success_is_a_manifest_by_its_type_digest_or_body() {
        let content_type = |value| Some(("content-type", value));
        for (header, body, expected) in [
            (content_type("application/vnd.oci.image.index.v1+json"), "", true),
            (
                content_type("Application/vnd.docker.distribution.manifest.v2+JSON; charset=utf-8"),
                "",
                true,
            ),
            (Some(("docker-content-digest", "sha256:00")), "", true),
            (None, r#"{"schemaVersion":2,"layers":[]}"#, true),
            (
                content_type("application/json"),
                r#"{"schemaVersion":2,"mediaType":"x"}"#,
                true,
            ),
            (None, r#"{"schemaVersion":2,"manifests":[]}"#, true),
            (None, r#"{"schemaVersion":2}"#, false),
            (None, r#"{"schemaVersion":1,"layers":[]}"#, false),
            (content_type("text/plain"), "ok", false),
            (content_type("application/json"), r#"{"layers":[]}"#, false),
            (None, "", false),
        ] {
            assert_eq!(
                is_manifest(&answer(200, header, body)),
                expected,
                "{header:?} {body}"
            );
        }
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
        let another = PullAnswer::Inconclusive(Inconclusive::Protocol(ProtocolError::OtherDigest));
        for (image, answer, expected) in [
            (&by_digest, sent(&asked), PullAnswer::Served),
            (&by_digest, sent(&other), another),
            (&by_digest, answer(200, None, ""), PullAnswer::Served),
            (&image(":1"), sent(&other), PullAnswer::Served),
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
