//! A stored token is never replaced by one that expires earlier, and is set again instead of requesting another one.

use serde_json::json;

use super::is_old;
use crate::{
    commands::fixtures::{APPLY, DAY, REGISTRY, Scene, TOKEN, document, document_for, jwt, jwt_of, reasons},
    config::Mode,
    outcome::{Action, Outcome, Reason},
};

const HOUR: i64 = 3600;

fn has_note(outcome: &Outcome, words: &str) -> bool {
    let notes = &outcome.notes;
    notes.iter().filter(|note| note.contains(words)).count() == 1
}

/// Stored by a run before, so that nothing but the token can be due.
async fn settled_with(token: &str) -> Scene {
    let scene = Scene::with_document(&document(token));
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(outcome.action, Action::Refreshed);
    assert_eq!(scene.cluster().writes, [APPLY]);
    scene.cluster().writes.clear();
    scene
}

#[tokio::test(start_paused = true)]
async fn p6_a_token_that_would_expire_earlier_is_not_requested() {
    let scene = settled_with(&jwt("good", 23 * HOUR)).await;
    let scene = scene
        .with("PULL_SECRET_TOKEN_LIFETIME", "10m")
        .with("PULL_SECRET_REFRESH_BELOW", "99%");
    for mode in [Mode::Ensure, Mode::Plan, Mode::Doctor] {
        let outcome = scene.run(mode).await;
        assert_eq!(reasons(&outcome), [], "{mode:?}");
        assert_eq!(outcome.credential.credential_id.as_deref(), Some("good"));
        assert!(
            has_note(&outcome, "PULL_SECRET_TOKEN_LIFETIME is 10m"),
            "{:?}",
            outcome.notes
        );
        assert_eq!(scene.cluster().writes, Vec::<String>::new(), "{mode:?}");
    }
    assert_eq!(scene.run(Mode::Ensure).await.action, Action::Unchanged);
    // A label that is missing is written without a token.
    if let Some(secret) = &mut scene.cluster().secret {
        secret["metadata"]["labels"] = json!({});
    }
    assert_eq!(scene.run(Mode::Ensure).await.action, Action::Refreshed);
    assert_eq!(scene.cluster().writes, [APPLY]);
}

