//! Writes whose answer is lost: what the run reports of the Secret.

use std::time::Duration;

use http::Method;
use tokio::time::Instant;

use crate::{
    commands::{
        self,
        fixtures::{Cluster, PLACEHOLDER, Scene, document, jwt, reasons, settled},
        operation::Operation,
    },
    config::Mode,
    outcome::{Action, Outcome, Reason},
    transport::Failure,
};

type Matches = fn(&Method, &str) -> bool;

const IS_PLACEHOLDER: Matches = |_, path| path.contains("placeholder");
const IS_APPLY: Matches = |_, path| path.contains("force=true");

/// A run of `ensure` that SIGTERM ends after a second.
async fn stopped(scene: &Scene) -> Outcome {
    let run = async |operation: &mut Operation<'_>| {
        tokio::select! {
            outcome = commands::run(operation) => outcome,
            () = tokio::time::sleep(Duration::from_secs(1)) => operation.interrupted("received SIGTERM").await,
        }
    };
    scene.run_as(Mode::Ensure, Some("ensure-pull-secret"), run).await
}

fn id(outcome: &Outcome) -> Option<&str> {
    outcome.credential.credential_id.as_deref()
}

#[tokio::test(start_paused = true)]
async fn o9_a_write_that_was_done_is_found_by_a_last_read_after_sigterm() {
    let old = document(&jwt("old", 60));
    let unwrapped = old
        .strip_prefix("{\"auths\":")
        .and_then(|rest| rest.strip_suffix('}'));
    let unwrapped = unwrapped.expect("a document");
    for (scene, action) in [
        (Scene::new(), Action::Created),
        (Scene::with_document(&old), Action::Refreshed),
        (Scene::with_document(unwrapped), Action::Repaired),
        (
            settled().await.with("PULL_SECRET_DISPLAY_NAME", "Another"),
            Action::Refreshed,
        ),
    ] {
        scene.cluster().is_silent = IS_APPLY;
        let outcome = stopped(&scene).await;
        assert_eq!(
            (reasons(&outcome), outcome.action),
            (vec![Reason::Deadline], action)
        );
        assert_eq!(id(&outcome), Some("token-1"));
        assert!(outcome.credential.expires_at.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn o9_a_placeholder_that_was_done_is_found_by_a_last_read() {
    let scene = Scene::new();
    scene.cluster().is_silent = IS_PLACEHOLDER;
    let outcome = stopped(&scene).await;
    assert_eq!(
        (reasons(&outcome), outcome.action),
        (vec![Reason::Deadline], Action::Created)
    );
    assert_eq!(scene.cluster().writes, [PLACEHOLDER]);
}

#[tokio::test(start_paused = true)]
async fn o9_a_write_that_was_not_done_leaves_what_was_stored() {
    for (scene, action, stored) in [
        (Scene::new(), Action::Created, None),
        (
            Scene::with_document(&document(&jwt("old", 60))),
            Action::None,
            Some("old"),
        ),
    ] {
        scene.cluster().hangs = |_, path, _| IS_APPLY(&Method::PATCH, path);
        let outcome = stopped(&scene).await;
        assert_eq!((outcome.action, id(&outcome)), (action, stored));
    }
    let scene = Scene::new();
    scene.cluster().hangs = |_, path, _| IS_PLACEHOLDER(&Method::PATCH, path);
    assert_eq!(stopped(&scene).await.action, Action::None);
}

#[tokio::test(start_paused = true)]
async fn o9_a_write_is_unknown_if_the_secret_can_not_be_read_again() {
    for stored in [None, Some(document(&jwt("old", 60)))] {
        let scene = Scene::new();
        stored.iter().for_each(|stored| scene.cluster().store(stored));
        scene.cluster().is_silent = |_, path| path.contains("fieldManager");
        scene.cluster().hangs = |method, _, time| *method == Method::GET && time.as_millis() > 500;
        let started = Instant::now();
        let outcome = stopped(&scene).await;
        assert_eq!(
            (reasons(&outcome), outcome.action),
            (vec![Reason::Deadline], Action::Unknown)
        );
        assert_eq!((id(&outcome), outcome.credential.expires_at), (None, None));
        assert!(started.elapsed() <= Duration::from_secs(3));
    }
}

#[tokio::test(start_paused = true)]
async fn lost_write_of_metadata_leaves_the_expiry_known() {
    // Whether it was done or not, the same credential is stored.
    for is_done in [true, false] {
        let scene = settled().await.with("PULL_SECRET_DISPLAY_NAME", "Another");
        if is_done {
            scene.cluster().is_silent = IS_APPLY;
            scene.cluster().hangs = |method, _, time| *method == Method::GET && time.as_millis() > 500;
        } else {
            scene.cluster().hangs = |method, path, time| {
                IS_APPLY(method, path) || *method == Method::GET && time.as_millis() > 500
            };
        }
        let outcome = stopped(&scene).await;
        assert_eq!(outcome.action, Action::Unknown);
        assert_eq!(id(&outcome), Some("token-1"));
        assert!(outcome.credential.expires_at.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn o9_lost_answers_until_the_end_are_unknown_or_what_is_read() {
    // The write is done, and everything fails from then on.
    for (is_read, action) in [(true, Action::Refreshed), (false, Action::Unknown)] {
        for lose in [
            (|cluster| cluster.lost_answers = u32::MAX) as fn(&mut Cluster),
            |cluster| cluster.is_silent = IS_APPLY,
        ] {
            let scene = Scene::with_document(&document(&jwt("old", 60)));
            lose(&mut scene.cluster());
            if !is_read {
                scene.cluster().after_apply =
                    |cluster| cluster.fails = |method, _| (*method != Method::POST).then_some(503);
            }
            let outcome = scene.run(Mode::Ensure).await;
            let found = if is_read {
                vec![]
            } else {
                vec![Reason::ApiUnavailable]
            };
            assert_eq!((reasons(&outcome), outcome.action), (found, action));
            assert_eq!(id(&outcome), is_read.then_some("token-1"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn o9_a_write_that_is_refused_or_never_sent_is_not_unknown() {
    type Breaks = fn(&mut Cluster);
    let refused: Breaks = |cluster| cluster.fails = |method, _| (*method == Method::PATCH).then_some(403);
    let busy: Breaks = |cluster| cluster.fails = |method, _| (*method == Method::PATCH).then_some(429);
    let not_sent: Breaks = |cluster| {
        cluster.breaks = |method, _| (*method == Method::PATCH).then_some(Failure::Refused);
    };
    for breaks in [refused, busy, not_sent] {
        let scene = Scene::with_document(&document(&jwt("old", 60)));
        breaks(&mut scene.cluster());
        let outcome = scene.run(Mode::Ensure).await;
        assert_eq!((outcome.action, id(&outcome)), (Action::None, Some("old")));
    }
}

#[tokio::test(start_paused = true)]
async fn o9_a_panic_while_a_write_is_outstanding_reports_unknown() {
    let scene = Scene::with_document(&document(&jwt("old", 60)));
    scene.cluster().is_silent = IS_APPLY;
    let run = async |operation: &mut Operation<'_>| {
        let run = commands::run(operation);
        let ended = tokio::time::timeout(Duration::from_secs(1), run).await;
        assert!(ended.is_err(), "the answer is outstanding");
        // What the panic hook reports.
        operation.progress.outcome()
    };
    let outcome = scene.run_as(Mode::Ensure, None, run).await;
    assert_eq!((outcome.action, id(&outcome)), (Action::Unknown, None));
}
