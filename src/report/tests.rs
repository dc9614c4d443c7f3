//! Reports as their readers get them.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::config::{Config, LogFormat, LogLevel, Output};
use crate::log::tests::{Lines, logged};
use crate::outcome::{Action, CredentialSummary, Verified};

const SCHEMA: &str = include_str!("../../docs/report.schema.json");

fn now() -> Timestamp {
    "2026-11-24T14:00:00.7Z".parse().expect("a time")
}

fn subject() -> Subject {
    Subject {
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

fn forbidden() -> Finding {
    Finding::new(Reason::PullForbidden, "model-puller may not pull from models")
        .about("quay.io/models/model:1.0")
        .with_paste("apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata:\n  name: a\n")
}

fn problems() -> Vec<Problem> {
    let vars = [("PULL_SECRET_MODE", "doctor"), ("PULL_SECRET_NAME", "A")].map(|(k, v)| (k.into(), v.into()));
    Config::from_env(vars).expect_err("two problems").problems
}

/// A directory of this test's own, gone with it.
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

/// What a run left: exit code, standard output and standard error.
fn ended(outcome: &Outcome, problems: &[Problem], output: &Output) -> (u8, String, String) {
    let (mut code, mut stdout) = (0, Vec::new());
    let stderr = logged(output, |mut lines: Lines| {
        code = ending::write(
            outcome,
            &subject(),
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
fn every_report_is_as_the_published_schema_says() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    let validator = jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("a schema");
    let mut outcomes = vec![
        (Outcome::default(), vec![]),
        (refreshed(), vec![]),
        (Outcome::default(), problems()),
    ];
    for &reason in Reason::ALL {
        for warning in [false, true] {
            let mut outcome = refreshed();
            let mut finding = Finding::new(reason, "a cause").with_paste("apiVersion: v1\n");
            finding.warning = warning;
            outcome.images[0].reason = Some(reason.as_str());
            outcome.findings.push(finding);
            outcomes.push((outcome, vec![]));
        }
    }
    for (outcome, problems) in outcomes {
        for subject in [subject(), Subject::default()] {
            let report = Report::new(&outcome, &subject, &problems, true, now());
            let report = serde_json::to_value(&report).expect("JSON");
            let errors: Vec<_> = validator
                .iter_errors(&report)
                .map(|error| error.to_string())
                .collect();
            assert!(errors.is_empty(), "{errors:?}: {report:#}");
        }
    }
    assert!(!validator.is_valid(&serde_json::json!({"status": "SUCCESS"})));
}

#[test]
fn the_schema_names_every_reason_and_describes_every_field() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    let reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(schema["$defs"]["reason"]["enum"], serde_json::json!(reasons));
    let mut exits: Vec<_> = Reason::ALL
        .iter()
        .map(|reason| reason.entry().exit_code)
        .collect();
    exits.sort_unstable();
    exits.dedup();
    assert_eq!(schema["$defs"]["exit_code"]["enum"], serde_json::json!(exits));
    described(&schema);
}

/// Every property has a description, and every object takes its own properties alone, all of them.
fn described(schema: &Value) {
    if let Some(properties) = schema["properties"].as_object() {
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(
            schema["required"].as_array().map(Vec::len),
            Some(properties.len())
        );
        for (name, property) in properties {
            assert!(property["description"].is_string(), "{name}");
        }
    }
    match schema {
        Value::Object(members) => members.values().for_each(described),
        Value::Array(items) => items.iter().for_each(described),
        _ => {}
    }
}

#[test]
fn results_are_written_verbatim_without_a_newline() {
    let directory = Directory::new("verbatim");
    let (code, _, _) = ended(&refreshed(), &[], &directory.output());
    assert_eq!(code, 0);
    for (name, value) in [
        ("STATUS", "SUCCESS"),
        ("ACTION", "refreshed"),
        ("REASON", "ok"),
        ("EXPIRES_AT", "2026-11-25T14:00:00Z"),
        ("VERIFIED", "pull"),
        (
            "TEST_OUTPUT",
            r#"{"result":"SUCCESS","timestamp":"2026-11-24T14:00:00Z","successes":1,"failures":0,"warnings":0,"note":"ok"}"#,
        ),
    ] {
        assert_eq!(directory.read(name), value, "{name}");
    }
    assert!(
        directory
            .read("MESSAGE")
            .ends_with("expires at 2026-11-25T14:00:00Z")
    );
    assert!(
        directory
            .read("termination-log")
            .starts_with("SUCCESS ok: private-ai-demo/internal-registry")
    );
}

#[test]
fn an_unknown_expiry_is_an_empty_result() {
    let directory = Directory::new("expiry");
    ended(&Outcome::default(), &[], &directory.output());
    assert_eq!(directory.read("EXPIRES_AT"), "");
}

#[test]
fn all_results_together_stay_under_1_kib_as_tekton_carries_them() {
    let long = Subject {
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
                let mut finding = Finding::new(reason, text.as_str()).with_remedy(text.as_str());
                finding.warning = warning;
                let mut outcome = refreshed();
                outcome.findings = vec![finding; 100];
                outcomes.push(outcome);
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
fn the_gravest_finding_decides_and_the_exit_code_follows_unless_it_is_a_failure_that_is_not_strict() {
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
        (&[Reason::RegistryOpen], true, ("WARNING", "registry-open", 0)),
        (&[], true, ("SUCCESS", "ok", 0)),
    ] {
        let report = Report::new(&outcome(reasons), &subject(), &[], strict, now());
        assert_eq!((report.status, report.reason, report.exit_code), expected);
    }
}

#[test]
fn mistakes_of_the_configuration_outrank_everything_but_a_defect_and_are_listed_whole() {
    let outcome = Outcome {
        findings: vec![forbidden()],
        ..refreshed()
    };
    let report = Report::new(&outcome, &subject(), &problems(), true, now());
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
    let report = Report::new(&outcome, &subject(), &[], true, now());
    let output: Value = serde_json::from_str(&results::value(ResultName::TestOutput, &report)).expect("JSON");
    let expected = serde_json::json!({
        "result": "FAILURE", "timestamp": "2026-11-24T14:00:00Z", "note": "pull-forbidden",
        "successes": 1, "failures": 1, "warnings": 1,
    });
    assert_eq!(output, expected);
}

#[test]
fn standard_output_is_one_line_of_json() {
    let (_, stdout, _) = ended(&refreshed(), &problems(), &Output::default());
    assert_eq!(stdout.matches('\n').count(), 1);
    assert!(stdout.ends_with("}\n"));
    let report: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(report["status"], "ERROR");
}

#[test]
fn the_log_has_findings_yaml_and_notes_and_ends_with_the_one_line() {
    let outcome = Outcome {
        findings: vec![forbidden(), forbidden()],
        notes: vec!["nobody refreshes the entry of old.example.com".to_owned()],
        ..refreshed()
    };
    let (code, _, stderr) = ended(&outcome, &[], &Output::default());
    assert_eq!(code, 77);
    assert_eq!(
        stderr
            .matches("\nkind: RoleBinding\nmetadata:\n  name: a\n")
            .count(),
        1,
        "{stderr}"
    );
    assert!(
        stderr.contains("nobody refreshes the entry of old.example.com"),
        "{stderr}"
    );
    let last = "FAILURE pull-forbidden (exit 77): model-puller may not pull from models (first of 2 findings); Grant the \
                account the right to pull; the report holds the grant.";
    assert_eq!(stderr.lines().last(), Some(last));
    assert!(stderr.ends_with('\n'));
}

#[test]
fn the_last_line_is_there_at_every_level_and_in_json_every_line_is_a_record() {
    let outcome = Outcome {
        findings: vec![forbidden()],
        ..refreshed()
    };
    for log_level in [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug] {
        let output = Output {
            log_level,
            log_format: LogFormat::Json,
            ..Output::default()
        };
        for outcome in [&outcome, &refreshed()] {
            let (code, _, stderr) = ended(outcome, &[], &output);
            let records: Vec<Value> = stderr
                .lines()
                .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
                .collect();
            let last = records.last().expect("a last record");
            assert_eq!(last["exit_code"], code);
            assert!(last["status"].is_string() && last["reason"].is_string() && last["message"].is_string());
            if code != 0 {
                assert!(
                    records[0]["paste"]
                        .as_str()
                        .is_some_and(|paste| paste.contains("RoleBinding"))
                );
            }
        }
    }
}

#[test]
fn a_warnings_yaml_is_as_quiet_as_the_warning() {
    let outcome = Outcome {
        findings: vec![forbidden().as_warning()],
        ..refreshed()
    };
    let output = Output {
        log_level: LogLevel::Error,
        ..Output::default()
    };
    let (_, _, stderr) = ended(&outcome, &[], &output);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn the_remedy_is_every_different_document_of_the_deciding_reason_as_one_stream() {
    let other = Finding::new(Reason::PullForbidden, "another").with_paste("apiVersion: v1\nkind: B");
    let command = Finding::new(Reason::TagMissing, "no tag").with_paste("oc tag a b");
    let outcome = Outcome {
        findings: vec![forbidden(), forbidden(), other, command],
        ..refreshed()
    };
    let report = Report::new(&outcome, &subject(), &[], true, now());
    let first = forbidden().paste.expect("YAML");
    assert_eq!(
        report.remedy,
        Some(format!("{first}---\napiVersion: v1\nkind: B\n"))
    );
}

#[test]
fn a_result_that_cannot_be_written_ends_with_64_and_the_others_say_so() {
    let directory = Directory::new("unwritable");
    let mut output = directory.output();
    let missing = directory.0.join("no such directory").join("MESSAGE");
    output
        .results
        .retain(|(result, _)| *result != ResultName::Message);
    output.results.push((ResultName::Message, missing));
    let (code, _, stderr) = ended(&refreshed(), &[], &output);
    assert_eq!(code, 64);
    assert_eq!(directory.read("REASON"), "invalid-configuration");
    assert_eq!(directory.read("ACTION"), "refreshed");
    let last = stderr.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("ERROR invalid-configuration (exit 64): RESULTS_MESSAGE_PATH names a file"),
        "{last}"
    );
}

#[test]
fn an_unwritable_termination_message_is_only_logged() {
    let directory = Directory::new("termination");
    let output = Output {
        termination_message_file: Some(directory.0.join("no such directory").join("log")),
        ..Output::default()
    };
    let (code, _, stderr) = ended(&refreshed(), &[], &output);
    assert_eq!(code, 0);
    assert!(
        stderr.contains("PULL_SECRET_TERMINATION_MESSAGE_FILE could not be written"),
        "{stderr}"
    );
}

/// A stream whose reader has gone.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

#[test]
fn closed_streams_change_neither_results_nor_exit_code() {
    let directory = Directory::new("closed");
    let outcome = Outcome {
        findings: vec![forbidden()],
        ..refreshed()
    };
    let code = ending::write(
        &outcome,
        &subject(),
        &[],
        &directory.output(),
        now(),
        &mut Closed,
        &mut Closed,
    );
    assert_eq!((code, directory.read("REASON").as_str()), (77, "pull-forbidden"));
}

#[test]
fn control_characters_reach_no_reader() {
    let finding = Finding::new(Reason::TagMissing, "a\u{1b}[31mb\nc")
        .about("d\ne")
        .with_remedy("f\u{7}g")
        .with_paste("h:\n  i\u{1b}[2J\n");
    let outcome = Outcome {
        findings: vec![finding],
        notes: vec!["j\nk\u{1b}".to_owned()],
        ..refreshed()
    };
    let report = serde_json::to_value(Report::new(&outcome, &subject(), &[], true, now())).expect("JSON");
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
