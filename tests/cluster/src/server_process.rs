//! A server as a child process: its log, its readiness, its signals, its end.

use std::{
    fs::File,
    future::Future,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
pub use rustix::process::Signal;
use rustix::process::{Pid, WaitId, WaitIdOptions, kill_process, test_kill_process, waitid};
use tokio::time::Instant;

/// Interval between readiness checks.
const POLL: Duration = Duration::from_millis(25);
/// Lines of a server's log in an error.
const TAIL: usize = 20;

/// A running server; dropping it kills it and waits for its end.
#[derive(Debug)]
pub struct ServerProcess {
    name: String,
    child: Child,
    log: PathBuf,
}

impl ServerProcess {
    /// Starts `command` without input, with both outputs appended to the file `log`.
    ///
    /// # Errors
    /// If the log can't be opened or the program can't be started.
    pub fn spawn(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot open the log of {name}, {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("cannot share the log")?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {name} ({})", command.get_program().display()))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        })
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Log of the server's output.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Fails, with the end of the server's log, where the server has ended.
    ///
    /// # Errors
    /// If it has ended, or its state can't be read.
    pub fn ensure_running(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait().context("cannot ask for a server's state")? {
            bail!(
                "{} ended ({status}); the end of its log:\n{}",
                self.name,
                self.log_tail()
            );
        }
        Ok(())
    }

    /// Calls `probe` until it returns true; fails early if the server ends first.
    ///
    /// # Errors
    /// If the server ends, or `patience` is over.
    pub async fn await_ready<F: Future<Output = bool>>(
        &mut self,
        patience: Duration,
        probe: impl Fn() -> F,
    ) -> Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            self.ensure_running()?;
            if probe().await {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!(
                    "{} was not ready within {} s; the end of its log:\n{}",
                    self.name,
                    patience.as_secs(),
                    self.log_tail()
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits for the server's end; returns the error of `ensure_running`.
    pub async fn ended(&mut self) -> anyhow::Error {
        loop {
            if let Err(error) = self.ensure_running() {
                return error;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Stops the server until `thaw` (SIGSTOP), and returns when all of it has stopped: the kernel stops the threads of
    /// a process one after the other, and until the last of them one may still respond (wait(2), `WSTOPPED`: the parent
    /// is notified then).
    ///
    /// # Errors
    /// If the process is gone.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)?;
        let stopped = waitid(
            WaitId::Pid(Pid::from_child(&self.child)),
            WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
        )
        .with_context(|| format!("cannot wait for {} to stop", self.name))?;
        if !stopped.is_some_and(|status| status.stopped()) {
            bail!("{} ended when it was to be frozen", self.name);
        }
        Ok(())
    }

    /// Ends `freeze` (SIGCONT).
    ///
    /// # Errors
    /// If the process is gone.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal)
            .with_context(|| format!("cannot send {signal:?} to {}", self.name))
    }

    /// Kills the server and waits for its end; its files stay.
    pub fn kill(&mut self) {
        // Both fail only where the process has ended and been waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The last lines of the server's log.
    pub fn log_tail(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// True if a process with this id exists and is running; a zombie is not.
pub fn is_running(pid: u32) -> bool {
    let exists = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .is_some_and(|pid| test_kill_process(pid).is_ok());
    exists && !is_zombie(pid)
}

/// True if a process has ended but its parent hasn't taken notice, as under an init that doesn't (proc(5), `stat`).
fn is_zombie(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit_once(')')?.1.trim_start().chars().next())
        == Some('Z')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, log: &Path) -> Result<ServerProcess> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        ServerProcess::spawn("shell", command, log)
    }

    #[tokio::test]
    async fn exited_server_fails_at_once_with_the_end_of_its_log() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let mut server = shell(
            "echo bind: address already in use; exit 3",
            &directory.path().join("log"),
        )?;
        let error = server
            .await_ready(Duration::from_secs(600), || async { false })
            .await
            .expect_err("it ended");
        let text = error.to_string();
        assert!(
            text.contains("address already in use") && text.contains('3'),
            "{text}"
        );
        Ok(())
    }

    #[tokio::test]
    async fn server_that_never_gets_ready_times_out() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let mut server = shell("exec sleep 600", &directory.path().join("log"))?;
        let error = server
            .await_ready(Duration::ZERO, || async { false })
            .await
            .expect_err("it is never ready");
        assert!(error.to_string().contains("was not ready"), "{error}");
        Ok(())
    }

    #[test]
    fn dropped_server_has_ended() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let server = shell("exec sleep 600", &directory.path().join("log"))?;
        let pid = server.pid();
        assert!(is_running(pid));
        drop(server);
        assert!(!is_running(pid));
        Ok(())
    }
}
