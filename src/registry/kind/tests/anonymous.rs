//! Registries with anonymous access, and servers that are no registry.

use super::*;

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

#[tokio::test(start_paused = true)]
async fn p8_r20_anonymous_registry_is_asked_with_the_credential() {
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
async fn image_missing_for_all_shows_nothing_about_the_credential() {
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
async fn p8_a_bearer_challenge_of_a_repository_alone_is_answered() {
    for (password, expected) in [
        ("good", RegistryVerdict::Pulls),
        ("wrong", RegistryVerdict::Rejected),
    ] {
        let registry = |seen: &Seen| match seen.is("/token") || seen.is("/manifests/") {
            false => json("{}"),
            true if seen.is("/token") || seen.credentials == "Bearer robot" => {
                bearer(seen, strict, refused, repositories)
            }
            true => challenge(401, r#"Bearer realm="https://registry.test:5000/token""#),
        };
        let (answers, _) = ask(password, &["team/app:1"], false, registry).await;
        assert_eq!(answers.images, [expected], "{password}");
    }
}
