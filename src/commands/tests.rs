//! What each command does against a scripted API server and registry: writes, result and finding.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use serde_json::json;

use super::fixtures::{Cluster, REGISTRY, Scene, document, jwt};
use crate::{
    config::Mode,
    outcome::{Action, Outcome, Reason, Verified},
};

const PLACEHOLDER: &str = "apply ensure-pull-secret-placeholder";
const APPLY: &str = "apply ensure-pull-secret";
const TOKEN: &str = "token";
const DAY: i64 = 86_400;

fn reasons(outcome: &Outcome) -> Vec<Reason> {
    outcome.findings.iter().map(|finding| finding.reason).collect()
}

/// A Secret as a first run leaves it.
async fn settled() -> Scene {
    let scene = Scene::new();
    scene.run(Mode::Ensure).await;
    scene.cluster().writes.clear();
    scene
}

#[tokio::test(start_paused = true)]
async fn ensure_creates_a_placeholder_a_token_and_the_secret() {
    let scene = Scene::new();
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), vec![]);
    assert_eq!(
        (outcome.action, outcome.verified),
        (Action::Created, Verified::Pull)
    );
    assert_eq!(scene.cluster().writes, [PLACEHOLDER, TOKEN, APPLY]);
    assert_eq!(outcome.credential.credential_id.as_deref(), Some("token-1"));
}

#[tokio::test(start_paused = true)]
async fn ensure_writes_nothing_where_nothing_is_to_change() {
    let scene = settled().await;
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), vec![]);
    assert_eq!(
        (outcome.action, outcome.verified),
        (Action::Unchanged, Verified::Pull)
    );
    assert_eq!(scene.cluster().writes, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn ensure_corrects_metadata_without_a_new_token() {
    let scene = settled().await;
    let stored = scene.cluster().document();
    if let Some(secret) = &mut scene.cluster().secret {
        secret["metadata"]["labels"] = json!({});
    }
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), vec![]);
    assert_eq!(
        (outcome.action, outcome.verified),
        (Action::Refreshed, Verified::Pull)
    );
    assert_eq!(scene.cluster().writes, [APPLY]);
    assert_eq!(scene.cluster().document(), stored);
}

