//! Tests of warnings that are no findings.

use super::*;
use crate::outcome::ResultName;
use crate::outcome::{DoctorCheck, ExcessPermissions};

fn test_output(report: &Report) -> (u64, u64) {
    let value = results::value(ResultName::TestOutput, report);
    let value: Value = serde_json::from_str(&value).expect("JSON");
    let count = |name: &str| value[name].as_u64().expect("a number");
    (count("failures"), count("warnings"))
}

#[test]
fn excess_permissions_are_a_warning_and_are_logged() {
    let with = |rights: Vec<String>| Outcome {
        excess: Some(ExcessPermissions {
            rights,
            complete: true,
            remedy: Some("kind: ServiceAccount\n".to_owned()),
        }),
        ..refreshed()
    };
    for (rights, warnings) in [(vec!["secrets (get)".to_owned()], 1), (vec![], 0)] {
        let outcome = with(rights);
        let report = Report::new(&outcome, &context(), &[], true, now());
        assert_eq!(test_output(&report), (0, warnings));
        let (code, _, log) = ended(&outcome, &[], &Output::default());
        assert_eq!(code, 0);
        for printed in [
            "the stored token of private-ai-demo/model-puller has permissions beyond pulling: secrets (get);",
            "kind: ServiceAccount",
        ] {
            assert_eq!(log.contains(printed), warnings == 1, "{log}");
        }
    }
}

#[test]
fn each_doctor_warning_counts_once() {
    let line = |warning| DoctorCheck {
        warning,
        ..DoctorCheck::ok("clock", "it is right")
    };
    let outcome = Outcome {
        lines: vec![line(false), line(false), line(true), line(true)],
        findings: vec![
            forbidden(),
            forbidden(),
            Finding::new(Reason::RegistryUnavailable, "no answer").as_warning(),
        ],
        ..Outcome::default()
    };
    let doctor = ReportContext {
        mode: Some(Mode::Doctor),
        ..context()
    };
    let report = Report::new(&outcome, &doctor, &[], true, now());
    assert_eq!(test_output(&report), (2, 3));
}

#[test]
fn r2_warnings_are_counted_and_notes_are_not() {
    let outcome = Outcome {
        warnings: vec!["A warning.".to_owned()],
        notes: vec!["A note.".to_owned()],
        ..refreshed()
    };
    let report = Report::new(&outcome, &context(), &[], true, now());
    assert_eq!(test_output(&report), (0, 1));
    assert_eq!((report.status, report.exit_code), ("SUCCESS", 0));
    assert_eq!(
        (report.warnings.as_slice(), report.notes.as_slice()),
        (&["A warning.".to_owned()][..], &["A note.".to_owned()][..])
    );
    let (_, _, log) = ended(&outcome, &[], &Output::default());
    assert!(log.contains("A warning.") && log.contains("A note."), "{log}");
}
