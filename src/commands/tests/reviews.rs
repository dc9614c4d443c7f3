//! Reviews of a credential by the API server: which credentials it is sent, and which answers count.

use serde_json::{Value, json};

use crate::{
    commands::fixtures::{DAY, ISSUER, Login, Scene, document, jwt, jwt_with, reasons},
    config::Mode,
    outcome::{Reason, Verified},
};

fn is_reviewed(scene: &Scene) -> bool {
    scene.cluster().self_reviews > 0
}

/// A Secret with this token at a registry that is down: the review is all that is left.
fn down(token: &str) -> Scene {
    let scene = Scene::with_document(&document(token));
    scene.cluster().registry = |_: &Login<'_>| 503;
    scene
}

#[tokio::test(start_paused = true)]
async fn s15_a_token_of_another_cluster_is_never_reviewed() {
    let of = |change: fn(&mut Value)| jwt_with("good", DAY, change);
    for (token, is_sent) in [
        (jwt("good", DAY), true),
        (of(|claims| claims["aud"] = json!(["other", "api"])), true),
        ("sha256~a-login-token".to_owned(), true),
        (
            of(|claims| claims["iss"] = json!("https://oidc.other.test")),
            false,
        ),
        (of(|claims| claims["iss"] = json!(format!("{ISSUER}/"))), false),
        (of(|claims| claims["iss"] = Value::Null), false),
        (of(|claims| claims["aud"] = json!(["registry"])), false),
        (of(|claims| claims["aud"] = json!([])), false),
        ("a-robots-password".to_owned(), false),
    ] {
        // Stored, and from a file for a registry that is trusted with it.
        let stored = down(&token);
        stored.run(Mode::Verify).await;
        let file = down("{}").with_token_file(token.clone());
        file.run(Mode::Ensure).await;
        let api = Scene::with_document(&document(&token)).with("PULL_SECRET_VERIFY", "api");
        api.run(Mode::Verify).await;
        for scene in [stored, file, api] {
            assert_eq!(is_reviewed(&scene), is_sent, "{token}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s15_a_requested_token_is_reviewed_whatever_its_issuer() {
    let scene = Scene::new();
    scene.cluster().issuer = "https://the-next-issuer.test";
    scene.cluster().registry = |_| 503;
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(
        (reasons(&outcome), outcome.verified),
        (vec![Reason::RegistryUnavailable], Verified::Review)
    );
    assert!(is_reviewed(&scene));
}

#[tokio::test(start_paused = true)]
async fn o14_a_review_counts_only_with_the_subject_of_the_token() {
    type User = fn(&str) -> String;
    let same: User = str::to_owned;
    let other: User = |_| "system:serviceaccount:demo:another".to_owned();
    let anonymous: User = |_| "system:anonymous".to_owned();
    let nobody: User = |_| String::new();
    let login = "sha256~a-login-token";
    let token = jwt("good", DAY);
    for (token, user, counts) in [
        (token.as_str(), same, true),
        (&token, other, false),
        (&token, anonymous, false),
        (&token, nobody, false),
        (login, same, true),
        (login, anonymous, false),
        (login, nobody, false),
    ] {
        let scene = Scene::with_document(&document(token)).with("PULL_SECRET_VERIFY", "api");
        let scene = scene.with("PULL_SECRET_IMAGE", "");
        scene.cluster().user = user;
        let outcome = scene.run(Mode::Verify).await;
        let expected = if counts { Verified::Review } else { Verified::None };
        assert_eq!(outcome.verified, expected, "{token} {}", user("x"));
    }
}

#[tokio::test(start_paused = true)]
async fn o14_a_forbidden_review_counts_only_where_it_names_the_subject() {
    for (refuses, counts) in [
        (
            (|_, path| {
                let message = "User \"system:serviceaccount:demo:model-puller\" cannot create resource \"x\"";
                path.ends_with("/selfsubjectreviews")
                    .then(|| json!({"code": 403, "message": message}))
            }) as fn(&http::Method, &str) -> Option<Value>,
            true,
        ),
        (
            |_, path| {
                let message = "User \"system:anonymous\" cannot create resource \"x\"";
                path.ends_with("/selfsubjectreviews")
                    .then(|| json!({"code": 403, "message": message}))
            },
            false,
        ),
        (
            |_, path| {
                path.ends_with("/selfsubjectreviews")
                    .then(|| json!({"code": 403}))
            },
            false,
        ),
    ] {
        let scene = Scene::with_document(&document(&jwt("good", DAY))).with("PULL_SECRET_VERIFY", "api");
        let scene = scene.with("PULL_SECRET_IMAGE", "");
        scene.cluster().refuses = refuses;
        let outcome = scene.run(Mode::Verify).await;
        let expected = if counts { Verified::Review } else { Verified::None };
        assert_eq!(outcome.verified, expected);
    }
}

type Refuses = fn(&http::Method, &str) -> Option<Value>;

/// A Status with this code for a request whose path ends so.
macro_rules! refuse {
    ($end:literal, $code:literal) => {
        |_, path| path.ends_with($end).then(|| json!({"code": $code}))
    };
}

#[tokio::test(start_paused = true)]
async fn o5_o14_a_review_that_is_refused_for_good_is_none_and_never_75() {
    use Mode::{Ensure, Verify};
    use Reason::{ApiUnavailable, NotVerified, PullForbidden};
    let no_review: [Refuses; 4] = [
        refuse!("/selfsubjectreviews", 403),
        refuse!("/selfsubjectreviews", 404),
        refuse!("/selfsubjectreviews", 405),
        refuse!("/selfsubjectreviews", 422),
    ];
    let no_access: [Refuses; 2] = [
        refuse!("/selfsubjectaccessreviews", 403),
        refuse!("/selfsubjectaccessreviews", 404),
    ];
    let lost: [Refuses; 2] = [
        refuse!("/selfsubjectreviews", 503),
        refuse!("/selfsubjectaccessreviews", 503),
    ];
    let refusals = no_review.iter().map(|refuses| (refuses, false, false));
    let refusals = refusals.chain(no_access.iter().map(|refuses| (refuses, true, false)));
    let refusals = refusals.chain(lost.iter().map(|refuses| (refuses, false, true)));
    for (refuses, is_access, is_lost) in refusals {
        for mode in [Verify, Ensure] {
            // Nobody is asked but the API server.
            let scene = Scene::with_document(&document(&jwt("good", DAY))).with("PULL_SECRET_VERIFY", "api");
            scene.cluster().refuses = *refuses;
            let outcome = scene.run(mode).await;
            let expected = if is_lost { ApiUnavailable } else { NotVerified };
            assert_eq!(reasons(&outcome), [expected], "{mode:?}");
            assert_eq!(outcome.verified, Verified::None);
            assert_eq!(outcome.findings[0].warning, !is_lost);
        }
        // The registry refuses a token that the API server accepts, or doesn't review.
        let scene = Scene::with_document(&document(&jwt("good", DAY)));
        scene.cluster().refuses = *refuses;
        scene.cluster().registry = |_| 401;
        let expected = match (is_lost, is_access) {
            (true, _) => ApiUnavailable,
            (false, true) => PullForbidden,
            (false, false) => Reason::CredentialRejected,
        };
        assert_eq!(reasons(&scene.run(Verify).await), [expected]);
        // The registry is down, which may pass: the run ends with its reason.
        if !is_lost {
            let scene = down(&jwt("good", DAY));
            scene.cluster().refuses = *refuses;
            assert_eq!(reasons(&scene.run(Verify).await), [Reason::RegistryUnavailable]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn push_that_is_not_reviewed_starts_no_upload_at_openshift() {
    for refuses in [
        refuse!("/selfsubjectaccessreviews", 403) as Refuses,
        refuse!("/selfsubjectaccessreviews", 404),
        refuse!("/selfsubjectaccessreviews", 405),
        refuse!("/selfsubjectaccessreviews", 422),
    ] {
        for (mode, document, writes) in [
            (Mode::Verify, document(&jwt("good", DAY)), false),
            (Mode::Ensure, document(&jwt("old", -60)), true),
        ] {
            let scene = Scene::with_document(&document).with("PULL_SECRET_ACCESS", "Push,Pull");
            scene.cluster().refuses = refuses;
            scene.cluster().registry = |login: &Login<'_>| {
                assert!(!login.path.contains("/uploads/"), "{}", login.path);
                200
            };
            let outcome = scene.run(mode).await;
            assert_eq!(
                (reasons(&outcome), outcome.verified),
                (vec![Reason::NotVerified], Verified::Login),
                "{mode:?}"
            );
            assert!(
                outcome.findings[0].warning && outcome.findings[0].remedy().contains("PULL_SECRET_ACCESS")
            );
            assert_eq!(scene.cluster().document() != document, writes);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p10_a_token_that_is_not_reviewed_replaces_no_usable_one() {
    for (stored, is_written) in [("a-robots-password", false), ("", true)] {
        let stored = match stored {
            "" => r#"{"auths":{}}"#.to_owned(),
            password => document(password),
        };
        let scene = Scene::with_document(&stored);
        scene.cluster().registry = |_: &Login<'_>| 503;
        scene.cluster().refuses = refuse!("/selfsubjectreviews", 404);
        let outcome = scene.run(Mode::Ensure).await;
        assert_eq!(reasons(&outcome), [Reason::RegistryUnavailable]);
        assert!(!outcome.findings[0].warning);
        assert_eq!(scene.cluster().document() != stored, is_written);
    }
}
