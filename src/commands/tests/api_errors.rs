//! Errors of the API server that do not pass by themselves.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::{
    commands::fixtures::{APPLY, PLACEHOLDER, Scene, document, jwt, reasons, settled},
    config::Mode,
    outcome::{Action, Reason},
    transport::{CertificateFailure, Failure},
};

const MODES: [Mode; 4] = [Mode::Ensure, Mode::Verify, Mode::Plan, Mode::Doctor];

type Breaks = fn(&Method, &str) -> Option<Failure>;
type Refuses = fn(&Method, &str) -> Option<Value>;

#[tokio::test(start_paused = true)]
async fn o4_an_untrusted_api_server_ends_every_mode_at_once() {
    for mode in MODES {
        for breaks in [
            (|_, _| Some(Failure::Certificate(CertificateFailure::UnknownCa))) as Breaks,
            |_, _| Some(Failure::NotTls),
        ] {
            let scene = settled().await;
            scene.cluster().breaks = breaks;
            let started = tokio::time::Instant::now();
            let outcome = scene.run(mode).await;
            assert_eq!(reasons(&outcome), [Reason::ApiUntrusted], "{mode:?}");
            assert_eq!(outcome.action, Action::None);
            assert_eq!(started.elapsed(), Duration::ZERO, "it is not tried again");
            assert!(
                outcome.findings[0]
                    .cause
                    .contains("the API server is not trusted")
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn o5_a_lasting_refusal_of_a_read_ends_every_mode_with_65() {
    let cases: [(Refuses, &str); 6] = [
        (|_, _| Some(json!({"code": 400})), "it answers 400 Bad Request"),
        (|_, _| Some(json!({"code": 404})), "it answers 404 Not Found"),
        (
            |_, _| Some(json!({"code": 405})),
            "it answers 405 Method Not Allowed",
        ),
        (|_, _| Some(json!({"code": 410})), "it answers 410 Gone"),
        (
            |_, _| Some(json!({"code": 415})),
            "it answers 415 Unsupported Media Type",
        ),
        (|_, _| Some(json!({"code": 418})), "it answers 418 I'm a teapot"),
    ];
    for mode in MODES {
        for (refuses, cause) in cases {
            let scene = settled().await;
            scene.cluster().refuses = refuses;
            let outcome = scene.run(mode).await;
            assert_eq!(reasons(&outcome), [Reason::ApiRejected], "{mode:?} {cause}");
            let found = &outcome.findings[0].cause;
            assert!(found.ends_with(cause), "{found}");
            assert_eq!(outcome.action, Action::None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn o5_a_write_that_is_refused_for_good_reports_the_cause() {
    let cases: [(Refuses, &str, &str); 4] = [
        (
            |method, _| (*method == Method::PATCH).then(|| json!({"code": 413})),
            "it is too large (413)",
            "1 MiB",
        ),
        (
            |method, _| {
                let causes = json!([{"field": "data", "reason": "FieldValueTooLong", "message": "Too long"}]);
                (*method == Method::PATCH).then(|| json!({"code": 422, "details": {"causes": causes}}))
            },
            "the field data is too long (422)",
            "1 MiB",
        ),
        (
            |method, _| (*method == Method::PATCH).then(|| json!({"code": 400, "reason": "BadRequest"})),
            "it answers 400 Bad Request",
            "is refused again",
        ),
        (
            |_, path| {
                let causes = json!([{"field": "spec.expirationSeconds", "reason": "FieldValueInvalid"}]);
                path.ends_with("/token")
                    .then(|| json!({"code": 422, "details": {"causes": causes}}))
            },
            "the field spec.expirationSeconds is invalid (422)",
            "PULL_SECRET_TOKEN_LIFETIME",
        ),
    ];
    for (refuses, cause, remedy) in cases {
        let stored = document(&jwt("old", 60));
        let scene = Scene::with_document(&stored);
        scene.cluster().refuses = refuses;
        let outcome = scene.run(Mode::Ensure).await;
        assert_eq!(reasons(&outcome), [Reason::ApiRejected], "{cause}");
        let finding = &outcome.findings[0];
        assert!(finding.cause.ends_with(cause), "{}", finding.cause);
        assert!(finding.remedy().contains(remedy), "{}", finding.remedy());
        assert_eq!(outcome.action, Action::None);
        assert_eq!(scene.cluster().document(), stored);
        assert!(!scene.cluster().writes.contains(&APPLY.to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn o5_an_answer_that_may_pass_stays_retryable() {
    for refuses in [
        (|_, _| Some(json!({"code": 408}))) as Refuses,
        |_, _| Some(json!({"code": 429})),
        |_, _| Some(json!({"code": 503})),
    ] {
        let scene = settled().await;
        scene.cluster().refuses = refuses;
        let outcome = scene.run(Mode::Ensure).await;
        assert_eq!(reasons(&outcome), [Reason::ApiUnavailable]);
    }
}

fn terminating() -> Value {
    let causes = json!([{"reason": "NamespaceTerminating", "field": "metadata.namespace"}]);
    json!({"code": 403, "reason": "Forbidden", "details": {"kind": "secrets", "causes": causes}})
}

#[tokio::test(start_paused = true)]
async fn o6_a_namespace_that_is_being_deleted_is_reported_as_such() {
    let creates: Refuses = |method, _| (*method == Method::PATCH).then(terminating);
    let requests: Refuses = |_, path| path.ends_with("/token").then(terminating);
    for (mode, stored, refuses, action, writes) in [
        (Mode::Ensure, None, creates, Action::None, vec![]),
        (Mode::Ensure, None, requests, Action::Created, vec![PLACEHOLDER]),
        (Mode::Ensure, Some("old"), requests, Action::None, vec![]),
        (Mode::Plan, Some("old"), requests, Action::None, vec![]),
        (Mode::Doctor, Some("old"), requests, Action::None, vec![]),
    ] {
        let scene = Scene::new();
        if let Some(stored) = stored {
            scene.cluster().store(&document(&jwt(stored, 60)));
        }
        scene.cluster().refuses = refuses;
        let outcome = scene.run(mode).await;
        assert_eq!(reasons(&outcome), [Reason::NamespaceMissing], "{mode:?}");
        let finding = &outcome.findings[0];
        assert!(finding.cause.ends_with("is being deleted"), "{}", finding.cause);
        assert!(finding.remedy().contains("Wait"), "{}", finding.remedy());
        assert_eq!(outcome.action, action);
        assert_eq!(scene.cluster().writes, writes);
    }
    // Nothing has to be created: what is stored still pulls.
    let scene = settled().await;
    scene.cluster().refuses = |method, _| (*method != Method::GET).then(terminating);
    assert_eq!(reasons(&scene.run(Mode::Ensure).await), []);
}