#[tokio::test(start_paused = true)]
async fn ensure_replaces_what_is_due_and_repairs_the_document() {
    let unwrapped = json!({REGISTRY: {"auth": "dTpw"}}).to_string();
    for (stored, action) in [
        (document(&jwt("old", 60)), Action::Refreshed),
        (document("a-robots-password"), Action::Refreshed),
        (r#"{"auths":{}}"#.to_owned(), Action::Refreshed),
        (unwrapped, Action::Repaired),
    ] {
        let scene = Scene::with_document(&stored);
        let outcome = scene.run(Mode::Ensure).await;
        assert_eq!(reasons(&outcome), vec![], "{stored}");
        assert_eq!(
            (outcome.action, outcome.verified),
            (action, Verified::Pull),
            "{stored}"
        );
        assert_eq!(scene.cluster().writes, [TOKEN, APPLY], "{stored}");
        assert_eq!(outcome.credential.credential_id.as_deref(), Some("token-1"));
    }
}

#[tokio::test(start_paused = true)]
async fn ensure_ends_early_where_the_secret_can_not_be_corrected() {
    type Change = fn(&mut Cluster);
    let cases: [(Change, Reason); 5] = [
        (
            |cluster| {
                if let Some(secret) = &mut cluster.secret {
                    secret["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
                }
            },
            Reason::SecretTerminating,
        ),
        (
            |cluster| {
                if let Some(secret) = &mut cluster.secret {
                    secret["type"] = "Opaque".into();
                }
            },
            Reason::WrongType,
        ),
        (
            |cluster| {
                if let Some(secret) = &mut cluster.secret {
                    secret["immutable"] = true.into();
                }
            },
            Reason::Immutable,
        ),
        (|cluster| cluster.store("{"), Reason::DocumentUnreadable),
        (
            |cluster| cluster.store(r#"{"auths":{},"AUTHS":{}}"#),
            Reason::DocumentAmbiguous,
        ),
    ];
    for mode in [Mode::Ensure, Mode::Plan, Mode::Doctor] {
        for (change, reason) in cases {
            let scene = Scene::with_document(&document(&jwt("old", 60)));
            change(&mut scene.cluster());
            let before = scene.cluster().secret.clone();
            let outcome = scene.run(mode).await;
            assert_eq!(reasons(&outcome), [reason], "{mode:?}");
            assert_eq!(scene.cluster().secret, before, "{mode:?} {reason:?}");
            assert!(!scene.cluster().writes.iter().any(|write| write != TOKEN));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ensure_starts_over_after_a_conflict_and_reuses_its_token() {
    let scene = Scene::with_document(&document(&jwt("old", 60)));
    // Another writer changes the Secret between the first read and the first apply.
    scene.cluster().before = |method, cluster| {
        if *method == Method::PATCH && cluster.writes.len() == 1 {
            cluster.touch();
        }
    };
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), vec![]);
    assert_eq!(outcome.action, Action::Refreshed);
    assert_eq!(scene.cluster().writes, [TOKEN, APPLY, APPLY]);
}

#[tokio::test(start_paused = true)]
async fn ensure_gives_up_with_conflict_when_others_write_all_the_time() {
    let scene = Scene::with_document(&document(&jwt("old", 60)));
    scene.cluster().before = |method, cluster| {
        if *method == Method::PATCH {
            cluster.touch();
        }
    };
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), [Reason::Conflict]);
    assert_eq!(outcome.action, Action::None);
    assert_eq!(scene.cluster().issued, 1, "the token is used again");
}

#[tokio::test(start_paused = true)]
async fn ensure_reports_a_controller_that_reverts_the_write_twice() {
    let scene = Scene::with_document(&document(&jwt("old", 60)));
    scene.cluster().after_apply = |cluster| cluster.store(r#"{"auths":{}}"#);
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), [Reason::Reverted]);
    assert_eq!(scene.cluster().writes, [TOKEN, APPLY, APPLY]);
}

#[tokio::test(start_paused = true)]
async fn ensure_leaves_a_good_credential_that_another_run_wrote_meanwhile() {
    let scene = Scene::with_document(&document(&jwt("old", 60)));
    scene.cluster().after_apply = |cluster| cluster.store(&document(&jwt("another", DAY)));
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), vec![]);
    assert_eq!(outcome.credential.credential_id.as_deref(), Some("another"));
    assert_eq!(outcome.verified, Verified::Pull);
    assert_eq!(scene.cluster().writes, [TOKEN, APPLY]);
}

#[tokio::test(start_paused = true)]
async fn ensure_keeps_out_a_new_credential_that_is_rejected() {
    for stored in [r#"{"auths":{}}"#.to_owned(), document("robot")] {
        let scene = Scene::with_document(&stored);
        scene.cluster().registry = |_| 401;
        scene.cluster().accepts = |_| false;
        let outcome = scene.run(Mode::Ensure).await;
        assert_eq!(reasons(&outcome), [Reason::CredentialRejected], "{stored}");
        assert_eq!(outcome.action, Action::None);
        assert_eq!(scene.cluster().writes, [TOKEN]);
        assert_eq!(scene.cluster().document(), stored);
    }
}

#[tokio::test(start_paused = true)]
async fn ensure_leaves_a_placeholder_where_the_first_token_is_rejected() {
    let scene = Scene::new();
    scene.cluster().registry = |_| 401;
    scene.cluster().accepts = |_| false;
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), [Reason::CredentialRejected]);
    assert_eq!(outcome.action, Action::Created);
    assert_eq!(scene.cluster().writes, [PLACEHOLDER, TOKEN]);
    assert_eq!(scene.cluster().document(), r#"{"auths":{}}"#);
}

#[tokio::test(start_paused = true)]
async fn ensure_keeps_a_stored_credential_that_does_more_with_the_image() {
    let stored = document("robot");
    let scene = Scene::with_document(&stored).from_file("another");
    scene.cluster().registry = |password| if password == "robot" { 200 } else { 404 };
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), [Reason::PullForbidden]);
    assert_eq!(scene.cluster().writes, Vec::<String>::new());
    assert_eq!(scene.cluster().document(), stored);
}

