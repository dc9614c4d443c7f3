//! Which questions the registries and the API server are asked about a credential.

use crate::{
    commands::fixtures::{DAY, REGISTRY, Scene, document, document_for, jwt, reasons},
    config::Mode,
    outcome::{Reason, Verified},
};

#[tokio::test(start_paused = true)]
async fn without_an_image_the_login_is_verified() {
    for (password, status, is_accepted, expected, verified) in [
        ("robot".to_owned(), 200, true, vec![], Verified::Login),
        (
            "robot".to_owned(),
            401,
            true,
            vec![Reason::CredentialRejected],
            Verified::None,
        ),
        (
            "robot".to_owned(),
            418,
            true,
            vec![Reason::RegistryProtocol],
            Verified::None,
        ),
        (jwt("good", DAY), 200, true, vec![], Verified::Login),
        (
            jwt("good", DAY),
            401,
            false,
            vec![Reason::CredentialRejected],
            Verified::None,
        ),
        (
            jwt("good", DAY),
            401,
            true,
            vec![Reason::RegistryUnavailable],
            Verified::Review,
        ),
    ] {
        let scene = Scene::with_document(&document(&password)).with("PULL_SECRET_IMAGE", "");
        scene.cluster().registry = match status {
            200 => |_| 200,
            401 => |_| 401,
            _ => |_| 418,
        };
        scene.cluster().accepts = if is_accepted { |_| true } else { |_| false };
        let outcome = scene.run(Mode::Verify).await;
        let name = format!("{password} {status} {is_accepted}");
        assert_eq!(
            (reasons(&outcome), outcome.verified),
            (expected, verified),
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_no_image_stream_is_missing_at_openshifts_registry() {
    let image = format!("{REGISTRY}/app:1");
    for (status, reason) in [
        (200, Reason::RepositoryMissing),
        (401, Reason::CredentialRejected),
    ] {
        let scene = Scene::with_document(&document("robot")).with("PULL_SECRET_IMAGE", &image);
        scene.cluster().registry = if status == 200 { |_| 200 } else { |_| 401 };
        assert_eq!(reasons(&scene.run(Mode::Verify).await), [reason]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_that_pushes_is_verified_by_an_upload() {
    for (status, expected) in [(202, vec![]), (403, vec![Reason::PullForbidden])] {
        let scene = Scene::with_document(&document("robot")).with("PULL_SECRET_ACCESS", "Push,Pull");
        scene.cluster().registry = match status {
            202 => |login| {
                if login.path.contains("/uploads/") {
                    202
                } else {
                    200
                }
            },
            _ => |login| {
                if login.path.contains("/uploads/") {
                    403
                } else {
                    200
                }
            },
        };
        assert_eq!(reasons(&scene.run(Mode::Verify).await), expected);
        assert_eq!(
            scene.cluster().reviews,
            Vec::<String>::new(),
            "another's password is not reviewed"
        );
    }
    let token = document(&jwt("good", DAY));
    for (fails, expected) in [(false, vec![]), (true, vec![Reason::ApiUnavailable])] {
        let scene = Scene::with_document(&token).with("PULL_SECRET_ACCESS", "Push,Pull");
        if fails {
            scene.cluster().fails = |_, path| path.ends_with("accessreviews").then_some(503);
        }
        assert_eq!(reasons(&scene.run(Mode::Verify).await), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_api_server_alone_is_asked_where_the_registry_is_not() {
    let token = jwt("good", DAY);
    for (verify, expected, verified) in [
        ("api", vec![Reason::NotVerified], Verified::Review),
        ("structure", vec![Reason::NotVerified; 2], Verified::None),
    ] {
        let stored = document_for(&[(REGISTRY, &token), ("quay.io", &token)]);
        let scene = Scene::with_document(&stored)
            .with_quay()
            .with("PULL_SECRET_VERIFY", verify);
        let outcome = scene.run(Mode::Verify).await;
        assert_eq!(
            (reasons(&outcome), outcome.verified),
            (expected, verified),
            "{verify}"
        );
        assert_eq!(scene.cluster().passwords, Vec::<String>::new());
        // Only an image stream has a permission on the API server.
        let reviews = usize::from(verify == "api");
        assert_eq!(scene.cluster().reviews.len(), reviews, "{verify}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_challenge_is_not_that_of_openshifts_registry() {
    let scene = Scene::with_document(&document(&jwt("good", DAY)));
    scene.cluster().challenge = |_| None;
    scene.cluster().ping = Some((200, "ok"));
    let outcome = scene.run(Mode::Verify).await;
    assert_eq!(
        (reasons(&outcome), outcome.verified),
        (vec![Reason::RegistryProtocol], Verified::Review)
    );
    assert_eq!(scene.cluster().passwords, Vec::<String>::new());
    assert_eq!(scene.cluster().reviews.len(), 1, "the permission to pull");
    // At another registry, an image's repository can tell.
    let scene = Scene::with_document(&document_for(&[("quay.io", "robot")]));
    let scene = scene
        .with_quay()
        .with("PULL_SECRET_REGISTRY", "quay.io")
        .with("PULL_SECRET_IMAGE", "quay.io/team/app:1");
    scene.cluster().challenge = |_| None;
    scene.cluster().ping = Some((404, ""));
    assert_eq!(
        reasons(&scene.run(Mode::Verify).await),
        [Reason::RegistryAnonymous]
    );
}

#[tokio::test(start_paused = true)]
async fn two_entries_of_one_host_are_verified_by_one_login() {
    let team = format!("{REGISTRY}/team");
    let scene = Scene::with_document(&document("robot")).with_token_file("robot");
    let scene = scene.with("PULL_SECRET_REGISTRY", format!("{REGISTRY},{team}"));
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!((reasons(&outcome), outcome.verified), (vec![], Verified::Pull));
    assert_eq!((outcome.registries.len(), outcome.images.len()), (2, 1));
    assert_eq!(scene.cluster().passwords.len(), 1, "the image alone");
}

#[tokio::test(start_paused = true)]
async fn credential_helpers_are_counted_with_and_without_an_image() {
    let helpers = format!(r#""credsStore":"desktop","credHelpers":{{"{REGISTRY}":"ecr-login"}}"#);
    for (members, warning) in [
        (r#""credsStore":"desktop""#, "credential store desktop"),
        (helpers.as_str(), "credential helper ecr-login"),
    ] {
        let token = jwt("good", DAY);
        let stored = document(&token).replacen('{', &format!("{{{members},"), 1);
        for image in [format!("{REGISTRY}/team/app:1"), String::new()] {
            for mode in [Mode::Verify, Mode::Ensure] {
                let scene = Scene::with_document(&stored).with("PULL_SECRET_IMAGE", &image);
                let outcome = scene.run(mode).await;
                assert_eq!(reasons(&outcome), [], "{mode:?}");
                let found: Vec<_> = outcome
                    .warnings
                    .iter()
                    .filter(|text| text.contains(warning))
                    .collect();
                assert_eq!(found.len(), 1, "{mode:?} {image:?} {:?}", outcome.warnings);
            }
        }
    }
}
