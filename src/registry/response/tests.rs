//! What each answer means, as tables.

use http::{HeaderMap, HeaderName};

use super::*;
use crate::{
    registry::kind,
    transport::{CertificateFailure, ProxyCause, ProxyFailure},
};

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

fn host(text: &str) -> RegistryHost {
    RegistryHost::parse(text).expect("a registry")
}

fn image(reference: &str) -> ImageReference {
    ImageReference::parse(&format!("registry.test:5000/app{reference}")).expect("an image")
}

fn inconclusive<T>(error: ProtocolError) -> Result<T, Inconclusive> {
    Err(Inconclusive::Protocol(error))
}

fn through_a_proxy(failure: Failure) -> Failure {
    Failure::Proxy(ProxyFailure {
        proxy: "the proxy proxy.test:3128".to_owned(),
        cause: ProxyCause::Through(Box::new(failure)),
    })
}

fn unexpected<T>(status: u16) -> Result<T, Inconclusive> {
    inconclusive(ProtocolError::Status(
        StatusCode::from_u16(status).expect("a status"),
    ))
}

/// The answer to the manifest of `app:1` at a registry of this kind.
fn manifest_answer(kind: &dyn Kind, answer: &Answer) -> Result<Option<PullAnswer>, Inconclusive> {
    manifest(kind, &image(":1"), answer)
}

#[test]
fn an_exchange_that_is_not_retried_has_an_answer_or_a_reason() {
    let html = Some(("content-type", "text/html; charset=utf-8"));
    for (outcome, expected) in [
        (Ok(answer(200, None, "")), Ok(200)),
        (Ok(answer(404, html, "<html>")), Ok(404)),
        (Ok(answer(200, html, "<html>")), Ok(200)),
        (
            Err(Failure::Certificate(CertificateFailure::UnknownCa)),
            Err(Inconclusive::Untrusted(UntrustedParty::Certificate {
                host: "registry.test:5000".to_owned(),
                failure: CertificateFailure::UnknownCa,
                proxy: None,
            })),
        ),
        (
            Err(through_a_proxy(Failure::Certificate(
                CertificateFailure::UnknownCa,
            ))),
            Err(Inconclusive::Untrusted(UntrustedParty::Certificate {
                host: "registry.test:5000".to_owned(),
                failure: CertificateFailure::UnknownCa,
                proxy: Some("the proxy proxy.test:3128".to_owned()),
            })),
        ),
        (
            Err(through_a_proxy(Failure::NotTls)),
            inconclusive(ProtocolError::Failed(through_a_proxy(Failure::NotTls))),
        ),
        (
            Err(Failure::NotHttp),
            inconclusive(ProtocolError::Failed(Failure::NotHttp)),
        ),
    ] {
        let found = exchanged("https://registry.test:5000/v2/", outcome).map(|answer| answer.status.as_u16());
        assert_eq!(found, expected);
    }
}

#[test]
fn a_challenge_names_the_scheme_and_openshift_is_known_by_its_realm() {
    let registry = host("registry.test:5000");
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
        let asked = expected.clone().map(Ping::Asks);
        let asked = asked.ok_or(ProtocolError::Challenge.into());
        assert_eq!(ping(&registry, &answer(401, header, "")), asked, "{challenge}");
        let anonymous = match expected {
            Some(_) => Ok(Ping::Anonymous { challenge: expected }),
            None => inconclusive(ProtocolError::NotARegistry),
        };
        assert_eq!(
            ping(&registry, &answer(200, header, "ok")),
            anonymous,
            "{challenge}"
        );
    }
    assert_eq!(ping(&registry, &answer(404, None, "")), unexpected(404));
}

