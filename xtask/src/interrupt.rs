//! Ctrl-C and SIGTERM: the work is dropped, and with it every server it started.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};

/// Runs `work` to its end, or to the first signal; then the exit code is that of shells: 128 and the signal's number.
///
/// # Errors
/// Where `work` fails, or the system has no handler left.
pub fn run(work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let runtime = Runtime::new().context("cannot start the runtime")?;
    let ended = runtime.block_on(async {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        tokio::select! {
            ended = work => ended,
            _ = interrupt.recv() => Ok(ExitCode::from(130)),
            _ = terminate.recv() => Ok(ExitCode::from(143)),
        }
    });
    // A build of the servers that goes on in a thread must not hold the exit.
    runtime.shutdown_background();
    ended
}