#[tokio::test(start_paused = true)]
async fn ensure_replaces_a_stored_token_that_is_rejected() {
    let scene = Scene::with_document(&document(&jwt("old", DAY)));
    scene.cluster().registry = |token| if is_old(token) { 401 } else { 200 };
    scene.cluster().accepts = |token| !is_old(token);
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), vec![]);
    assert_eq!(
        (outcome.action, outcome.verified),
        (Action::Refreshed, Verified::Pull)
    );
    assert_eq!(scene.cluster().writes, [TOKEN, APPLY]);
}

/// Whether the claims hold the id `old`.
fn is_old(token: &str) -> bool {
    let claims = token.split('.').nth(1).unwrap_or_default();
    URL_SAFE_NO_PAD
        .decode(claims)
        .is_ok_and(|claims| String::from_utf8_lossy(&claims).contains("\"old\""))
}

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
async fn a_run_that_creates_the_secret_is_unchanged_the_second_time() {
    let scene = Scene::new().from_file("robot");
    let first = scene.run(Mode::Ensure).await;
    assert_eq!((first.action, reasons(&first)), (Action::Created, vec![]));
    assert_eq!(scene.cluster().writes, [PLACEHOLDER, APPLY]);
    let second = scene.run(Mode::Ensure).await;
    assert_eq!((second.action, reasons(&second)), (Action::Unchanged, vec![]));
    assert_eq!(scene.cluster().writes.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn ensure_finds_a_write_whose_answer_was_lost() {
    let scene = Scene::with_document(&document(&jwt("old", 60)));
    scene.cluster().lost_answers = 1;
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), vec![]);
    assert_eq!(
        (outcome.action, outcome.verified),
        (Action::Refreshed, Verified::Pull)
    );
    assert_eq!(scene.cluster().issued, 1);
    assert_eq!(scene.cluster().writes, [TOKEN, APPLY, APPLY]);
}

#[tokio::test(start_paused = true)]
async fn ensure_does_not_claim_the_placeholder_of_another_run() {
    let scene = Scene::new();
    scene.cluster().before = |method, cluster| {
        if *method == Method::PATCH && cluster.secret.is_none() {
            cluster.store(r#"{"auths":{}}"#);
        }
    };
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), vec![]);
    assert_eq!(outcome.action, Action::Refreshed);
    assert_eq!(scene.cluster().writes, [PLACEHOLDER, TOKEN, APPLY]);
}

#[tokio::test(start_paused = true)]
async fn ensure_takes_the_credential_of_a_run_that_was_first() {
    let scene = Scene::new();
    scene.cluster().before = |method, cluster| {
        if *method == Method::PATCH && cluster.secret.is_none() {
            cluster.store(&document(&jwt("another", DAY)));
        }
    };
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), vec![]);
    assert_eq!(outcome.credential.credential_id.as_deref(), Some("another"));
    assert_eq!(scene.cluster().writes, [PLACEHOLDER, APPLY]);
}

#[tokio::test(start_paused = true)]
async fn ensure_blames_the_deletion_for_a_token_that_ended_with_it() {
    let scene = Scene::with_document(&document(&jwt("old", 60)));
    scene.cluster().registry = |_| 401;
    scene.cluster().accepts = |_| false;
    scene.cluster().before = |method, cluster| {
        if *method == Method::GET
            && cluster.issued > 0
            && let Some(secret) = &mut cluster.secret
        {
            secret["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
    };
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), [Reason::SecretTerminating]);
    assert_eq!(scene.cluster().writes, [TOKEN]);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_api_server_ends_each_command_with_its_reason() {
    type Fails = fn(&Method) -> Option<u16>;
    let cases: [(Fails, Reason); 4] = [
        (|_| Some(401), Reason::ApiForbidden),
        (|_| Some(403), Reason::ApiForbidden),
        (|_| Some(404), Reason::ApiUnavailable),
        (|_| Some(500), Reason::ApiUnavailable),
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
async fn a_write_that_is_refused_ends_ensure_and_changes_nothing() {
    let scene = Scene::with_document(&document(&jwt("old", 60)));
    scene.cluster().fails = |method| (*method == Method::PATCH).then_some(403);
    let before = scene.cluster().secret.clone();
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), [Reason::ApiForbidden]);
    assert_eq!((outcome.action, outcome.verified), (Action::None, Verified::None));
    assert_eq!(scene.cluster().secret, before);
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