#[test]
fn p2_a_200_is_a_registrys_only_where_its_answer_shows_it() {
    let version = Some(("docker-distribution-api-version", "registry/2.0"));
    for (header, body, is_registry) in [
        (version, "", true),
        (version, "<html>", true),
        (None, "{}", true),
        (Some(("content-type", "text/html")), "<html>", false),
        (None, " {\n} ", true),
        (None, "", false),
        (None, "ok", false),
        (None, "[]", false),
        (None, "{", false),
        (None, "}", false),
        (None, r#"{"status":"UP"}"#, false),
        (Some(("content-type", "application/json")), "null", false),
    ] {
        let expected = if is_registry {
            Ok(Ping::Anonymous { challenge: None })
        } else {
            inconclusive(ProtocolError::NotARegistry)
        };
        let found = ping(&host("registry.test"), &answer(200, header, body));
        assert_eq!(found, expected, "{body}");
    }
}

#[test]
fn a_login_is_accepted_by_200_and_refused_by_400_401_and_403() {
    for (status, expected) in [
        (200, Ok(Login::Accepted)),
        (400, Ok(Login::Refused)),
        (401, Ok(Login::Refused)),
        (403, Ok(Login::Refused)),
        (302, unexpected(302)),
        (404, unexpected(404)),
    ] {
        assert_eq!(login(&answer(status, None, "")), expected, "{status}");
    }
}

#[test]
fn page_for_browsers_is_no_accepted_login_however_it_is_sent() {
    let page = inconclusive(ProtocolError::NotARegistry);
    for media_type in [
        "text/html",
        "text/html; charset=utf-8",
        "Text/HTML;charset=UTF-8",
        "TEXT/HTML",
        " text/html ",
        "text/html, text/html",
        "application/xhtml+xml",
    ] {
        let header = Some(("content-type", media_type));
        assert_eq!(login(&answer(200, header, "Log in")), page, "{media_type}");
        assert_eq!(login(&answer(200, header, "")), page, "{media_type}");
    }
    let types = [
        None,
        Some(("content-type", "text/plain")),
        Some(("content-type", "application/json")),
    ];
    for header in types {
        for body in [
            "<!DOCTYPE html>",
            "<html>",
            "\r\n <HTML lang=en>",
            "\u{feff}<?xml version='1.0'?>",
        ] {
            assert_eq!(login(&answer(200, header, body)), page, "{header:?} {body}");
        }
        for body in ["", "{}", "true", " "] {
            assert_eq!(
                login(&answer(200, header, body)),
                Ok(Login::Accepted),
                "{header:?} {body}"
            );
        }
    }
    let version = Some(("docker-distribution-api-version", "registry/2.0"));
    assert_eq!(login(&answer(200, version, "<html>")), Ok(Login::Accepted));
}

#[test]
fn realm_of_openshifts_registry_is_compared_as_a_url() {
    for (registry, realm, expected) in [
        (
            "registry.test:5000",
            "https://registry.test:5000/openshift/token",
            true,
        ),
        (
            "registry.test:5000",
            "https://Registry.TEST:5000/openshift/token",
            true,
        ),
        (
            "Registry.test:5000",
            "https://registry.test:5000/openshift/token",
            true,
        ),
        (
            "registry.test:5000",
            "HTTPS://registry.test:5000/openshift/token",
            true,
        ),
        (
            "registry.test:5000",
            "https://registry.test:5000/openshift/token?account=a",
            true,
        ),
        ("registry.test", "https://registry.test/openshift/token", true),
        ("registry.test", "https://registry.test:443/openshift/token", true),
        ("registry.test:443", "https://registry.test/openshift/token", true),
        ("[::1]:5000", "https://[::1]:5000/openshift/token", true),
        (
            "registry.test:5000",
            "https://registry.test/openshift/token",
            false,
        ),
        (
            "registry.test",
            "https://registry.test:5000/openshift/token",
            false,
        ),
        (
            "registry.test:5000",
            "http://registry.test:5000/openshift/token",
            false,
        ),
        (
            "registry.test:5000",
            "https://registry.test:5000/OpenShift/token",
            false,
        ),
        (
            "registry.test:5000",
            "https://registry.test:5000/openshift/token/",
            false,
        ),
        (
            "registry.test:5000",
            "https://registry.test:5000/openshift/token/x",
            false,
        ),
        (
            "registry.test:5000",
            "https://registry.test:5000@other.test/openshift/token",
            false,
        ),
        ("registry.test:5000", "/openshift/token", false),
    ] {
        assert_eq!(
            kind::openshift::is_realm(&host(registry), realm),
            expected,
            "{registry} {realm}"
        );
    }
}

#[test]
fn a_token_service_sends_a_token_under_either_name() {
    for (body, expected) in [
        (r#"{"token":"t"}"#, Some("Bearer t")),
        (r#"{"access_token":"t"}"#, Some("Bearer t")),
        (r#"{"token":"t","access_token":"other"}"#, Some("Bearer t")),
        // As Go's clients read an empty one.
        (r#"{"token":"","access_token":"t"}"#, Some("Bearer t")),
        (
            r#"{"token":null,"access_token":"t","expires_in":-1}"#,
            Some("Bearer t"),
        ),
        (
            r#"{"token":"t","expires_in":"0","issued_at":5}"#,
            Some("Bearer t"),
        ),
        (r#"{"token":""}"#, None),
        (r#"{"token":"a\nb"}"#, None),
        (r#"{"token":5}"#, None),
        ("{}", None),
        ("<html>", None),
    ] {
        let found = token(&answer(200, None, body));
        let expected = expected.map(|header| {
            let mut header = HeaderValue::from_static(header);
            header.set_sensitive(true);
            Authorization::Header(Some(header))
        });
        if let Ok(Authorization::Header(Some(header))) = &found {
            assert!(header.is_sensitive(), "{body}");
        }
        assert_eq!(found, expected.ok_or(ProtocolError::NoToken.into()), "{body}");
    }
}

#[test]
fn r17_a_token_service_refuses_by_401_and_403() {
    for (status, of_token, of_login) in [
        (401, Ok(Authorization::Refused), Ok(Login::Refused)),
        (403, Ok(Authorization::Refused), Ok(Login::Refused)),
        (400, unexpected(400), Ok(Login::NeedsScope)),
        (404, unexpected(404), unexpected(404)),
    ] {
        let found = token(&answer(status, None, ""));
        assert_eq!(found, of_token, "{status}");
        assert_eq!(token_login(found), of_login, "{status}");
    }
    assert_eq!(token_login(Ok(Authorization::Header(None))), Ok(Login::Accepted));
}

#[test]
fn p2_a_success_is_a_manifest_by_its_type_digest_or_body() {
    let content_type = |value| Some(("content-type", value));
    for (header, body, is_manifest) in [
        (content_type("application/vnd.oci.image.index.v1+json"), "", true),
        (
            content_type("Application/vnd.docker.distribution.manifest.v2+JSON; charset=utf-8"),
            "",
            true,
        ),
        (Some(("docker-content-digest", "sha256:00")), "", true),
        (
            content_type("text/html"),
            r#"{"schemaVersion":2,"layers":[]}"#,
            true,
        ),
        (content_type("text/html"), "<html>", false),
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
        let answer = answer(200, header, body);
        let expected = if is_manifest {
            Ok(Some(PullAnswer::Served))
        } else {
            inconclusive(ProtocolError::NotAManifest)
        };
        assert_eq!(is_final_head(&answer), is_manifest, "{header:?} {body}");
        let found = manifest_answer(kind::by_name(&host("registry.test")), &answer);
        assert_eq!(found, expected, "{header:?} {body}");
    }
}

#[test]
fn only_a_manifest_and_401_are_final_for_head() {
    for (status, expected) in [(401, true), (200, false), (403, false), (404, false)] {
        assert_eq!(is_final_head(&answer(status, None, "")), expected, "{status}");
    }
}

#[test]
fn each_kind_reads_the_status_of_a_manifest_request() {
    const NAME_UNKNOWN: &str = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"x"},{"code":"DENIED"}]}"#;
    const MANIFEST_UNKNOWN: &str = r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#;
    let bearer = AuthScheme::Bearer {
        realm: String::new(),
        service: None,
    };
    let (basic, bearer) = (AuthScheme::Basic.kind(), bearer.kind());
    let openshift = AuthScheme::OpenShift.kind();
    let anonymous = kind::by_name(&host("registry.test"));
    for (status, body, kinds, expected) in [
        (
            401,
            "",
            &[basic, openshift, anonymous][..],
            Ok(Some(PullAnswer::Refused)),
        ),
        (401, "", &[bearer], Ok(Some(PullAnswer::Forbidden))),
        (
            403,
            "",
            &[basic, bearer, openshift, anonymous],
            Ok(Some(PullAnswer::Forbidden)),
        ),
        (
            404,
            NAME_UNKNOWN,
            &[basic, bearer, openshift, anonymous],
            Ok(Some(PullAnswer::RepositoryMissing)),
        ),
        (
            404,
            MANIFEST_UNKNOWN,
            &[openshift],
            Ok(Some(PullAnswer::TagMissing)),
        ),
        (404, MANIFEST_UNKNOWN, &[basic, bearer, anonymous], Ok(None)),
        (404, r#"{"errors":[]}"#, &[basic, openshift], Ok(None)),
        (404, "", &[basic, openshift], Ok(None)),
        (400, "", &[basic, bearer, openshift], unexpected(400)),
    ] {
        for kind in kinds {
            let found = manifest_answer(*kind, &answer(status, None, body));
            assert_eq!(found, expected, "{status} {body}");
        }
    }
}

#[test]
fn r12_only_openshifts_400_without_a_body_is_an_outage() {
    let openshift = AuthScheme::OpenShift.kind();
    let get = http::Method::GET;
    assert!(openshift.is_outage(&get, &answer(400, None, "")));
    assert!(!openshift.is_outage(&get, &answer(400, None, "{}")));
    assert!(!openshift.is_outage(&get, &answer(401, None, "")));
    assert!(!openshift.is_outage(&http::Method::HEAD, &answer(400, None, "")));
    assert!(!AuthScheme::Basic.kind().is_outage(&get, &answer(400, None, "")));
}

#[test]
fn another_digest_than_the_one_asked_for_is_another_image() {
    let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
    let by_digest = image(&format!("@{}", digest("a")));
    let manifest_type = Some(("content-type", "application/vnd.oci.image.index.v1+json"));
    let sent = |digit: &str| answer(200, Some(("docker-content-digest", &digest(digit))), "");
    for (image, answer, expected) in [
        (&by_digest, sent("a"), Ok(Some(PullAnswer::Served))),
        (&by_digest, sent("b"), inconclusive(ProtocolError::OtherDigest)),
        (
            &by_digest,
            answer(200, manifest_type, ""),
            Ok(Some(PullAnswer::Served)),
        ),
        (&image(":1"), sent("b"), Ok(Some(PullAnswer::Served))),
    ] {
        assert_eq!(manifest(AuthScheme::Basic.kind(), image, &answer), expected);
    }
}

#[test]
fn a_repository_without_a_list_of_tags_is_missing() {
    let unreachable = Inconclusive::Unreachable(ProtocolError::Failed(Failure::TimedOut));
    for (found, expected) in [
        (Ok(answer(404, None, "")), Ok(PullAnswer::RepositoryMissing)),
        (Ok(answer(200, None, "{}")), Ok(PullAnswer::TagMissing)),
        (Ok(answer(401, None, "")), Ok(PullAnswer::TagMissing)),
        (
            inconclusive(ProtocolError::Failed(Failure::TooLong)),
            Ok(PullAnswer::TagMissing),
        ),
        (Err(unreachable.clone()), Err(unreachable)),
    ] {
        assert_eq!(tags(found), expected);
    }
}

#[test]
fn an_upload_that_is_begun_shows_that_the_credential_may_push() {
    for (status, expected) in [
        (202, Ok(RegistryVerdict::Pulls)),
        (401, Ok(RegistryVerdict::PushForbidden)),
        (403, Ok(RegistryVerdict::PushForbidden)),
        (405, Ok(RegistryVerdict::PushForbidden)),
        (404, Ok(RegistryVerdict::RepositoryMissing)),
        (200, unexpected(200)),
    ] {
        assert_eq!(upload(&answer(status, None, "")), expected, "{status}");
    }
}
