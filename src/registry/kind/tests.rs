//! Whole conversations with scripted registries: what their answers mean together.

use std::sync::{Arc, Mutex};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use secrecy::SecretString;
use tokio::time::{Duration, Instant};
use tower::service_fn;

use super::*;
use crate::{
    image::RegistryHost,
    registry::Registries,
    transport::{Answer, Https},
};

const HOST: &str = "registry.test:5000";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// One request as the registry sees it.
#[derive(Clone, Debug)]
struct Seen {
    method: Method,
    /// Host, path and query.
    target: String,
    /// The user name and password of Basic authentication, or `Bearer TOKEN`; empty without credentials.
    credentials: String,
}

impl Seen {
    fn is(&self, part: &str) -> bool {
        self.target.contains(part)
    }
}

struct Reply(u16, Vec<(HeaderName, String)>, &'static str);

fn status(status: u16) -> Reply {
    Reply(status, Vec::new(), "")
}

fn json(body: &'static str) -> Reply {
    Reply(200, vec![(CONTENT_TYPE, "application/json".to_owned())], body)
}

fn challenge(status: u16, challenge: &str) -> Reply {
    Reply(status, vec![(WWW_AUTHENTICATE, challenge.to_owned())], "")
}

fn manifest() -> Reply {
    Reply(200, vec![(CONTENT_TYPE, MANIFEST_TYPE.to_owned())], "")
}

fn missing(code: &'static str) -> Reply {
    Reply(404, Vec::new(), code)
}

const NAME_UNKNOWN: &str = r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#;

/// Asks about `team+robot` with this password.
async fn ask(
    password: &str,
    images: &[&str],
    push: bool,
    registry: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> (Answers, Vec<Seen>) {
    let seen = Arc::<Mutex<Vec<Seen>>>::default();
    let (record, registry) = (Arc::clone(&seen), Arc::new(registry));
    let https = Https::from_service(service_fn(move |request: crate::transport::HttpRequest| {
        let authorization = request.headers().get(AUTHORIZATION);
        let authorization = authorization
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let basic = authorization
            .strip_prefix("Basic ")
            .and_then(|pair| STANDARD.decode(pair).ok())
            .and_then(|pair| String::from_utf8(pair).ok());
        let request = Seen {
            method: request.method().clone(),
            target: request.uri().to_string(),
            credentials: basic.unwrap_or_else(|| authorization.to_owned()),
        };
        record.lock().expect("no panic").push(request.clone());
        let Reply(status, headers, body) = registry(&request);
        let headers: HeaderMap = headers
            .into_iter()
            .map(|(name, value)| (name, HeaderValue::try_from(value).expect("a value")))
            .collect();
        let answer = Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers,
            body: if request.method == Method::HEAD { "" } else { body }.into(),
        };
        async move { Ok(answer) }
    }));
    let registries = Registries::new(https, Instant::now() + Duration::from_secs(60));
    let host = RegistryHost::parse(HOST).expect("a registry");
    let images: Vec<ImageReference> = images
        .iter()
        .map(|image| ImageReference::parse(&format!("{HOST}/{image}")).expect("an image"))
        .collect();
    let images: Vec<&ImageReference> = images.iter().collect();
    let password = SecretString::from(password);
    let ping = registries.ping(&host).await;
    let scheme = match &ping {
        Ok(Ping::Asks(scheme)) => Some(scheme.clone()),
        Ok(Ping::Anonymous { challenge, .. }) => challenge.clone(),
        Err(_) => None,
    };
    let session = Session::new(&registries, &host, scheme, ("team+robot", &password), &|_, _| {
        false
    });
    let answers = verify(session, ping, &images, push).await;
    let seen = seen.lock().expect("no panic").clone();
    (answers, seen)
}

fn failed_logins(seen: &[Seen], is_failure: impl Fn(&Seen) -> bool) -> usize {
    seen.iter()
        .filter(|seen| {
            !seen.credentials.is_empty() && !seen.credentials.starts_with("Bearer") && is_failure(seen)
        })
        .count()
}

fn is_good(seen: &Seen) -> bool {
    seen.credentials == "team+robot:good"
}

fn inconclusive(error: ProtocolError) -> RegistryVerdict {
    RegistryVerdict::Inconclusive(Inconclusive::Protocol(error))
}

fn anonymous() -> RegistryVerdict {
    RegistryVerdict::Inconclusive(Inconclusive::Anonymous)
}

/// A registry with a token service. With a scope, a wrong password gets what `wrong_with_scope` says.
fn bearer(
    seen: &Seen,
    without_scope: impl Fn(&Seen) -> Reply,
    wrong_with_scope: fn() -> Reply,
    repository: impl Fn(&Seen) -> Reply,
) -> Reply {
    if seen.is("/token") && seen.is("scope=") {
        if is_good(seen) {
            json(r#"{"token":"robot"}"#)
        } else if seen.credentials.is_empty() {
            json(r#"{"token":"anonymous"}"#)
        } else {
            wrong_with_scope()
        }
    } else if seen.is("/token") {
        without_scope(seen)
    } else if seen.is("/manifests/") || seen.is("/tags/") {
        repository(seen)
    } else {
        challenge(
            401,
            r#"Bearer realm="https://registry.test:5000/token",service="s""#,
        )
    }
}

/// 401 without a scope for a wrong password, as Harbor and docker_auth.
fn strict(seen: &Seen) -> Reply {
    if is_good(seen) {
        json(r#"{"token":"login"}"#)
    } else {
        status(401)
    }
}

fn anonymous_token() -> Reply {
    json(r#"{"token":"anonymous"}"#)
}

fn refused() -> Reply {
    status(401)
}

fn forbidden() -> Reply {
    status(403)
}

/// `public/` is for everybody, `hidden/` is a 404 for everybody but the robot, the rest is the robot's.
fn repositories(seen: &Seen) -> Reply {
    let is_robot = seen.credentials == "Bearer robot";
    if seen.is("/public/") {
        manifest()
    } else if seen.is("/missing/") {
        missing(NAME_UNKNOWN)
    } else if is_robot {
        manifest()
    } else if seen.is("/hidden/") {
        missing(NAME_UNKNOWN)
    } else {
        status(401)
    }
}

#[tokio::test(start_paused = true)]
async fn p1_a_bearer_login_is_verified_for_itself() {
    for (password, image, wrong_with_scope, expected) in [
        (
            "good",
            "public/app:1",
            anonymous_token as fn() -> Reply,
            RegistryVerdict::Pulls,
        ),
        ("good", "team/app:1", anonymous_token, RegistryVerdict::Pulls),
        ("good", "hidden/app:1", anonymous_token, RegistryVerdict::Pulls),
        (
            "good",
            "missing/app:1",
            anonymous_token,
            RegistryVerdict::RepositoryMissing,
        ),
        (
            "wrong",
            "public/app:1",
            anonymous_token,
            RegistryVerdict::Rejected,
        ),
        ("wrong", "team/app:1", anonymous_token, RegistryVerdict::Rejected),
        (
            "wrong",
            "hidden/app:1",
            anonymous_token,
            RegistryVerdict::Rejected,
        ),
        (
            "wrong",
            "missing/app:1",
            anonymous_token,
            RegistryVerdict::Rejected,
        ),
        ("wrong", "public/app:1", refused, RegistryVerdict::Rejected),
        ("wrong", "team/app:1", forbidden, RegistryVerdict::Rejected),
    ] {
        let (answers, seen) = ask(password, &[image], false, move |seen| {
            bearer(seen, strict, wrong_with_scope, repositories)
        })
        .await;
        assert_eq!(answers.images, [expected], "{password} {image}");
        assert_eq!(answers.login, None, "{password} {image}");
        let is_refused = wrong_with_scope().0 != 200;
        let failed = failed_logins(&seen, |seen| !is_good(seen) && (is_refused || !seen.is("scope=")));
        assert!(failed <= 2, "{seen:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn p1_a_login_without_images_is_asked_twice_and_no_more() {
    for (password, expected, requests) in [
        ("good", RegistryVerdict::Accepted, 2),
        ("wrong", RegistryVerdict::Rejected, 3),
    ] {
        let (answers, seen) = ask(password, &[], false, |seen| {
            bearer(seen, strict, anonymous_token, repositories)
        })
        .await;
        assert_eq!(answers.login, Some(expected));
        assert_eq!(seen.len(), requests, "{seen:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn p1_a_wrong_password_with_many_images_fails_to_log_in_twice_at_most() {
    let names: Vec<String> = (0..64).map(|number| format!("team/app-{number}:1")).collect();
    let images: Vec<&str> = names.iter().map(String::as_str).collect();
    for wrong_with_scope in [anonymous_token as fn() -> Reply, refused, forbidden] {
        let (answers, seen) = ask("wrong", &images, false, move |seen| {
            bearer(seen, strict, wrong_with_scope, repositories)
        })
        .await;
        assert_eq!(answers.images, vec![RegistryVerdict::Rejected; 64]);
        let is_refused = wrong_with_scope().0 != 200;
        let failed = failed_logins(&seen, |seen| is_refused || !seen.is("scope="));
        assert_eq!(failed, 2, "{seen:#?}");
    }
    let basic = |seen: &Seen| {
        if seen.credentials.is_empty() {
            challenge(401, "Basic realm=r")
        } else {
            status(401)
        }
    };
    let (answers, seen) = ask("wrong", &images, false, basic).await;
    assert_eq!(answers.images, vec![RegistryVerdict::Rejected; 64]);
    assert_eq!(seen.len(), 3, "{seen:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_token_service_that_refuses_every_login_is_judged_by_the_repository() {
    for (image, expected) in [
        ("team/app:1", RegistryVerdict::Pulls),
        ("hidden/app:1", RegistryVerdict::Pulls),
        // Everybody gets the same.
        ("public/app:1", RegistryVerdict::Rejected),
        ("missing/app:1", RegistryVerdict::Rejected),
    ] {
        let (answers, _) = ask("good", &[image, image], false, |seen| {
            bearer(seen, |_| status(401), refused, repositories)
        })
        .await;
        assert_eq!(answers.images, [expected.clone(), expected], "{image}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_service_that_needs_a_scope_is_judged_by_the_repository() {
    let not_answered = || inconclusive(ProtocolError::LoginNotAnswered);
    for (password, image, expected) in [
        ("good", "team/app:1", RegistryVerdict::Pulls),
        ("good", "public/app:1", not_answered()),
        ("good", "missing/app:1", RegistryVerdict::RepositoryMissing),
        ("wrong", "team/app:1", RegistryVerdict::Rejected),
    ] {
        let (answers, _) = ask(password, &[image], false, |seen| {
            bearer(seen, |_| status(400), refused, repositories)
        })
        .await;
        assert_eq!(answers.images, [expected], "{password} {image}");
    }
    let (answers, _) = ask("good", &[], false, |seen| {
        bearer(seen, |_| status(400), refused, repositories)
    })
    .await;
    assert_eq!(answers.login, Some(not_answered()));
}

#[tokio::test(start_paused = true)]
async fn p2_a_server_that_is_no_registry_gets_no_credential() {
    let text = || Reply(200, vec![(CONTENT_TYPE, "text/plain".to_owned())], "ok");
    let page = || {
        Reply(
            200,
            vec![(CONTENT_TYPE, "text/html; charset=utf-8".to_owned())],
            "<html>",
        )
    };
    let health = || json(r#"{"status":"UP"}"#);
    let empty = || status(200);
    for reply in [
        text as fn() -> Reply,
        page,
        health,
        empty,
        || status(404),
        || status(403),
    ] {
        for images in [&[][..], &["team/app:1"], &["team/app:1", "team/other:1"]] {
            let (answers, seen) = ask("good", images, false, move |_| reply()).await;
            let verdicts: Vec<_> = answers.login.iter().chain(&answers.images).collect();
            assert_eq!(verdicts.len(), images.len().max(1));
            for verdict in verdicts {
                let is_protocol = matches!(verdict, RegistryVerdict::Inconclusive(Inconclusive::Protocol(_)));
                assert!(is_protocol, "{verdict:?}");
            }
            assert!(seen.iter().all(|seen| seen.credentials.is_empty()), "{seen:#?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p2_a_repository_shows_a_registry_where_v2_does_not() {
    let registry = |seen: &Seen| match seen.is("/manifests/") {
        true if is_good(seen) => manifest(),
        true => challenge(401, "Basic realm=r"),
        false if seen.credentials.is_empty() => status(404),
        false => status(200),
    };
    let (answers, _) = ask("good", &["team/app:1"], false, registry).await;
    assert_eq!(answers.images, [RegistryVerdict::Pulls]);
}

/// `/v2/` is 200 without credentials and for the right password, 401 for a wrong one. `public/` is open; with
/// `with_challenge` as zot, which sends its challenge with the 200.
fn open(seen: &Seen, with_challenge: bool) -> Reply {
    let is_wrong = !seen.credentials.is_empty() && !is_good(seen);
    if is_wrong || seen.is("/team/") && seen.credentials.is_empty() {
        return challenge(401, "Basic realm=\"zot\"");
    }
    let headers = || {
        vec![(
            HeaderName::from_static("docker-distribution-api-version"),
            "registry/2.0".to_owned(),
        )]
    };
    match (seen.is("/manifests/"), with_challenge) {
        (true, _) => manifest(),
        (false, true) => Reply(
            200,
            [headers(), vec![(WWW_AUTHENTICATE, "basic realm=zot".to_owned())]].concat(),
            "",
        ),
        (false, false) => Reply(200, headers(), "{}"),
    }
}

#[tokio::test(start_paused = true)]
async fn p8_a_registry_that_lets_everybody_in_is_asked_with_the_credential() {
    for with_challenge in [true, false] {
        for (password, images, login, expected) in [
            ("good", &[][..], Some(anonymous()), vec![]),
            ("wrong", &[], Some(RegistryVerdict::Rejected), vec![]),
            ("good", &["public/app:1"], None, vec![anonymous()]),
            ("wrong", &["public/app:1"], None, vec![RegistryVerdict::Rejected]),
            ("good", &["team/app:1"], None, vec![RegistryVerdict::Pulls]),
            ("wrong", &["team/app:1"], None, vec![RegistryVerdict::Rejected]),
            (
                "good",
                &["public/app:1", "team/app:1"],
                None,
                vec![RegistryVerdict::Pulls; 2],
            ),
            (
                "wrong",
                &["public/app:1", "team/app:1"],
                None,
                vec![RegistryVerdict::Rejected; 2],
            ),
        ] {
            let (answers, seen) = ask(password, images, false, move |seen| open(seen, with_challenge)).await;
            assert_eq!(
                (answers.login, answers.images),
                (login, expected),
                "{password} {images:?}"
            );
            let failed = failed_logins(&seen, |seen| !is_good(seen));
            assert!(failed <= 2, "{seen:#?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p8_a_refusal_with_a_bearer_challenge_is_answered() {
    for (password, expected) in [("good", anonymous()), ("wrong", RegistryVerdict::Rejected)] {
        let registry = |seen: &Seen| {
            if seen.is("/token") {
                strict(seen)
            } else if seen.is("/manifests/") {
                manifest()
            } else if seen.credentials.is_empty() {
                json("{}")
            } else {
                challenge(401, r#"Bearer realm="https://registry.test:5000/token""#)
            }
        };
        let (answers, _) = ask(password, &["public/app:1"], false, registry).await;
        assert_eq!(answers.images, [expected], "{password}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_open_registry_lacks_shows_nothing_about_the_credential() {
    let registry = |seen: &Seen| {
        if seen.is("/manifests/") {
            missing(NAME_UNKNOWN)
        } else {
            json("{}")
        }
    };
    let (answers, _) = ask("good", &["team/app:1"], false, registry).await;
    assert_eq!(answers.images, [RegistryVerdict::RepositoryMissing]);
    assert_eq!(answers.login, Some(anonymous()));
}

#[tokio::test(start_paused = true)]
async fn a_basic_login_is_refused_by_400_401_and_403() {
    for refusal in [400, 401, 403] {
        let registry = move |seen: &Seen| match (seen.credentials.is_empty(), seen.is("/manifests/")) {
            (true, _) => challenge(401, "Basic realm=r"),
            (false, true) => manifest(),
            (false, false) if is_good(seen) => json("{}"),
            (false, false) => status(refusal),
        };
        for (password, expected) in [
            ("good", RegistryVerdict::Pulls),
            ("wrong", RegistryVerdict::Rejected),
        ] {
            let (answers, seen) = ask(password, &["public/app:1"], false, registry).await;
            assert_eq!(seen.len(), 3, "{seen:#?}");
            assert_eq!(answers.images, [expected], "{refusal}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn get_decides_where_head_gives_neither_manifest_nor_401() {
    for head in [405, 403, 404, 400, 200] {
        let registry = move |seen: &Seen| match (&seen.method, seen.is("/manifests/")) {
            (_, false) if seen.credentials.is_empty() => challenge(401, "Basic realm=r"),
            (&Method::HEAD, true) => status(head),
            (_, true) => manifest(),
            (_, false) => json("{}"),
        };
        let (answers, _) = ask("good", &["team/app:1"], false, registry).await;
        assert_eq!(answers.images, [RegistryVerdict::Pulls], "{head}");
    }
}

#[tokio::test(start_paused = true)]
async fn push_is_asked_only_after_the_image_was_found() {
    for (upload, expected) in [
        (202, RegistryVerdict::Pulls),
        (401, RegistryVerdict::PushForbidden),
        (403, RegistryVerdict::PushForbidden),
        (405, RegistryVerdict::PushForbidden),
        (404, RegistryVerdict::RepositoryMissing),
        (400, inconclusive(ProtocolError::Status(StatusCode::BAD_REQUEST))),
    ] {
        let registry = move |seen: &Seen| {
            if seen.method == Method::POST {
                Reply(
                    upload,
                    vec![(http::header::LOCATION, "/v2/team/app/blobs/uploads/1".to_owned())],
                    "",
                )
            } else {
                bearer(seen, strict, refused, repositories)
            }
        };
        let (answers, seen) = ask("good", &["team/app:1"], true, registry).await;
        assert_eq!(answers.images, [expected], "{upload}");
        let cancelled = seen.iter().any(|seen| seen.method == Method::DELETE);
        assert_eq!(cancelled, upload == 202);
        let (_, seen) = ask("good", &["missing/app:1"], true, registry).await;
        assert!(!seen.iter().any(|seen| seen.is("push")), "{seen:#?}");
    }
}
