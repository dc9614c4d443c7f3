//! Repositories that ask to authenticate otherwise than `/v2/` does.

use super::*;
use crate::registry::Remark;

const BASIC: &str = "Basic realm=r";
const TOKEN: &str = r#"Bearer realm="https://registry.test:5000/token",service="s""#;

/// Answers `/v2/` by `ping`. `by-token/` wants a token, with a token service that gives anybody one for a scope;
/// `by-password/` wants the password; `robot-only/` is the robot's, by token.
fn mixed(seen: &Seen, ping: Registry) -> Reply {
    let has_token = seen.credentials.starts_with("Bearer ");
    if seen.is("/token") {
        bearer(seen, strict, anonymous_token, repositories)
    } else if !seen.is("/manifests/") && !seen.is("/blobs/") {
        ping(seen)
    } else if seen.method == Method::POST && (is_good(seen) || has_token) {
        status(202)
    } else if seen.is("/by-password/") {
        match is_good(seen) {
            true => manifest(),
            false => challenge(401, BASIC),
        }
    } else {
        match has_token && (seen.is("/by-token/") || seen.credentials == "Bearer robot") {
            true => manifest(),
            false => challenge(401, TOKEN),
        }
    }
}

fn asks_password(seen: &Seen) -> Reply {
    match is_good(seen) {
        true => json("{}"),
        false => challenge(401, BASIC),
    }
}

/// Any password will do: its own answer shows nothing.
fn asks_any_password(seen: &Seen) -> Reply {
    match seen.credentials.is_empty() {
        true => challenge(401, BASIC),
        false => json("{}"),
    }
}

fn asks_token(seen: &Seen) -> Reply {
    match seen.credentials.starts_with("Bearer ") {
        true => json("{}"),
        false => challenge(401, TOKEN),
    }
}

type Registry = fn(&Seen) -> Reply;

const PINGS: [(&str, Registry); 6] = [
    ("password", asks_password),
    ("any password", asks_any_password),
    ("token", asks_token),
    ("nothing", |_| json("{}")),
    ("nothing, with a Basic challenge", |_| challenge(200, BASIC)),
    ("nothing, with a Bearer challenge", |_| challenge(200, TOKEN)),
];

