//! What the commands that write nothing report against a scripted API server and registry.

use http::Method;
use serde_json::json;

use super::fixtures::{DAY, REGISTRY, Scene, document, jwt, reasons, settled};
use crate::{
    config::Mode,
    outcome::{Action, Reason, Verified},
};

#[tokio::test(start_paused = true)]
async fn verify_reports_what_is_stored_and_writes_nothing() {
    let absent = Scene::new();
    assert_eq!(reasons(&absent.run(Mode::Verify).await), [Reason::SecretMissing]);
    for (stored, expected) in [
        (document(&jwt("good", DAY)), vec![]),
        (document(&jwt("old", -60)), vec![Reason::CredentialExpired]),
        ("{}".to_owned(), vec![Reason::AuthsMissing]),
        (r#"{"auths":{}}"#.to_owned(), vec![Reason::NoMatchingEntry]),
    ] {
        let scene = Scene::with_document(&stored);
        let outcome = scene.run(Mode::Verify).await;
        assert_eq!(reasons(&outcome), expected, "{stored}");
        let verified = if expected.is_empty() {
            Verified::Pull
        } else {
            Verified::None
        };
        assert_eq!(outcome.verified, verified, "{stored}");
        assert_eq!(scene.cluster().writes, Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn plan_names_the_action_and_writes_nothing() {
    let unwrapped = json!({REGISTRY: {"auth": "dTpw"}}).to_string();
    for (stored, action) in [
        (None, Action::Created),
        (Some(document(&jwt("old", 60))), Action::Refreshed),
        (Some(document(&jwt("good", DAY))), Action::Refreshed),
        (Some(unwrapped), Action::Repaired),
    ] {
        let scene = Scene::new();
        if let Some(stored) = &stored {
            scene.cluster().store(stored);
        }
        let outcome = scene.run(Mode::Plan).await;
        assert_eq!(reasons(&outcome), vec![], "{stored:?}");
        assert_eq!(outcome.plan.map(|plan| plan.action), Some(action), "{stored:?}");
        assert_eq!(scene.cluster().writes, Vec::<String>::new());
    }
    let scene = settled().await;
    let plan = scene.run(Mode::Plan).await.plan.expect("a plan");
    assert_eq!((plan.action, plan.because), (Action::Unchanged, None));
}

#[tokio::test(start_paused = true)]
async fn plan_and_doctor_report_a_permission_that_is_missing() {
    for mode in [Mode::Plan, Mode::Doctor] {
        for (denies, is_stored) in [(&["patch"][..], true), (&["create"], false)] {
            let scene = Scene::new();
            if is_stored {
                scene.cluster().store(&document(&jwt("old", 60)));
            }
            scene.cluster().denies = denies;
            let outcome = scene.run(mode).await;
            assert!(
                reasons(&outcome).contains(&Reason::ApiForbidden),
                "{mode:?} {denies:?}"
            );
            assert_eq!(scene.cluster().writes, Vec::<String>::new());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_api_server_ends_each_command_with_its_reason() {
    type Fails = fn(&Method, &str) -> Option<u16>;
    let cases: [(Fails, Reason); 4] = [
        (|_, _| Some(401), Reason::ApiForbidden),
        (|_, _| Some(403), Reason::ApiForbidden),
        (|_, _| Some(404), Reason::ApiUnavailable),
        (|_, _| Some(500), Reason::ApiUnavailable),
    ];
    for mode in [Mode::Ensure, Mode::Verify, Mode::Plan, Mode::Doctor] {
        for (fails, reason) in cases {
            let scene = settled().await;
            scene.cluster().fails = fails;
            let outcome = scene.run(mode).await;
            assert_eq!(reasons(&outcome), [reason], "{mode:?}");
            assert_eq!(scene.cluster().writes, Vec::<String>::new(), "{mode:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn doctor_describes_what_is_stored() {
    for (stored, line) in [
        (None, "there is no Secret pull yet: ensure creates it"),
        (
            Some(document(&jwt("old", 60))),
            "a new credential is due for Secret pull: too little is left of the stored token's life",
        ),
        (
            Some(document(&jwt("good", DAY))),
            "labels, annotations or keys of Secret pull differ from what ensure writes",
        ),
    ] {
        let scene = Scene::new();
        if let Some(stored) = &stored {
            scene.cluster().store(stored);
        }
        let outcome = scene.run(Mode::Doctor).await;
        assert_eq!(reasons(&outcome), vec![], "{line}");
        let lines: Vec<_> = outcome.lines.iter().map(|check| &check.message).collect();
        assert!(lines.iter().any(|message| *message == line), "{lines:?}");
    }
    let outcome = settled().await.run(Mode::Doctor).await;
    assert_eq!((reasons(&outcome), outcome.verified), (vec![], Verified::Pull));
    let holds = "Secret pull holds a credential, bound to this Secret, until ";
    assert!(outcome.lines.iter().any(|check| check.message.starts_with(holds)));
}

#[tokio::test(start_paused = true)]
async fn plan_and_doctor_report_a_token_request_that_is_denied() {
    for mode in [Mode::Plan, Mode::Doctor] {
        let scene = Scene::with_document(&document(&jwt("old", 60)));
        scene.cluster().fails = |_, path| path.ends_with("/token").then_some(403);
        let outcome = scene.run(mode).await;
        assert_eq!(reasons(&outcome), [Reason::ApiForbidden], "{mode:?}");
        assert_eq!(scene.cluster().writes, Vec::<String>::new());
    }
}
