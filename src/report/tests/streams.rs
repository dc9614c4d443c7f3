//! Tests of standard output and standard error.

use std::io::{self, Write};

use super::*;
use crate::config::{LogFormat, LogLevel};

#[test]
fn standard_output_is_one_line_of_json() {
    let (_, stdout, _) = ended(&refreshed(), &problems(), &Output::default());
    assert_eq!(stdout.matches('\n').count(), 1);
    assert!(stdout.ends_with("}\n"));
    let report: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(report["status"], "ERROR");
}

#[test]
fn log_has_findings_yaml_and_notes_and_the_last_line() {
    let outcome = Outcome {
        findings: vec![forbidden(), forbidden()],
        notes: vec!["the entry of old.example.com is not refreshed".to_owned()],
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
        stderr.contains("the entry of old.example.com is not refreshed"),
        "{stderr}"
    );
    let last = "FAILURE pull-forbidden (exit 77): model-puller may not pull from models (first of 2 findings); grant the \
                ServiceAccount permission to pull; the log has the YAML.";
    assert_eq!(stderr.lines().last(), Some(last));
    assert!(stderr.ends_with('\n'));
}

#[test]
fn last_line_is_logged_at_every_level_and_json_lines_are_records() {
    let outcome = with_findings([forbidden()]);
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
fn yaml_of_a_warning_follows_the_log_level() {
    let outcome = with_findings([forbidden().as_warning()]);
    let output = Output {
        log_level: LogLevel::Error,
        ..Output::default()
    };
    let (_, _, stderr) = ended(&outcome, &[], &output);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let outcome = with_findings([forbidden()]);
    let (_, _, stderr) = ended(&outcome, &[], &output);
    assert!(stderr.contains("\nkind: RoleBinding\n"), "{stderr}");
}

#[test]
fn last_record_has_the_level_of_the_status() {
    let warning = Finding::new(Reason::RegistryUnavailable, "no answer").as_warning();
    let json = Output {
        log_format: LogFormat::Json,
        ..Output::default()
    };
    for (findings, level) in [
        (vec![], "INFO"),
        (vec![warning], "WARN"),
        (vec![forbidden()], "ERROR"),
        (vec![Finding::new(Reason::Internal, "a defect")], "ERROR"),
    ] {
        let outcome = with_findings(findings);
        let (_, _, stderr) = ended(&outcome, &[], &json);
        let last: Value = serde_json::from_str(stderr.lines().last().expect("a last line")).expect("JSON");
        assert_eq!(last["level"], level, "{stderr}");
    }
}

/// Closed stream.
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
    let outcome = with_findings([forbidden()]);
    let code = ending::write(
        &outcome,
        &context(),
        &[],
        &directory.output(),
        now(),
        &mut Closed,
        &mut Closed,
    );
    assert_eq!((code, directory.read("REASON").as_str()), (77, "pull-forbidden"));
}
