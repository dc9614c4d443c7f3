//! The replace policy with scripted servers: CONTRACT section 1, "What `ensure` writes".

use crate::{
    commands::fixtures::{APPLY, Cluster, DAY, Login, REGISTRY, Scene, document, document_for, jwt, reasons},
    config::Mode,
    outcome::{Outcome, Reason},
};

type Script = fn(&mut Cluster);

/// What is stored before the run.
const NOTHING: &str = r#"{"auths":{}}"#;

async fn run(scene: &Scene, script: Script) -> (Outcome, bool) {
    script(&mut scene.cluster());
    let before = scene.cluster().document();
    let outcome = scene.run(Mode::Ensure).await;
    let is_written = scene.cluster().writes.iter().any(|write| write == APPLY);
    assert_eq!(scene.cluster().document() != before, is_written);
    (outcome, is_written)
}

/// The status `new` for the new credential, `old` for the stored one.
fn by_age(login: &Login<'_>, new: u16, old: u16) -> u16 {
    if login.password == "old" { old } else { new }
}

#[tokio::test(start_paused = true)]
async fn a_password_replaces_a_stored_one_unless_that_does_more() {
    use Reason::{
        CredentialRejected, PullForbidden, RegistryProtocol, RegistryUnavailable, RepositoryMissing,
    };
    let cases: [(Script, &str, Option<Reason>, bool); 14] = [
        (|all| all.registry = |_| 200, "old", None, true),
        (|all| all.registry = |_| 404, "old", Some(RepositoryMissing), true),
        (|all| all.registry = |_| 404, "", Some(RepositoryMissing), true),
        (
            |all| all.registry = |login| by_age(login, 404, 200),
            "old",
            Some(PullForbidden),
            false,
        ),
        (
            |all| all.registry = |login| by_age(login, 404, 503),
            "old",
            Some(PullForbidden),
            false,
        ),
        (
            |all| all.registry = |login| by_age(login, 404, 401),
            "old",
            Some(RepositoryMissing),
            true,
        ),
        (|all| all.registry = |_| 403, "old", Some(PullForbidden), true),
        (|all| all.registry = |_| 403, "", Some(PullForbidden), true),
        (
            |all| all.registry = |login| by_age(login, 403, 200),
            "old",
            Some(PullForbidden),
            false,
        ),
        (
            |all| all.registry = |_| 401,
            "old",
            Some(CredentialRejected),
            false,
        ),
        (|all| all.registry = |_| 401, "", Some(CredentialRejected), false),
        (|all| all.registry = |_| 418, "old", Some(RegistryProtocol), false),
        (|all| all.registry = |_| 418, "", Some(RegistryProtocol), true),
        (
            |all| all.registry = |login| by_age(login, 503, 401),
            "old",
            Some(RegistryUnavailable),
            false,
        ),
    ];
    for (index, (script, stored, reason, is_written)) in cases.into_iter().enumerate() {
        let stored = match stored {
            "" => NOTHING.to_owned(),
            password => document(password),
        };
        let scene = Scene::with_document(&stored).with_token_file("new");
        let found = run(&scene, script).await;
        assert_eq!(
            (reasons(&found.0), found.1),
            (Vec::from_iter(reason), is_written),
            "case {index}"
        );
        assert!(
            found.0.findings.iter().all(|finding| !finding.warning),
            "case {index}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_that_no_registry_verifies_is_written_with_a_warning() {
    for (verify, reason) in [
        ("registry", Reason::RegistryAnonymous),
        ("structure", Reason::NotVerified),
    ] {
        for stored in [NOTHING.to_owned(), document("old")] {
            let scene = Scene::with_document(&stored).with_token_file("new");
            let scene = scene.with("PULL_SECRET_VERIFY", verify);
            let anonymous = scene.with("PULL_SECRET_REGISTRY", "quay.io");
            let anonymous = anonymous
                .with("PULL_SECRET_IMAGE", "quay.io/team/app:1")
                .with("PULL_SECRET_CONNECT_TO", "quay.io:443=registry.test:443");
            let (outcome, is_written) = run(&anonymous, |all| all.challenge = |_| None).await;
            assert_eq!((reasons(&outcome), is_written), (vec![reason], true), "{stored}");
            assert!(outcome.findings[0].warning);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_written_only_if_the_api_server_accepts_it() {
    let no_review: Script = |all| {
        all.registry = |_| 503;
        all.fails = |_, path| path.ends_with("/selfsubjectreviews").then_some(503);
    };
    let no_pull: Script = |all| {
        all.registry = |_| 401;
        all.denies = &["get"];
    };
    let no_access_review: Script = |all| {
        all.registry = |_| 401;
        all.fails = |_, path| path.ends_with("/selfsubjectaccessreviews").then_some(503);
    };
    let no_push: Script = |all| all.denies = &["update"];
    let cases: [(Script, Reason, bool); 5] = [
        (no_review, Reason::ApiUnavailable, false),
        (no_access_review, Reason::ApiUnavailable, false),
        (no_pull, Reason::PullForbidden, true),
        (no_push, Reason::PullForbidden, true),
        (|all| all.registry = |_| 401, Reason::RegistryUnavailable, true),
    ];
    for (index, (script, reason, is_written)) in cases.into_iter().enumerate() {
        for stored in [NOTHING.to_owned(), document(&jwt("old", -60))] {
            let scene = Scene::with_document(&stored).with("PULL_SECRET_ACCESS", "Push,Pull");
            let found = run(&scene, script).await;
            assert_eq!(
                (reasons(&found.0), found.1),
                (vec![reason], is_written),
                "case {index} {stored}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_access_reviews_of_a_token_name_the_image_stream() {
    let scene = Scene::with_document(NOTHING).with("PULL_SECRET_ACCESS", "Push,Pull");
    let scene = scene.with("PULL_SECRET_VERIFY", "api");
    let (outcome, is_written) = run(&scene, |_| {}).await;
    assert_eq!((reasons(&outcome), is_written), (vec![], true));
    let layers = "image.openshift.io imagestreams/layers  team app";
    assert_eq!(
        scene.cluster().reviews,
        [format!("get {layers}"), format!("update {layers}")]
    );
    for denied in [&["get"][..], &["update"]] {
        let scene = Scene::with_document(NOTHING).with("PULL_SECRET_ACCESS", "Push,Pull");
        let scene = scene.with("PULL_SECRET_VERIFY", "api");
        scene.cluster().denies = denied;
        let outcome = scene.run(Mode::Ensure).await;
        assert_eq!(reasons(&outcome), [Reason::PullForbidden], "{denied:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn p3_a_refusal_that_cannot_be_asked_again_keeps_the_stored_password() {
    for (timeout, reason, is_written) in [
        ("60s", Reason::RepositoryMissing, true),
        ("2s", Reason::PullForbidden, false),
    ] {
        let scene = Scene::with_document(&document("old")).with_token_file("new");
        let scene = scene.with("PULL_SECRET_TIMEOUT", timeout);
        let found = run(&scene, |all| all.registry = |login| by_age(login, 404, 401)).await;
        assert_eq!(
            (reasons(&found.0), found.1),
            (vec![reason], is_written),
            "{timeout}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_unverified_password_replaces_one_that_another_registry_rejects() {
    const INTERNAL: &str = REGISTRY;
    let old_is_rejected: fn(&Login<'_>) -> u16 = |login| match login.host {
        INTERNAL => 503,
        _ => by_age(login, 200, 401),
    };
    let old_is_accepted: fn(&Login<'_>) -> u16 = |login| match login.host {
        INTERNAL => 503,
        _ => 200,
    };
    for (at_quay, registry, is_written) in [
        ("old", old_is_rejected, true),
        ("old", old_is_accepted, false),
        ("another", old_is_rejected, false),
    ] {
        let stored = document_for(&[(REGISTRY, "old"), ("quay.io", at_quay)]);
        let scene = Scene::with_document(&stored).with_quay().with_token_file("new");
        scene.cluster().registry = registry;
        let found = run(&scene, |_| {}).await;
        let expected = (vec![Reason::RegistryUnavailable], is_written);
        assert_eq!((reasons(&found.0), found.1), expected, "{at_quay} {is_written}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_registries_have_the_new_credential_or_none_has() {
    const INTERNAL: &str = REGISTRY;
    let stored = document_for(&[(REGISTRY, "old"), ("quay.io", "old")]);
    for (registry, reason) in [
        (
            (|login| {
                if login.host == INTERNAL {
                    200
                } else {
                    by_age(login, 401, 200)
                }
            }) as fn(&Login<'_>) -> u16,
            Reason::CredentialRejected,
        ),
        (
            |login| {
                if login.host == INTERNAL {
                    by_age(login, 403, 200)
                } else {
                    200
                }
            },
            Reason::PullForbidden,
        ),
    ] {
        let scene = Scene::with_document(&stored).with_quay().with_token_file("new");
        scene.cluster().registry = registry;
        let (outcome, is_written) = run(&scene, |_| {}).await;
        assert_eq!((reasons(&outcome), is_written), (vec![reason], false));
    }
    let token = jwt("good", DAY);
    let scene = Scene::with_document(&document_for(&[(REGISTRY, &token)])).with_quay();
    let (outcome, is_written) = run(&scene, |_| {}).await;
    assert_eq!((reasons(&outcome), is_written), (vec![], true));
    assert_eq!(scene.cluster().document().matches("\"auth\"").count(), 2);
}
