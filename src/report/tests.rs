//! Tests of the report and its outputs.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::config::{Config, Output};
use crate::credential::CredentialSummary;
use crate::outcome::ResultName;
use crate::outcome::{Action, Verified};
use crate::report::log::tests::{Lines, logged};

mod files;
mod schema;
mod secrets;
mod streams;
mod warnings;

fn now() -> Timestamp {
    "2026-11-24T14:00:00.7Z".parse().expect("a time")
}

fn context() -> ReportContext {
    ReportContext {
        mode: Some(Mode::Ensure),
        namespace: Some("private-ai-demo".to_owned()),
        name: Some("internal-registry-private-ai".to_owned()),
        next_run_unknown: false,
    }
}

fn refreshed() -> Outcome {
    Outcome {
        action: Action::Refreshed,
        verified: Verified::Pull,
        credential: CredentialSummary {
            service_account: Some("private-ai-demo/model-puller".to_owned()),
            credential_id: Some("0b6c".to_owned()),
            issued_at: Some(now()),
            expires_at: "2026-11-25T14:00:00Z".parse().ok(),
        },
        images: vec![Check {
            subject: "quay.io/team/model:1.0".to_owned(),
            verified: Verified::Pull,
            reason: None,
        }],
        ..Outcome::default()
    }
}

fn with_findings(findings: impl Into<Vec<Finding>>) -> Outcome {
    Outcome {
        findings: findings.into(),
        ..refreshed()
    }
}

fn forbidden() -> Finding {
    Finding::new(Reason::PullForbidden, "model-puller may not pull from models")
        .about("quay.io/models/model:1.0")
        .with_paste(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata:\n  name: a\n".to_owned(),
        )
}

fn problems() -> Vec<Problem> {
    let vars =
        [("PULL_SECRET_MODE", "nothing"), ("PULL_SECRET_NAME", "A")].map(|(k, v)| (k.into(), v.into()));
    Config::from_env(vars).expect_err("two problems").problems
}

/// Temporary directory, removed at the end of the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ensure-pull-secret-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    fn output(&self) -> Output {
        let results = ResultName::ALL
            .iter()
            .map(|&result| (result, self.0.join(result.as_str())));
        Output {
            results: results.collect(),
            termination_message_file: Some(self.0.join("termination-log")),
            ..Output::default()
        }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Exit code, standard output and standard error of a run.
fn ended(outcome: &Outcome, problems: &[Problem], output: &Output) -> (u8, String, String) {
    let (mut code, mut stdout) = (0, Vec::new());
    let stderr = logged(output, |mut lines: Lines| {
        code = ending::write(
            outcome,
            &context(),
            problems,
            output,
            now(),
            &mut stdout,
            &mut lines,
        );
    });
    (code, String::from_utf8(stdout).expect("UTF-8"), stderr)
}

#[test]
fn all_results_together_stay_under_1_kib() {
    let long = ReportContext {
        mode: Some(Mode::Verify),
        namespace: Some("n".repeat(63)),
        name: Some("s".repeat(253)),
        next_run_unknown: true,
    };
    let texts = [
        "\"".repeat(400),
        "<>&".repeat(200),
        "é".repeat(300),
        "…\u{7f}\\".repeat(150),
        "a".repeat(400),
    ];
    let mut outcomes = vec![refreshed()];
    for &reason in Reason::ALL {
        for text in &texts {
            for warning in [false, true] {
                let finding = |text: &str| Finding {
                    warning,
                    ..Finding::new(reason, text).with_remedy(text)
                };
                let mut findings = vec![finding("short"); 100];
                findings[0] = finding(text);
                outcomes.push(with_findings(findings));
            }
        }
    }
    for outcome in outcomes {
        let report = Report::new(&outcome, &long, &[], true, now());
        let carried: usize = ResultName::ALL
            .iter()
            .map(|&result| {
                let value = results::value(result, &report);
                let escaped: usize = value.chars().map(message::escaped_length).sum();
                r#"{"key":"","value":"","type":1},"#.len() + result.as_str().len() + escaped
            })
            .sum();
        assert!(carried + "[]".len() < 1024, "{carried}: {report:?}");
        assert!(report.message.len() <= 300, "{report:?}");
        assert!(report.termination_message().len() < 4096);
    }
}

