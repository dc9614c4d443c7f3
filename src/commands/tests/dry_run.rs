//! What only a server-side dry run shows: quotas, admission policies, validation.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Method;
use serde_json::{Value, json};

use crate::{
    commands::fixtures::{Scene, document, jwt, reasons, settled},
    config::Mode,
    kubernetes::secret::DOCUMENT_KEY,
    outcome::Reason,
};

type Refuses = fn(&Method, &str) -> Option<Value>;

const QUOTA: &str = "secrets \"pull\" is forbidden: exceeded quota: full, requested: count/secrets=1";
const POLICY: &str = "ValidatingAdmissionPolicy 'naming' with binding 'b' denied request: no";
const NO_DRY_RUN: &str = "admission webhook \"old.example.com\" does not support dry run";

#[tokio::test(start_paused = true)]
async fn o7_what_forbids_the_placeholder_ends_plan_and_doctor_as_ensure() {
    let cases: [(Refuses, Reason); 3] = [
        (
            |method, _| (method == Method::PATCH).then(|| json!({"code": 403, "message": QUOTA})),
            Reason::ApiForbidden,
        ),
        (
            |method, _| (method == Method::PATCH).then(|| json!({"code": 422, "message": POLICY})),
            Reason::ApiForbidden,
        ),
        (
            |method, _| (method == Method::PATCH).then(|| json!({"code": 413})),
            Reason::ApiRejected,
        ),
    ];
    for (refuses, reason) in cases {
        let mut causes = Vec::new();
        for mode in [Mode::Ensure, Mode::Plan, Mode::Doctor] {
            let scene = Scene::new();
            scene.cluster().refuses = refuses;
            let outcome = scene.run(mode).await;
            assert!(reasons(&outcome).contains(&reason), "{mode:?}");
            let found = outcome.findings.into_iter().find(|found| found.reason == reason);
            causes.push(found.map(|found| (found.cause, found.remedy)));
            assert!(scene.cluster().secret.is_none(), "{mode:?}");
        }
        assert!(causes.iter().all(|cause| *cause == causes[0]), "{causes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn o7_what_forbids_the_write_ends_plan_as_ensure() {
    let expired = document(&jwt("old", 60));
    for stored in [None, Some(&expired)] {
        for mode in [Mode::Ensure, Mode::Plan] {
            let scene = Scene::new();
            stored
                .into_iter()
                .for_each(|stored| scene.cluster().store(stored));
            // The policy permits the placeholder.
            scene.cluster().refuses = |_, path| {
                let is_denied = path.contains("fieldManager=ensure-pull-secret&")
                    || path.ends_with("fieldManager=ensure-pull-secret");
                is_denied.then(|| json!({"code": 422, "message": POLICY}))
            };
            let outcome = scene.run(mode).await;
            assert_eq!(reasons(&outcome), [Reason::ApiForbidden], "{mode:?} {stored:?}");
            assert_eq!(
                outcome.plan.is_some(),
                mode == Mode::Plan,
                "it is shown all the same"
            );
        }
    }
    let scene = settled().await;
    if let Some(secret) = &mut scene.cluster().secret {
        secret["metadata"]["labels"] = json!({});
    }
    scene.cluster().refuses =
        |method, _| (method == Method::PATCH).then(|| json!({"code": 422, "message": POLICY}));
    let outcome = scene.run(Mode::Plan).await;
    assert_eq!(reasons(&outcome), [Reason::ApiForbidden], "metadata");
}

#[tokio::test(start_paused = true)]
async fn o7_a_webhook_without_dry_runs_is_a_note() {
    for mode in [Mode::Plan, Mode::Doctor] {
        let scene = Scene::new();
        scene.cluster().refuses = |_, path| {
            path.contains("dryRun=All")
                .then(|| json!({"code": 400, "message": NO_DRY_RUN}))
        };
        let outcome = scene.run(mode).await;
        assert_eq!(reasons(&outcome), vec![], "{mode:?}");
        let note = "An admission webhook does not support dry runs: it may still refuse the write.";
        assert_eq!(outcome.notes, [note], "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn o7_a_dry_run_has_no_new_password_and_is_left_out_where_nothing_is_written() {
    let password = "a-new-robots-password";
    for stored in [None, Some("old")] {
        let scene = Scene::new().with_token_file(password);
        stored
            .into_iter()
            .for_each(|stored| scene.cluster().store(&document(stored)));
        assert_eq!(reasons(&scene.run(Mode::Plan).await), vec![]);
        let dry_runs = std::mem::take(&mut scene.cluster().dry_runs);
        let managers: Vec<_> = dry_runs.iter().map(|(manager, _)| &**manager).collect();
        let expected: &[_] = match stored {
            None => &["ensure-pull-secret-placeholder", "ensure-pull-secret"],
            Some(_) => &["ensure-pull-secret"],
        };
        assert_eq!(managers, expected);
        for (_, object) in dry_runs {
            let encoded = object["data"][DOCUMENT_KEY].as_str().expect("a document");
            let document = STANDARD.decode(encoded).expect("base64");
            let document = String::from_utf8(document).expect("text");
            for form in [
                password.to_owned(),
                STANDARD.encode(format!("<token>:{password}")),
            ] {
                assert!(!document.contains(&form), "{document}");
            }
        }
    }
    // The registry rejects the new one: ensure writes nothing.
    let scene = Scene::with_document(&document("old")).with_token_file(password);
    scene.cluster().registry = |login| if login.password == "old" { 200 } else { 401 };
    assert_eq!(
        reasons(&scene.run(Mode::Plan).await),
        [Reason::CredentialRejected]
    );
    assert!(scene.cluster().dry_runs.is_empty());
    // Nothing is to be written.
    let scene = settled().await;
    for mode in [Mode::Plan, Mode::Doctor, Mode::Verify] {
        assert_eq!(reasons(&scene.run(mode).await), vec![], "{mode:?}");
    }
    assert!(scene.cluster().dry_runs.is_empty());
}
