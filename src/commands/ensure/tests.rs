//! What `ensure` writes and reports against a scripted API server and registry.

mod stored_token;

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use serde_json::json;

use crate::{
    commands::fixtures::{
        APPLY, Cluster, DAY, PLACEHOLDER, REGISTRY, Scene, TOKEN, document, jwt, reasons, settled,
    },
    config::Mode,
    outcome::{Action, Reason, Verified},
};

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
    let scene = Scene::with_document(&stored).with_token_file("another");
    scene.cluster().registry = |login| if login.password == "robot" { 200 } else { 404 };
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), [Reason::PullForbidden]);
    assert_eq!(scene.cluster().writes, Vec::<String>::new());
    assert_eq!(scene.cluster().document(), stored);
}

#[tokio::test(start_paused = true)]
async fn ensure_replaces_a_stored_token_that_is_rejected() {
    let scene = Scene::with_document(&document(&jwt("old", DAY)));
    scene.cluster().registry = |login| if is_old(login.password) { 401 } else { 200 };
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
async fn a_run_that_creates_the_secret_is_unchanged_the_second_time() {
    let scene = Scene::new().with_token_file("robot");
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
async fn a_write_that_is_refused_ends_ensure_and_changes_nothing() {
    let scene = Scene::with_document(&document(&jwt("old", 60)));
    scene.cluster().fails = |method, _| (*method == Method::PATCH).then_some(403);
    let before = scene.cluster().secret.clone();
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), [Reason::ApiForbidden]);
    assert_eq!((outcome.action, outcome.verified), (Action::None, Verified::None));
    assert_eq!(scene.cluster().secret, before);
}

#[tokio::test(start_paused = true)]
async fn ensure_keeps_a_usable_credential_while_the_registry_is_down() {
    const OLD: &str = "a token that expires soon";
    for (stored, file, is_written) in [
        (OLD, None, true),
        ("robot", None, false),
        ("robot", Some("another"), false),
        ("", Some("another"), true),
        ("", None, true),
    ] {
        let stored = match stored {
            OLD => document(&jwt("old", 60)),
            "" => r#"{"auths":{}}"#.to_owned(),
            robot => document(robot),
        };
        let mut scene = Scene::with_document(&stored);
        if let Some(file) = file {
            scene = scene.with_token_file(file);
        }
        scene.cluster().registry = |_| 503;
        let outcome = scene.run(Mode::Ensure).await;
        let name = format!("{stored} {file:?}");
        assert_eq!(reasons(&outcome), [Reason::RegistryUnavailable], "{name}");
        // The API server accepts a token that it issued: a warning, unless that was not enough to write it.
        let is_warning = outcome.findings.iter().all(|finding| finding.warning);
        assert_eq!(is_warning, file.is_none() && is_written, "{name}");
        let writes = &scene.cluster().writes;
        assert_eq!(writes.contains(&APPLY.to_owned()), is_written, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn ensure_writes_a_new_credential_whose_image_is_missing_for_both() {
    let scene = Scene::with_document(&document("robot")).with_token_file("another");
    scene.cluster().registry = |_| 404;
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), [Reason::RepositoryMissing]);
    assert_eq!(scene.cluster().writes, [APPLY]);
    assert_eq!(scene.cluster().document(), document("another"));
}

#[tokio::test(start_paused = true)]
async fn ensure_asks_a_rejected_credential_about_nothing_more() {
    let scene = Scene::with_document(&document(&jwt("old", DAY)));
    scene.cluster().registry = |login| if is_old(login.password) { 401 } else { 404 };
    scene.cluster().accepts = |token| !is_old(token);
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), [Reason::RepositoryMissing]);
    assert_eq!(scene.cluster().writes, [TOKEN, APPLY]);
    let passwords = &scene.cluster().passwords;
    let of_old = passwords.iter().take_while(|password| is_old(password)).count();
    assert!(of_old > 0, "it was verified");
    assert!(!passwords.iter().skip(of_old).any(|password| is_old(password)));
}

/// Until here the API server answers no read: the time for writing is over.
const WRITING: Duration = Duration::from_secs(54);