#[tokio::test(start_paused = true)]
async fn r3_a_repository_may_ask_otherwise_than_v2() {
    for (name, ping) in PINGS {
        for images in [
            &["team/by-token/app:1"][..],
            &["team/by-password/app:1"],
            &["team/robot-only/app:1"],
            &["team/by-token/app:1", "team/by-password/app:1"],
            &[
                "team/by-password/app:1",
                "team/robot-only/app:1",
                "team/by-token/app:1",
            ],
        ] {
            for push in [false, true] {
                let scripted = Scripted::new(move |seen| mixed(seen, ping));
                let answers = scripted.ask("good", images, push).await;
                let pulls = vec![RegistryVerdict::Pulls; images.len()];
                assert_eq!(answers.images, pulls, "{name} {images:?} {push}");
                let is_other = |image: &&str| match name {
                    "password" | "any password" | "nothing, with a Basic challenge" => {
                        !image.contains("by-password")
                    }
                    "token" | "nothing, with a Bearer challenge" => image.contains("by-password"),
                    _ => true,
                };
                let host = RegistryHost::parse(HOST).expect("a registry");
                let remarks = images.iter().any(is_other);
                let remarks = remarks.then_some(Remark::ChallengeOfRepositoryAlone(host));
                let remarks: Vec<_> = remarks.into_iter().collect();
                assert_eq!(scripted.registries.remarks(), remarks, "{name} {images:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p1_a_repository_that_asks_otherwise_proves_no_login() {
    for (name, ping) in PINGS {
        for images in [
            vec!["team/by-token/app:1"],
            vec!["team/by-password/app:1"],
            vec!["team/robot-only/app:1"],
            vec!["team/by-password/app:1", "team/by-token/app:1"],
            vec!["team/by-token/app:1"; 64],
            vec!["team/by-password/app:1"; 64],
        ] {
            let scripted = Scripted::new(move |seen| mixed(seen, ping));
            for _ in 0..3 {
                let answers = scripted.ask("wrong", &images, false).await;
                assert!(
                    !answers.images.contains(&RegistryVerdict::Pulls),
                    "{name} {images:?}"
                );
                let refused = answers.images.contains(&RegistryVerdict::Rejected);
                // Where `/v2/` accepts any password, that is a login.
                let accepts = name == "any password" || name == "nothing, with a Basic challenge";
                let by_password = accepts && images[0].contains("by-password");
                assert!(refused || by_password, "{name} {images:?} {answers:?}");
            }
            let seen = scripted.seen();
            let is_failure = |seen: &Seen| match seen.is("/v2/") {
                true => seen.is("/manifests/") || name == "password",
                false => !seen.is("scope="),
            };
            let failed = failed_logins(&seen, is_failure);
            let accepts = name == "any password" || name == "nothing, with a Basic challenge";
            assert!(failed <= 2 || accepts, "{name} {images:?} {failed} {seen:#?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn r3_a_challenge_of_a_repository_leads_to_no_untrusted_host() {
    for ping in [asks_password as Registry, asks_token, |_| json("{}")] {
        let registry = move |seen: &Seen| match seen.is("/manifests/") {
            true => challenge(401, r#"Bearer realm="https://other.test/token",service="s""#),
            false if seen.is("/token") => bearer(seen, strict, refused, repositories),
            false => ping(seen),
        };
        let (answers, seen) = ask("good", &["team/app:1"], false, registry).await;
        let untrusted = crate::registry::UntrustedParty::Realm("other.test".to_owned());
        let untrusted = RegistryVerdict::Inconclusive(Inconclusive::Untrusted(untrusted));
        assert_eq!(answers.images, [untrusted], "{seen:#?}");
        assert!(!seen.iter().any(|seen| seen.is("other.test")), "{seen:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn r20_each_image_of_zot_has_its_own_answer() {
    // As zot: 401 to a credential that may not pull, 404 to one that may.
    for with_challenge in [true, false] {
        let registry = move |seen: &Seen| {
            let is_known = is_good(seen);
            match seen.is("/manifests/") || seen.is("/tags/") {
                false if with_challenge && (is_known || seen.credentials.is_empty()) => {
                    challenge(200, "basic realm=zot")
                }
                false if is_known || seen.credentials.is_empty() => json("{}"),
                true if seen.is("/public/") && (is_known || seen.credentials.is_empty()) => manifest(),
                true if is_known && seen.is("/team/app/") => manifest(),
                true if is_known && seen.is("/team/") => missing(NAME_UNKNOWN),
                _ => challenge(401, "Basic realm=\"zot\""),
            }
        };
        let (forbidden, pulls) = (RegistryVerdict::PullForbidden, RegistryVerdict::Pulls);
        for (images, expected) in [
            (
                &[
                    "a/x:1",
                    "b/x:1",
                    "team/app:1",
                    "c/x:1",
                    "team/none:1",
                    "public/app:1",
                ][..],
                vec![
                    forbidden.clone(),
                    forbidden.clone(),
                    pulls.clone(),
                    forbidden.clone(),
                    RegistryVerdict::RepositoryMissing,
                    pulls.clone(),
                ],
            ),
            (&["a/x:1", "team/app:1"], vec![forbidden.clone(), pulls.clone()]),
            (&["a/x:1", "b/x:1"], vec![forbidden.clone(); 2]),
        ] {
            let (answers, seen) = ask("good", images, false, registry).await;
            // Without a challenge at `/v2/` its 200 is no login: two refusals of repositories end it.
            let ends = !with_challenge && images.starts_with(&["a/x:1", "b/x:1"]);
            let expected = match ends {
                true => vec![RegistryVerdict::Rejected; images.len()],
                false => expected.clone(),
            };
            assert_eq!(answers.images, expected, "{with_challenge} {seen:#?}");
            let (answers, seen) = ask("wrong", images, false, registry).await;
            assert_eq!(answers.images, vec![RegistryVerdict::Rejected; images.len()]);
            assert_eq!(failed_logins(&seen, |_| true), 2, "{seen:#?}");
        }
    }
}
