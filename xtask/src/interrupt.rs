//! Ctrl-C and SIGTERM: the work is dropped, and with it every server it started.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};

/// Runs `work` to its end, or to the first signal; then the exit code is the one that shells give for it.
///
/// # Errors
/// What `work` fails with.
pub fn run(work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let runtime = Runtime::new().context("cannot start the runtime")?;
    let ended = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        tokio::select! {
            ended = work => ended,
            code = signals.next() => Ok(code),
        }
    });
    // A build of the servers that goes on in a thread must not hold the exit.
    runtime.shutdown_background();
    ended
}

/// The two signals that ask this process to end.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Starts to listen: from now on neither ends the process by itself.
    ///
    /// # Errors
    /// Where the system has no handler left.
    pub fn listen() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
        })
    }

    /// Waits for one of them, and gives the exit code that shells have for it: 128 and its number.
    pub async fn next(&mut self) -> ExitCode {
        tokio::select! {
            _ = self.interrupt.recv() => ExitCode::from(130),
            _ = self.terminate.recv() => ExitCode::from(143),
        }
    }
}
