//! Redirects, and what they carry.

use http::header::LOCATION;

use super::*;

fn to(status: u16, location: &str) -> Reply {
    Reply(status, vec![(LOCATION, location.to_owned())], "")
}

fn redirects(host: &str) -> RegistryVerdict {
    inconclusive(ProtocolError::Redirects(host.to_owned()))
}

/// A registry with Basic authentication that gives `manifest` for a manifest, and `ping` for `/v2/`.
fn basic(seen: &Seen, ping: impl FnOnce(&Seen) -> Reply, manifest: impl FnOnce(&Seen) -> Reply) -> Reply {
    if seen.is("/manifests/") {
        manifest(seen)
    } else if seen.credentials.is_empty() {
        challenge(401, "Basic realm=r")
    } else {
        ping(seen)
    }
}

fn is_elsewhere(seen: &Seen) -> bool {
    !seen.target.starts_with("https://registry.test:5000/")
}

/// No credential goes to another host, and nothing goes without https.
fn kept_its_credentials(seen: &[Seen]) {
    for seen in seen {
        assert!(seen.target.starts_with("https://"), "{seen:?}");
        assert!(!is_elsewhere(seen) || seen.credentials.is_empty(), "{seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn r4_redirects_on_the_same_host_are_followed_three_times() {
    for (status, hops, expected) in [
        (301, 1, RegistryVerdict::Pulls),
        (302, 2, RegistryVerdict::Pulls),
        (303, 3, RegistryVerdict::Pulls),
        (307, 3, RegistryVerdict::Pulls),
        (308, 1, RegistryVerdict::Pulls),
        (307, 4, inconclusive(ProtocolError::RedirectsTooOften)),
    ] {
        // Each hop makes the path longer.
        let next = move |seen: &Seen| {
            let hop = seen.target.matches("/hop").count();
            (hop < hops).then(|| to(status, &format!("{}/hop", seen.target)))
        };
        let registry = move |seen: &Seen| {
            if seen.is("/manifests/") {
                let answer = if is_good(seen) {
                    manifest()
                } else {
                    challenge(401, "Basic realm=r")
                };
                next(seen).unwrap_or(answer)
            } else {
                let answer = if is_good(seen) {
                    json("{}")
                } else {
                    challenge(401, "Basic realm=r")
                };
                next(seen).unwrap_or(answer)
            }
        };
        let (answers, seen) = ask("good", &["team/app:1"], false, registry).await;
        assert_eq!(answers.images, [expected], "{status} {hops}: {seen:#?}");
        kept_its_credentials(&seen);
    }
}

#[tokio::test(start_paused = true)]
async fn r4_a_redirected_ping_is_followed_with_either_kind() {
    let registry = |seen: &Seen| match seen.target.as_str() {
        "https://registry.test:5000/v2/" => to(308, "/registry/v2/"),
        "https://registry.test:5000/token" => to(307, "/auth/token"),
        _ if seen.is("scope=") && !seen.is("/auth/") => {
            to(301, &seen.target.replace("/token", "/auth/token"))
        }
        _ if seen.is("/auth/token") && !is_good(seen) => status(401),
        _ if seen.is("/auth/token") => json(r#"{"token":"robot"}"#),
        _ if seen.is("/manifests/") => repositories(seen),
        _ => challenge(401, r#"Bearer realm="https://registry.test:5000/token""#),
    };
    for (password, expected) in [
        ("good", RegistryVerdict::Pulls),
        ("wrong", RegistryVerdict::Rejected),
    ] {
        let (answers, seen) = ask(password, &["team/app:1"], false, registry).await;
        assert_eq!(answers.images, [expected], "{seen:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn r4_a_manifest_elsewhere_is_asked_once_without_credentials() {
    let body = r#"{"schemaVersion":2,"layers":[]}"#;
    for (name, there, expected) in [
        ("manifest", manifest as fn() -> Reply, RegistryVerdict::Pulls),
        (
            "body",
            || json(r#"{"schemaVersion":2,"layers":[]}"#),
            RegistryVerdict::Pulls,
        ),
        ("other JSON", || json("{}"), redirects("cdn.test:8443")),
        (
            "a page",
            || Reply(200, vec![(CONTENT_TYPE, "text/html".to_owned())], "<html>"),
            redirects("cdn.test:8443"),
        ),
        (
            "401",
            || challenge(401, "Basic realm=r"),
            redirects("cdn.test:8443"),
        ),
        ("403", || status(403), redirects("cdn.test:8443")),
        ("404", || missing(NAME_UNKNOWN), redirects("cdn.test:8443")),
        (
            "on",
            || to(302, "https://cdn.test:8443/again"),
            redirects("cdn.test:8443"),
        ),
        (
            "back",
            || to(302, "https://registry.test:5000/v2/"),
            redirects("cdn.test:8443"),
        ),
        ("down", || status(503), redirects("cdn.test:8443")),
    ] {
        for location in ["https://cdn.test:8443/x?signed=y", "//cdn.test:8443/x"] {
            let registry = move |seen: &Seen| {
                if is_elsewhere(seen) {
                    there()
                } else {
                    basic(seen, |_| json(body), |_| to(307, location))
                }
            };
            let (answers, seen) = ask("good", &["team/app:1"], false, registry).await;
            assert_eq!(
                answers.images,
                std::slice::from_ref(&expected),
                "{name} {seen:#?}"
            );
            kept_its_credentials(&seen);
            let gets = seen
                .iter()
                .filter(|seen| is_elsewhere(seen) && seen.method == Method::GET);
            assert!(name == "down" || gets.count() <= 1, "{seen:#?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn r4_head_elsewhere_may_be_denied_where_get_is_signed() {
    let registry = |seen: &Seen| match is_elsewhere(seen) {
        true if seen.method == Method::HEAD => status(403),
        true => manifest(),
        false => basic(
            seen,
            |_| json("{}"),
            |_| to(307, "https://bucket.test/x?signed=get"),
        ),
    };
    let (answers, seen) = ask("good", &["team/app:1"], false, registry).await;
    assert_eq!(answers.images, [RegistryVerdict::Pulls], "{seen:#?}");
    kept_its_credentials(&seen);
}

#[tokio::test(start_paused = true)]
async fn r4_a_redirect_without_https_is_not_followed() {
    for location in [
        "http://registry.test:5000/v2/team/app/manifests/1",
        "http://registry.test:5000/v2/",
    ] {
        let registry = move |seen: &Seen| basic(seen, |_| json("{}"), |_| to(301, location));
        let (answers, seen) = ask("good", &["team/app:1"], false, registry).await;
        assert_eq!(
            answers.images,
            [redirects("http://registry.test:5000")],
            "{seen:#?}"
        );
        kept_its_credentials(&seen);
        // With each kind of request.
        let registry = move |_: &Seen| to(301, location);
        let (answers, seen) = ask("good", &[], false, registry).await;
        assert_eq!(
            answers.login,
            Some(redirects("http://registry.test:5000")),
            "{seen:#?}"
        );
        kept_its_credentials(&seen);
    }
}

#[tokio::test(start_paused = true)]
async fn r4_v2_elsewhere_is_no_registry_and_gets_no_credential() {
    for there in [
        manifest as fn() -> Reply,
        || json("{}"),
        || challenge(401, "Basic realm=r"),
        || challenge(401, r#"Bearer realm="https://other.test/token""#),
        || status(404),
    ] {
        for images in [&[][..], &["team/app:1"]] {
            let registry = move |seen: &Seen| {
                if is_elsewhere(seen) {
                    there()
                } else {
                    to(301, &seen.target.replace("registry.test:5000", "other.test"))
                }
            };
            let (answers, seen) = ask("good", images, false, registry).await;
            let verdicts: Vec<_> = answers.login.iter().chain(&answers.images).collect();
            assert_eq!(verdicts, [&redirects("other.test")], "{seen:#?}");
            kept_its_credentials(&seen);
        }
    }
    // With the credential alone.
    let registry = |seen: &Seen| match is_elsewhere(seen) {
        true => json("{}"),
        false => basic(seen, |_| to(302, "https://sso.test/login"), |_| manifest()),
    };
    let (answers, seen) = ask("good", &["team/app:1"], false, registry).await;
    assert_eq!(answers.images, [redirects("sso.test")]);
    kept_its_credentials(&seen);
}

#[tokio::test(start_paused = true)]
async fn r4_a_token_service_is_not_followed_to_another_host() {
    for (location, host) in [
        ("https://other.test/token", "other.test"),
        ("https://registry.test/token", "registry.test"),
        ("http://registry.test:5000/token", "http://registry.test:5000"),
    ] {
        for images in [&[][..], &["team/app:1", "team/other:1"]] {
            let registry = move |seen: &Seen| match seen.is("/token") {
                true => to(307, location),
                false => challenge(401, r#"Bearer realm="https://registry.test:5000/token""#),
            };
            let (answers, seen) = ask("good", images, false, registry).await;
            let expected = inconclusive(ProtocolError::TokenServiceRedirects(host.to_owned()));
            for verdict in answers.login.iter().chain(&answers.images) {
                assert_eq!(*verdict, expected);
            }
            assert!(!seen.iter().any(is_elsewhere), "{seen:#?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn r4_an_upload_is_followed_to_an_upload_alone() {
    for (location, expected) in [
        ("/v2/library/team/app/blobs/uploads/", RegistryVerdict::Pulls),
        (
            "/v2/team/app/manifests/1",
            inconclusive(ProtocolError::Status(StatusCode::TEMPORARY_REDIRECT)),
        ),
        (
            "https://other.test/v2/team/app/blobs/uploads/",
            redirects("other.test"),
        ),
    ] {
        let registry = move |seen: &Seen| match seen.method {
            Method::POST if seen.is("/library/") => to(202, "/v2/team/app/blobs/uploads/1"),
            Method::POST => to(307, location),
            Method::DELETE => to(307, "/v2/team/app/manifests/1"),
            _ => basic(seen, |_| json("{}"), |_| manifest()),
        };
        let (answers, seen) = ask("good", &["team/app:1"], true, registry).await;
        assert_eq!(answers.images, [expected], "{location}");
        kept_its_credentials(&seen);
        let deleted = seen.iter().filter(|seen| seen.method == Method::DELETE);
        assert!(deleted.clone().count() <= 1, "{seen:#?}");
        assert!(
            deleted.clone().all(|seen| seen.is("/blobs/uploads/1")),
            "{seen:#?}"
        );
    }
}
