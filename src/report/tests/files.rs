//! Tests of results and termination message as files.

use super::*;
use crate::outcome::ResultName;

#[test]
fn results_are_written_without_a_line_break() {
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
fn unknown_expiry_is_an_empty_result() {
    let directory = Directory::new("expiry");
    ended(&Outcome::default(), &[], &directory.output());
    assert_eq!(directory.read("EXPIRES_AT"), "");
}

#[test]
fn unwritable_result_exits_with_64_and_the_others_have_it() {
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
fn unwritable_termination_message_is_only_logged() {
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