#[tokio::test(start_paused = true)]
async fn p6_a_kept_token_that_the_next_run_does_not_reach_ends_with_78() {
    let scene = settled_with(&jwt("good", 12 * HOUR)).await;
    let scene = scene
        .with("PULL_SECRET_TOKEN_LIFETIME", "10m")
        .with("PULL_SECRET_NEXT_RUN_WITHIN", "13h");
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), [Reason::ExpiresBeforeNextRun]);
    assert_eq!(outcome.action, Action::Unchanged);
    assert!(has_note(&outcome, "PULL_SECRET_TOKEN_LIFETIME is 10m"));
    assert_eq!(scene.cluster().writes, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn p6_a_token_that_the_api_server_shortened_is_not_written() {
    let scene = settled_with(&jwt("good", 23 * HOUR)).await;
    let scene = scene.with("PULL_SECRET_REFRESH_BELOW", "99%");
    scene.cluster().longest = HOUR;
    let stored = scene.cluster().document();
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!((reasons(&outcome), outcome.action), (vec![], Action::Unchanged));
    assert_eq!(outcome.credential.credential_id.as_deref(), Some("good"));
    assert!(has_note(
        &outcome,
        "the API server issues tokens of a shorter lifetime"
    ));
    assert_eq!(scene.cluster().writes, [TOKEN]);
    assert_eq!(scene.cluster().document(), stored);
    assert!(scene.cluster().started.elapsed().is_zero(), "without a pause");
}

#[tokio::test(start_paused = true)]
async fn p6_a_token_that_lives_longer_or_is_for_this_secret_alone_is_written() {
    let elsewhere = json!({"secret": {"name": "pull", "uid": "another"}});
    let in_pod = json!({"secret": {"name": "pull", "uid": "6f2d"}, "pod": {"name": "pod", "uid": "2"}});
    for (stored, lifetime) in [
        // 40% of a day are 9.6 hours.
        (jwt("good", 9 * HOUR), "10h"),
        (jwt("expired", -60), "10m"),
        (jwt_of("model-puller", "elsewhere", 23 * HOUR, &elsewhere), "10m"),
        (jwt_of("model-puller", "in-pod", 23 * HOUR, &in_pod), "10m"),
        (
            jwt_of(
                "other",
                "other",
                23 * HOUR,
                &json!({"secret": {"name": "pull", "uid": "6f2d"}}),
            ),
            "10m",
        ),
        ("a-robots-password".to_owned(), "10m"),
    ] {
        let scene = Scene::with_document(&document(&stored)).with("PULL_SECRET_TOKEN_LIFETIME", lifetime);
        let outcome = scene.run(Mode::Ensure).await;
        assert_eq!(reasons(&outcome), [], "{stored}");
        assert_eq!(outcome.credential.credential_id.as_deref(), Some("token-1"));
        assert_eq!(scene.cluster().writes, [TOKEN, APPLY]);
    }
}

#[tokio::test(start_paused = true)]
async fn p6_a_stored_token_that_is_rejected_is_replaced_by_a_shorter_one() {
    for registries in [1, 2] {
        let scene = Scene::with_document(&document(&jwt("old", 23 * HOUR)))
            .with("PULL_SECRET_TOKEN_LIFETIME", "10m")
            .with("PULL_SECRET_REFRESH_BELOW", "99%");
        let scene = if registries == 2 { scene.with_quay() } else { scene };
        scene.cluster().registry = |login| if is_old(login.password) { 401 } else { 200 };
        scene.cluster().accepts = |token| !is_old(token);
        let outcome = scene.run(Mode::Ensure).await;
        assert_eq!((reasons(&outcome), outcome.action), (vec![], Action::Refreshed));
        assert_eq!(outcome.credential.credential_id.as_deref(), Some("token-1"));
        assert_eq!(scene.cluster().writes, [TOKEN, APPLY], "{registries}");
    }
}

#[tokio::test(start_paused = true)]
async fn p9_a_stored_token_is_set_for_another_registry_too() {
    let token = jwt("good", 23 * HOUR);
    for lifetime in ["10m", "24h", "30d"] {
        let scene = Scene::with_document(&document(&token))
            .with_quay()
            .with("PULL_SECRET_TOKEN_LIFETIME", lifetime);
        let planned = scene.run(Mode::Plan).await;
        assert_eq!(reasons(&planned), []);
        let plan = planned.plan.expect("a plan");
        assert_eq!(plan.action, Action::Refreshed);
        let diff = format!("{:?}", plan.diff);
        assert!(diff.contains("the stored token"), "{diff}");
        assert!(scene.run(Mode::Doctor).await.lines.iter().any(|line| {
            line.message
                .starts_with("the stored token of Secret pull is to be set for each registry")
        }));
        let outcome = scene.run(Mode::Ensure).await;
        assert_eq!((reasons(&outcome), outcome.action), (vec![], Action::Refreshed));
        assert_eq!(scene.cluster().writes, [APPLY], "{lifetime}");
        let expected = document_for(&[(REGISTRY, &token), ("quay.io", &token)]);
        assert_eq!(scene.cluster().document(), expected);
        assert_eq!(scene.run(Mode::Ensure).await.action, Action::Unchanged);
    }
}

#[tokio::test(start_paused = true)]
async fn p9_the_stored_token_that_lives_longest_is_set_everywhere() {
    let (one, two) = (jwt("one", 20 * HOUR), jwt("two", 22 * HOUR));
    let unwrapped = document(&two).replace("{\"auths\":", "");
    let unwrapped = unwrapped.strip_suffix('}').expect("a brace");
    for (stored, action) in [
        (
            document_for(&[(REGISTRY, &one), ("quay.io", &two)]),
            Action::Refreshed,
        ),
        (
            document_for(&[(REGISTRY, &two), ("quay.io", "a-robots-password")]),
            Action::Refreshed,
        ),
        // Under the key of a registry that is no longer configured.
        (document_for(&[("old.test", &two)]), Action::Refreshed),
        (unwrapped.to_owned(), Action::Repaired),
    ] {
        let scene = Scene::with_document(&stored).with_quay();
        let outcome = scene.run(Mode::Ensure).await;
        assert_eq!((reasons(&outcome), outcome.action), (vec![], action), "{stored}");
        assert_eq!(outcome.credential.credential_id.as_deref(), Some("two"));
        assert_eq!(scene.cluster().writes, [APPLY], "{stored}");
        assert_eq!(scene.run(Mode::Ensure).await.action, Action::Unchanged);
    }
}

#[tokio::test(start_paused = true)]
async fn p9_a_stored_token_gets_the_configured_user_name() {
    let token = jwt("good", DAY);
    let scene = Scene::with_document(&document(&token)).with("PULL_SECRET_USERNAME", "puller");
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!((reasons(&outcome), outcome.action), (vec![], Action::Refreshed));
    assert_eq!(scene.cluster().writes, [APPLY]);
    assert!(scene.cluster().document().contains("puller"));
}

#[tokio::test(start_paused = true)]
async fn p9_a_stored_token_is_set_only_as_a_new_one_would_be() {
    // The robot's credential for quay.io pulls there, the token may not.
    let token = jwt("good", DAY);
    let stored = document_for(&[(REGISTRY, &token), ("quay.io", "robot")]);
    let scene = Scene::with_document(&stored).with_quay();
    scene.cluster().registry = |login| match (login.host, login.password) {
        ("quay.io", "robot") => 200,
        ("quay.io", _) if login.path.contains("/manifests/") => 403,
        _ => 200,
    };
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), [Reason::PullForbidden]);
    assert_eq!(scene.cluster().writes, Vec::<String>::new());
    assert_eq!(scene.cluster().document(), stored);
}
