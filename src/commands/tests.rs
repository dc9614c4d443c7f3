//! What the commands that write nothing report against a scripted API server and registry.

mod api_errors;
mod dry_run;
mod lost_answers;
mod reviews;
mod rewritten;

use http::Method;
use serde_json::json;

use super::{
    Operation,
    fixtures::{DAY, REGISTRY, Scene, document, jwt, reasons, settled},
};
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
        (|_, _| Some(404), Reason::ApiRejected),
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
            "a new credential is due for Secret pull: the stored token expires too soon",
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

#[tokio::test(start_paused = true)]
async fn plan_shows_the_change_and_the_end_of_ensure() {
    let scene = settled().await;
    if let Some(secret) = &mut scene.cluster().secret {
        secret["metadata"]["labels"] = json!({});
    }
    let outcome = scene.run(Mode::Plan).await;
    assert_eq!((reasons(&outcome), outcome.verified), (vec![], Verified::Pull));
    let plan = outcome.plan.expect("a plan");
    assert_eq!(
        (plan.action, plan.because),
        (Action::Refreshed, Some("labels, annotations or keys differ"))
    );
    scene.cluster().denies = &["patch"];
    let outcome = scene.run(Mode::Plan).await;
    assert_eq!(
        (reasons(&outcome), outcome.verified),
        (vec![Reason::ApiForbidden], Verified::None)
    );
    assert!(outcome.plan.is_some(), "it is shown all the same");
    let paste = outcome.findings[0].paste.clone().unwrap_or_default();
    assert!(
        paste.contains("name: ensure-pull-secret\n  namespace: demo\n"),
        "{paste}"
    );

    // The new token would expire before the next run.
    let scene = Scene::with_document(&document(&jwt("old", 60)));
    let scene = scene
        .with("PULL_SECRET_TOKEN_LIFETIME", "1h")
        .with("PULL_SECRET_NEXT_RUN_WITHIN", "2h");
    let outcome = scene.run(Mode::Plan).await;
    assert_eq!(reasons(&outcome), [Reason::ExpiresBeforeNextRun]);
    let plan = outcome.plan.expect("a plan");
    assert_eq!(plan.because, Some("the stored token expires too soon"));
    assert!(
        plan.diff.0.iter().any(|(_, line)| line.contains("credential-id")),
        "{:?}",
        plan.diff
    );
    // The report is about what is stored.
    assert_eq!(outcome.credential.credential_id.as_deref(), Some("old"));
}

#[tokio::test(start_paused = true)]
async fn plan_verifies_a_password_and_shows_no_change_that_is_not_made() {
    for (status, expected, is_planned) in [
        (200, vec![], true),
        (401, vec![Reason::CredentialRejected], false),
        (404, vec![Reason::RepositoryMissing], true),
    ] {
        let scene = Scene::with_document(&document("old")).with_token_file("new");
        scene.cluster().registry = match status {
            401 => |_| 401,
            404 => |_| 404,
            _ => |_| 200,
        };
        let outcome = scene.run(Mode::Plan).await;
        assert_eq!(
            (reasons(&outcome), outcome.plan.is_some()),
            (expected, is_planned)
        );
        assert_eq!(
            outcome.verified,
            Verified::None,
            "the stored one was not verified"
        );
        assert_eq!(scene.cluster().writes, Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn commands_that_need_a_source_report_that_there_is_none() {
    for (mode, expected) in [
        (Mode::Ensure, vec![Reason::InvalidConfiguration]),
        (Mode::Plan, vec![Reason::InvalidConfiguration]),
        (Mode::Doctor, vec![Reason::InvalidConfiguration]),
        (Mode::Verify, vec![]),
    ] {
        let scene = Scene::with_document(&document(&jwt("good", DAY)));
        let scene = scene.with("PULL_SECRET_SERVICE_ACCOUNT", "");
        let run = async |operation: &mut Operation<'_>| super::run(operation).await;
        let outcome = scene.run_as(mode, None, run).await;
        assert_eq!(reasons(&outcome), expected, "{mode:?}");
        assert_eq!(scene.cluster().writes, Vec::<String>::new());
    }
}