#[tokio::test(start_paused = true)]
async fn ensure_finds_a_lost_write_when_it_gives_up() {
    type Change = fn(&mut Cluster);
    let cases: [(Change, Option<Reason>, Action); 3] = [
        (|_| {}, None, Action::Refreshed),
        (
            |cluster| {
                if let Some(secret) = &mut cluster.secret {
                    secret["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
                }
            },
            Some(Reason::SecretTerminating),
            Action::None,
        ),
        (
            |cluster| cluster.store(&document("of-another")),
            Some(Reason::Conflict),
            Action::None,
        ),
    ];
    for (after_apply, reason, action) in cases {
        let scene = Scene::with_document(&document(&jwt("old", 60)));
        scene.cluster().lost_answers = 1;
        scene.cluster().after_apply = after_apply;
        scene.cluster().before = |method, cluster| {
            if *method == Method::PATCH {
                cluster.hangs = |method, _, elapsed| *method == Method::GET && elapsed < WRITING;
            }
        };
        let outcome = scene.run(Mode::Ensure).await;
        assert_eq!(
            (reasons(&outcome), outcome.action),
            (Vec::from_iter(reason), action)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn ensure_reports_a_conflict_only_where_it_started_over_and_time_is_over() {
    for (is_conflict, reason) in [(true, Reason::Conflict), (false, Reason::ApiUnavailable)] {
        let scene = Scene::with_document(&document(&jwt("old", 60)));
        scene.cluster().before = |method, cluster| {
            if *method == Method::PATCH {
                cluster.touch();
                cluster.hangs = |method, _, _| *method == Method::GET;
            }
        };
        if !is_conflict {
            scene.cluster().hangs = |method, _, _| *method == Method::GET;
        }
        assert_eq!(reasons(&scene.run(Mode::Ensure).await), [reason]);
    }
    // An answer that is not retried ends the run, whatever happened before.
    let scene = Scene::with_document(&document(&jwt("old", 60)));
    scene.cluster().before = |method, cluster| {
        if *method == Method::PATCH {
            cluster.touch();
            cluster.fails = |method, _| (*method == Method::GET).then_some(404);
        }
    };
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), [Reason::ApiRejected]);
    assert!(scene.cluster().started.elapsed() < WRITING);
}

#[tokio::test(start_paused = true)]
async fn ensure_reports_excess_permissions_of_the_credential_that_it_wrote() {
    for (verify, rights) in [
        ("registry", Some(vec!["secrets (all verbs)".to_owned()])),
        ("api", Some(vec!["secrets (all verbs)".to_owned()])),
        ("structure", None),
    ] {
        let scene = Scene::new().with("PULL_SECRET_VERIFY", verify);
        scene.cluster().rules = &["secrets"];
        let excess = scene.run(Mode::Ensure).await.excess;
        let remedy = excess.as_ref().and_then(|excess| excess.remedy.clone());
        assert_eq!(excess.map(|excess| excess.rights), rights, "{verify}");
        let Some(remedy) = remedy else { continue };
        for part in [
            "kind: ServiceAccount\nmetadata:\n  name: image-puller\n  namespace: demo\n",
            "  name: image-puller-image-puller\n  namespace: team\n",
            "- kind: ServiceAccount\n  name: ensure-pull-secret\n  namespace: demo\n",
        ] {
            assert!(remedy.contains(part), "{part} {remedy}");
        }
    }
    let scene = Scene::new();
    let excess = scene.run(Mode::Ensure).await.excess.expect("a review");
    assert_eq!((excess.rights, excess.remedy), (vec![], None));
    let scene = Scene::new();
    scene.cluster().hangs = |_, path, _| path.ends_with("/selfsubjectrulesreviews");
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!((reasons(&outcome), outcome.excess), (vec![], None));
    let elapsed = scene.cluster().started.elapsed();
    assert!(
        elapsed < Duration::from_secs(6),
        "the review is bounded: {elapsed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn ensure_reports_a_token_request_or_placeholder_that_is_refused() {
    type Fails = fn(&Method, &str) -> Option<u16>;
    let token: Fails = |_, path| path.ends_with("/token").then_some(403);
    let placeholder: Fails = |method, _| (*method == Method::PATCH).then_some(403);
    for (fails, action, writes) in [
        (token, Action::Created, vec![PLACEHOLDER]),
        (placeholder, Action::None, vec![]),
    ] {
        let scene = Scene::new();
        scene.cluster().fails = fails;
        let outcome = scene.run(Mode::Ensure).await;
        assert_eq!(
            (reasons(&outcome), outcome.action),
            (vec![Reason::ApiForbidden], action)
        );
        assert_eq!(scene.cluster().writes, writes);
    }
}

#[tokio::test(start_paused = true)]
async fn ensure_requests_a_token_for_the_secret_that_replaced_another() {
    let scene = Scene::with_document(&document(&jwt("old", 60)));
    // Another Secret of the same name, from the first token request on.
    scene.cluster().before = |method, cluster| {
        if *method == Method::POST
            && cluster.issued == 0
            && let Some(secret) = &mut cluster.secret
        {
            secret["metadata"]["uid"] = "7a1c".into();
        }
    };
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), vec![]);
    assert_eq!(scene.cluster().writes, [TOKEN, APPLY]);
}

#[tokio::test(start_paused = true)]
async fn ensure_ends_with_an_expired_file_and_verifies_a_stored_one_once() {
    let scene = Scene::with_document(&document("robot")).with_token_file("robot");
    scene.cluster().registry = |_| 401;
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!(reasons(&outcome), [Reason::CredentialRejected]);
    assert_eq!(scene.cluster().passwords.len(), 2, "one retry, then no more");
    for mode in [Mode::Ensure, Mode::Plan, Mode::Doctor] {
        let scene = Scene::with_document(&document("robot")).with_token_file(jwt("old", -60));
        let outcome = scene.run(mode).await;
        assert_eq!(reasons(&outcome), [Reason::CredentialExpired], "{mode:?}");
        assert_eq!(scene.cluster().writes, Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn ensure_starts_over_where_the_secret_is_gone_at_the_token_request() {
    let scene = Scene::with_document(&document(&jwt("old", 60)));
    scene.cluster().before = |method, cluster| {
        if *method == Method::POST && cluster.writes.is_empty() {
            cluster.secret = None;
        }
    };
    let outcome = scene.run(Mode::Ensure).await;
    assert_eq!((reasons(&outcome), outcome.action), (vec![], Action::Created));
    assert_eq!(scene.cluster().writes, [PLACEHOLDER, TOKEN, APPLY]);
}

#[tokio::test(start_paused = true)]
async fn o8_a_placeholder_whose_answer_was_lost_counts_as_created() {
    for file in [None, Some("robot")] {
        let mut scene = Scene::new();
        if let Some(file) = file {
            scene = scene.with_token_file(file);
        }
        scene.cluster().lost_placeholders = 1;
        let outcome = scene.run(Mode::Ensure).await;
        assert_eq!((reasons(&outcome), outcome.action), (vec![], Action::Created));
        assert_eq!(scene.cluster().writes[..2], [PLACEHOLDER, PLACEHOLDER]);
    }
    // What failed before is no creation: the Secret is there.
    let scene = Scene::with_document(&document(&jwt("old", 60)));
    scene.cluster().lost_answers = 1;
    assert_eq!(scene.run(Mode::Ensure).await.action, Action::Refreshed);
}
