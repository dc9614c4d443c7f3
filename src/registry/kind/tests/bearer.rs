//! Registries with a token service.

use super::*;
use crate::registry::{UntrustedParty, kind::bearer::conclude};

#[test]
fn login_and_image_together_decide_about_the_credential() {
    let missing = || PullAnswer::RepositoryMissing;
    let plain = || Inconclusive::from(ProtocolError::NoToken);
    let undecided = || Err(RegistryVerdict::Inconclusive(plain()));
    let rejected = || Err(RegistryVerdict::Rejected);
    for (login, answer, anonymous, expected) in [
        (
            Login::Accepted,
            PullAnswer::Forbidden,
            None,
            Ok(PullAnswer::Forbidden),
        ),
        (
            Login::Inconclusive(plain()),
            PullAnswer::Served,
            None,
            undecided(),
        ),
        (
            Login::NeedsScope,
            PullAnswer::Inconclusive(plain()),
            None,
            undecided(),
        ),
        (Login::NeedsScope, PullAnswer::Refused, None, rejected()),
        (
            Login::NeedsScope,
            PullAnswer::Forbidden,
            None,
            Ok(PullAnswer::Forbidden),
        ),
        (
            Login::NeedsScope,
            PullAnswer::Served,
            Some(PullAnswer::Served),
            Err(inconclusive(ProtocolError::LoginNotAnswered)),
        ),
        (Login::NeedsScope, missing(), Some(missing()), Ok(missing())),
        (Login::Refused, PullAnswer::Refused, None, rejected()),
        (Login::Refused, PullAnswer::Forbidden, None, rejected()),
        (
            Login::Refused,
            PullAnswer::Inconclusive(plain()),
            None,
            rejected(),
        ),
        (
            Login::Refused,
            PullAnswer::Served,
            Some(PullAnswer::Served),
            rejected(),
        ),
        (
            Login::Refused,
            PullAnswer::Served,
            Some(missing()),
            Ok(PullAnswer::Served),
        ),
        (
            Login::Refused,
            PullAnswer::Served,
            Some(PullAnswer::Inconclusive(plain())),
            undecided(),
        ),
    ] {
        let case = format!("{login:?} {answer:?} {anonymous:?}");
        assert_eq!(conclude(login, answer, anonymous), expected, "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_service_elsewhere_or_without_https_gets_no_credential() {
    let untrusted = |host: &str| {
        RegistryVerdict::Inconclusive(Inconclusive::Untrusted(UntrustedParty::Realm(host.to_owned())))
    };
    for (realm, expected) in [
        ("https://other.test/token", untrusted("other.test")),
        ("https://other.test:8443/token", untrusted("other.test:8443")),
        ("https://registry.test/token", untrusted("registry.test")),
        (
            "http://registry.test:5000/token",
            inconclusive(ProtocolError::PlainTokenService(
                "http://registry.test:5000".to_owned(),
            )),
        ),
        ("/token", inconclusive(ProtocolError::Challenge)),
    ] {
        let registry = move |_: &Seen| challenge(401, &format!("Bearer realm=\"{realm}\""));
        let (answers, seen) = ask("good", &[], false, registry).await;
        assert_eq!(answers.login, Some(expected), "{realm}");
        assert_eq!(seen.len(), 1, "{seen:#?}");
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
async fn p1_wrong_password_fails_to_log_in_twice_for_many_images() {
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
async fn repository_decides_where_every_login_is_refused() {
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
async fn repository_decides_where_the_token_service_needs_a_scope() {
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
async fn p7_push_is_asked_only_after_the_image_was_found() {
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

#[tokio::test(start_paused = true)]
async fn r11_a_realm_is_a_url_in_every_form() {
    for realm in [
        "https://registry.test:5000/token",
        "HTTPS://registry.test:5000/token",
        "https://Registry.TEST:5000/token",
        "https://registry.test:5000/token?account=a",
        "https://registry.test:5000/token?",
        "https://registry.test:5000/token/",
        "https://registry.test:05000/token",
    ] {
        let registry = move |seen: &Seen| match seen.target.to_ascii_lowercase().contains("/token") {
            false if seen.is("/v2/") && !seen.is("/manifests/") => {
                challenge(401, &format!("Bearer realm=\"{realm}\",service=\"s\""))
            }
            _ => bearer(seen, strict, refused, repositories),
        };
        let (answers, seen) = ask("good", &["team/app:1"], false, registry).await;
        assert_eq!(answers.images, [RegistryVerdict::Pulls], "{realm} {seen:#?}");
    }
}
