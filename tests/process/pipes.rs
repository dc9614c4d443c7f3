//! Pipes of the process that nobody reads.

use std::{
    fs,
    io::{PipeReader, PipeWriter, Write as _, pipe},
    process::{Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

/// Longer than a run waits for its readers: before its work, and at its end.
const WITHIN: Duration = Duration::from_secs(40);

/// A pipe that is full: Linux gives it 64 KiB, so another write waits.
fn full_pipe() -> Result<(PipeReader, PipeWriter)> {
    let (reader, mut writer) = pipe().context("cannot make a pipe")?;
    writer.write_all(&[b'x'; 64 << 10])?;
    Ok((reader, writer))
}

/// Runs outside of a cluster, and ends it where it takes longer than [`WITHIN`].
fn run(command: &mut Command) -> Result<Option<ExitStatus>> {
    let mut child = command.spawn().context("cannot start the program")?;
    let started = Instant::now();
    while started.elapsed() < WITHIN {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

#[test]
fn o11_full_pipes_that_nobody_reads_do_not_hold_a_run() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let result = directory.path().join("REASON");
    for name in ["pull", "not a name"] {
        let ((_out, stdout), (_err, stderr)) = (full_pipe()?, full_pipe()?);
        let mut command = Command::new(env!("CARGO_BIN_EXE_ensure-pull-secret"));
        command
            .env_clear()
            .env("PULL_SECRET_NAME", name)
            .env("PULL_SECRET_SERVICE_ACCOUNT_DIR", directory.path())
            .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            .env("KUBERNETES_SERVICE_PORT", "1")
            .env("RESULTS_REASON_PATH", &result)
            .stdout(stdout)
            .stderr(stderr);
        let status = run(&mut command)?.context("the run waits for a reader")?;
        ensure!(status.code() == Some(64), "{name}: {status}");
        let expected = if name == "pull" {
            "not-in-cluster"
        } else {
            "invalid-configuration"
        };
        ensure!(fs::read_to_string(&result)? == expected);
    }
    Ok(())
}