#[test]
fn most_severe_finding_decides_the_exit_code_unless_not_strict() {
    let outcome = |reasons: &[Reason]| Outcome {
        findings: reasons
            .iter()
            .map(|&reason| Finding::new(reason, "a cause"))
            .collect(),
        ..Outcome::default()
    };
    for (reasons, strict, expected) in [
        (
            &[Reason::TagMissing, Reason::PullForbidden][..],
            true,
            ("FAILURE", "pull-forbidden", 77),
        ),
        (
            &[Reason::TagMissing, Reason::PullForbidden],
            false,
            ("FAILURE", "pull-forbidden", 0),
        ),
        (
            &[Reason::TagMissing, Reason::ApiForbidden],
            false,
            ("ERROR", "api-forbidden", 77),
        ),
        // An ERROR counts beside a FAILURE that is more severe.
        (
            &[
                Reason::CredentialRejected,
                Reason::RegistryUnavailable,
                Reason::TagMissing,
            ],
            false,
            ("FAILURE", "credential-rejected", 75),
        ),
        (
            &[Reason::RegistryUnavailable, Reason::RegistryProtocol],
            false,
            ("ERROR", "registry-protocol", 76),
        ),
        (
            &[Reason::RegistryAnonymous, Reason::SecretMissing],
            false,
            ("FAILURE", "secret-missing", 0),
        ),
        (
            &[Reason::RegistryAnonymous],
            true,
            ("WARNING", "registry-anonymous", 0),
        ),
        (&[], true, ("SUCCESS", "ok", 0)),
    ] {
        let report = Report::new(&outcome(reasons), &context(), &[], strict, now());
        assert_eq!((report.status, report.reason, report.exit_code), expected);
    }
}

#[test]
fn configuration_errors_outrank_all_but_a_defect() {
    let report = Report::new(
        &with_findings([forbidden()]),
        &context(),
        &problems(),
        true,
        now(),
    );
    assert_eq!(
        (report.reason, report.exit_code, report.problems.len()),
        ("invalid-configuration", 64, 2)
    );
    assert!(report.message.starts_with("PULL_SECRET_"), "{}", report.message);
    assert!(
        report.message.contains("first of 3 findings"),
        "{}",
        report.message
    );
    assert_eq!(report.action, "refreshed");
}

#[test]
fn test_output_counts_checks_and_findings() {
    let mut outcome = refreshed();
    outcome.findings = vec![
        forbidden(),
        Finding::new(Reason::RegistryUnavailable, "x").as_warning(),
    ];
    outcome.registries = vec![Check {
        subject: "quay.io".to_owned(),
        verified: Verified::None,
        reason: Some("registry-unavailable"),
    }];
    let report = Report::new(&outcome, &context(), &[], true, now());
    let output: Value = serde_json::from_str(&results::value(ResultName::TestOutput, &report)).expect("JSON");
    let expected = serde_json::json!({
        "result": "FAILURE", "timestamp": "2026-11-24T14:00:00Z", "note": "pull-forbidden",
        "successes": 1, "failures": 1, "warnings": 1,
    });
    assert_eq!(output, expected);
}

#[test]
fn remedy_has_each_document_of_the_deciding_reason_once() {
    let other =
        Finding::new(Reason::PullForbidden, "another").with_paste("apiVersion: v1\nkind: B".to_owned());
    let command = Finding::new(Reason::TagMissing, "no tag").with_paste("oc tag a b".to_owned());
    let outcome = with_findings([forbidden(), forbidden(), other, command]);
    let report = Report::new(&outcome, &context(), &[], true, now());
    let first = forbidden().paste.expect("YAML");
    assert_eq!(
        report.remedy,
        Some(format!("{first}---\napiVersion: v1\nkind: B\n"))
    );
}

#[test]
fn control_characters_are_never_printed() {
    let finding = Finding::new(Reason::TagMissing, "a\u{1b}[31mb\nc")
        .about("d\ne")
        .with_remedy("f\u{7}g")
        .with_paste("h:\n  i\u{1b}[2J\n".to_owned());
    let outcome = Outcome {
        findings: vec![finding],
        notes: vec!["j\nk\u{1b}".to_owned()],
        ..refreshed()
    };
    let report = serde_json::to_value(Report::new(&outcome, &context(), &[], true, now())).expect("JSON");
    fn texts(value: &Value) -> Vec<&str> {
        match value {
            Value::String(text) => vec![text],
            Value::Array(items) => items.iter().flat_map(texts).collect(),
            Value::Object(members) => members.values().flat_map(texts).collect(),
            _ => vec![],
        }
    }
    for text in texts(&report) {
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
    assert_eq!(report["findings"][0]["paste"], "h:\n  i[2J\n");
    let (_, _, stderr) = ended(&outcome, &[], &Output::default());
    assert!(!stderr.contains('\u{1b}'), "{stderr:?}");
}
