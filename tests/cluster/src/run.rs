//! A command with a cluster of its own.

use std::{
    ffi::OsString,
    path::Path,
    process::{ExitCode, ExitStatus},
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use test_cluster::control_plane::{Cluster, Options};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};

/// How long the command may take to end after a signal before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// Starts a cluster, runs the command, and ends both, with the command's exit code.
pub fn run(command: &[OsString]) -> Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let code = runtime.block_on(run_with_cluster(command));
    // A build of the servers that a signal cut off is on a thread of its own, which must not hold the exit back.
    runtime.shutdown_background();
    code
}

async fn run_with_cluster(command: &[OsString]) -> Result<ExitCode> {
    // Before the cluster is there: a signal while it starts ends the run as well.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let cluster = tokio::select! {
        cluster = Cluster::start(Options::new().registries()) => cluster?,
        _ = interrupt.recv() => return Ok(ended_by(Signal::INT)),
        _ = terminate.recv() => return Ok(ended_by(Signal::TERM)),
    };
    let (variable, state) = cluster.environment()?;
    let (program, arguments) = command.split_first().context("no command was given")?;
    // It joins the servers' process group before it is executed: with all that it starts, it ends with this process
    // however that ends. To be adopted once it runs would leave a moment in which it is nobody's.
    let mut child = Command::from(cluster.supervisor().command(Path::new(program))?)
        .args(arguments)
        .env(variable, state)
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    tokio::select! {
        status = child.wait() => Ok(code_of(status.context("cannot wait for the command")?)),
        _ = interrupt.recv() => end(&mut child, Signal::INT).await,
        _ = terminate.recv() => end(&mut child, Signal::TERM).await,
    }
}

/// Passes the signal on and waits for the command; kills it where it doesn't end.
async fn end(child: &mut Child, signal: Signal) -> Result<ExitCode> {
    if let Some(pid) = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
        // It fails only where the command has just ended by itself.
        let _ = kill_process(pid, signal);
    }
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        child.kill().await.context("cannot kill the command")?;
    }
    Ok(ended_by(signal))
}

/// The exit code that shells give for a command ended by `signal`.
fn ended_by(signal: Signal) -> ExitCode {
    ExitCode::from(128u8.saturating_add(u8::try_from(signal.as_raw()).unwrap_or(0)))
}

fn code_of(status: ExitStatus) -> ExitCode {
    match status.code().map(u8::try_from) {
        Some(Ok(code)) => ExitCode::from(code),
        Some(Err(_)) | None => ExitCode::FAILURE,
    }
}
