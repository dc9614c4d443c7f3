//! The checks themselves, tried on small scripts that keep or break one promise each.

use std::{fs, time::Duration};

use anyhow::Result;
use serde_json::json;
use tempfile::TempDir;

use super::Program;
use crate::server_process::Signal;

const SECRET: &str = "canary-canary-canary";
/// A run that keeps every promise; the tests replace a line of it.
const WELL_BEHAVED: &str = r#"
printf SUCCESS > "$RESULTS_STATUS_PATH"
printf created > "$RESULTS_ACTION_PATH"
printf ok > "$RESULTS_REASON_PATH"
printf 'pulls' > "$RESULTS_MESSAGE_PATH"
printf '' > "$RESULTS_EXPIRES_AT_PATH"
printf pull > "$RESULTS_VERIFIED_PATH"
printf '{"result":"SUCCESS","note":"ok"}' > "$RESULTS_TEST_OUTPUT_PATH"
echo 'a log line' >&2
echo '{"status":"SUCCESS","action":"created","reason":"ok","message":"pulls","verified":"pull","exit_code":0}'
echo 'SUCCESS ok (exit 0): pulls' >&2
"#;

/// A program that is a shell script, and the directory of its schema.
fn script(text: &str) -> Result<(Program, TempDir)> {
    let directory = tempfile::tempdir()?;
    let schema = directory.path().join("schema.json");
    fs::write(&schema, json!({ "required": ["status"] }).to_string())?;
    let program = Program::at("/bin/sh").argument("-c").argument(text);
    Ok((program.schema(schema).canary(SECRET), directory))
}

async fn failure_of(text: &str) -> Result<String> {
    let (program, _directory) = script(text)?;
    let error = program.run().await.expect_err("a promise is broken");
    Ok(format!("{error:#}"))
}

#[tokio::test]
async fn a_run_that_keeps_every_promise_passes() -> Result<()> {
    let (program, _directory) = script(WELL_BEHAVED)?;
    let outcome = program.run().await?;
    outcome
        .expect("SUCCESS", "created", "ok", 0)
        .expect_verified("pull")
        .expect_message("pulls")
        .expect_no_trace_of(SECRET);
    Ok(())
}

#[tokio::test]
async fn each_broken_promise_is_reported() -> Result<()> {
    for (kept, broken, named) in [
        (
            "printf pull >",
            "printf 'pull\\n' >",
            "result VERIFIED ends with a newline",
        ),
        ("printf SUCCESS >", ": ", "result STATUS was not written"),
        (
            "printf created >",
            "printf none >",
            "result ACTION and the report's action differ",
        ),
        ("\"note\":\"ok\"", "\"note\":\"no\"", "TEST_OUTPUT's note"),
        ("\"status\":\"SUCCESS\",", "", "doesn't match its schema"),
        (
            "\"exit_code\":0}",
            "\"exit_code\":0} {}",
            "more than one JSON value",
        ),
        ("\"exit_code\":0}", "\"exit_code\":1}", "the report's exit_code"),
        ("(exit 0): pulls", "(exit 0)", "the last line of standard error"),
        ("a log line", SECRET, "the secret itself is in standard error"),
    ] {
        assert!(WELL_BEHAVED.contains(kept), "{kept}");
        let failure = failure_of(&WELL_BEHAVED.replace(kept, broken)).await?;
        assert!(failure.contains(named), "{broken}: {failure}");
        assert!(!failure.contains(SECRET), "a failure must not print the secret");
    }
    Ok(())
}

#[tokio::test]
async fn an_unexpected_end_shows_all_outputs() -> Result<()> {
    let (program, _directory) = script(WELL_BEHAVED)?;
    let outcome = program.run().await?;
    let failure = std::panic::catch_unwind(|| {
        outcome.expect("FAILURE", "none", "tag-missing", 66);
    })
    .expect_err("it ended otherwise");
    let text = failure.downcast_ref::<String>().map_or("", String::as_str);
    for part in ["tag-missing", "\"created\"", "a log line", "MESSAGE: pulls"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    Ok(())
}

#[tokio::test]
async fn hanging_program_is_killed_and_reported() -> Result<()> {
    let (program, _directory) = script("echo waiting >&2; exec sleep 600")?;
    let error = program
        .timeout(Duration::from_millis(200))
        .run()
        .await
        .expect_err("it hangs");
    let text = error.to_string();
    assert!(
        text.contains("did not end within") && text.contains("waiting"),
        "{text}"
    );
    Ok(())
}

#[tokio::test]
async fn a_signal_reaches_the_running_program() -> Result<()> {
    let (program, directory) = script("trap 'exit 75' TERM; : > \"$READY\"; while :; do sleep 0.01; done")?;
    let ready = directory.path().join("ready");
    let running = program
        .env("READY", &ready)
        .env("PATH", "/usr/bin:/bin")
        .spawn()?;
    while !ready.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.signal(Signal::TERM)?;
    assert_eq!(running.output().await?.exit, 75);
    Ok(())
}

#[tokio::test]
async fn the_environment_is_exactly_what_was_set() -> Result<()> {
    let (program, _directory) = script("exec /usr/bin/env")?;
    let output = program
        .env("ONE", "1")
        .env("TWO", "2")
        .without("TWO")
        .without_result("STATUS")
        .output()
        .await?;
    let names: Vec<&str> = output
        .stdout
        .lines()
        .filter_map(|line| line.split_once('=').map(|(name, _)| name))
        // The shell's own.
        .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name))
        .collect();
    assert_eq!(names.len(), 7, "{names:?}");
    assert!(names.contains(&"ONE") && names.contains(&"RESULTS_MESSAGE_PATH"));
    assert!(!names.contains(&"RESULTS_STATUS_PATH"));
    Ok(())
}
