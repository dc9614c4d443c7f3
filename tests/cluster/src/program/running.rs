//! A run under way.

use std::{collections::BTreeMap, fs, process::Stdio};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, kill_process};
use tempfile::TempDir;
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, Command},
    task::JoinHandle,
};

use super::{Canary, Outcome, Program, RESULTS};
use crate::server_process::Signal;

/// Outputs of a run, unchecked.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code.
    pub exit: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The results that were written.
    pub results: BTreeMap<String, String>,
}

impl Output {
    pub(super) fn ensure_no_trace_of(&self, canary: &Canary) -> Result<()> {
        let outputs = [
            ("standard output", &self.stdout),
            ("standard error", &self.stderr),
        ]
        .into_iter()
        .chain(self.results.iter().map(|(name, value)| (name.as_str(), value)));
        for (name, text) in outputs {
            if let Some(trace) = canary.trace_in(text) {
                bail!("a secret was given away: {trace} is in {name}");
            }
        }
        Ok(())
    }
}

/// The program while it runs; dropping it kills it.
#[derive(Debug)]
pub struct RunningProgram {
    program: Program,
    child: Child,
    stdout: JoinHandle<std::io::Result<Vec<u8>>>,
    stderr: JoinHandle<std::io::Result<Vec<u8>>>,
    results: TempDir,
}

impl RunningProgram {
    pub(super) fn start(program: Program) -> Result<Self> {
        let results = tempfile::Builder::new()
            .prefix("results-")
            .tempdir()
            .context("cannot make a directory for the results")?;
        let mut command = Command::new(&program.binary);
        command
            .args(&program.arguments)
            .env_clear()
            .envs(
                program
                    .results
                    .iter()
                    .map(|name| (path_variable(name), results.path().join(name))),
            )
            // Last: a test may point a result elsewhere.
            .envs(&program.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let stdout = read_to_end(child.stdout.take());
        let stderr = read_to_end(child.stderr.take());
        Ok(Self {
            program,
            child,
            stdout,
            stderr,
            results,
        })
    }

    /// The process id; none where it has ended and was waited for.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// If the program has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self
            .child
            .id()
            .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
            .context("the program has ended already")?;
        kill_process(pid, signal).context("cannot send the program a signal")
    }

    /// Ends when the program has ended; `wait` returns the result.
    pub async fn ended(&mut self) {
        // Where it can't be waited for, `wait` says so.
        let _ = self.child.wait().await;
    }

    /// Kills the program (SIGKILL); returns its output until then: standard output, then standard error.
    ///
    /// # Errors
    /// If it had ended, or what it put out isn't text.
    pub async fn kill(mut self) -> Result<String> {
        let ended = self
            .child
            .try_wait()
            .context("cannot ask for the program's state")?;
        if let Some(status) = ended {
            bail!(
                "the program had ended already ({status}); its standard error:\n{}",
                text(self.stderr.await)?
            );
        }
        self.child.kill().await.context("cannot kill the program")?;
        Ok(text(self.stdout.await)? + &text(self.stderr.await)?)
    }

    /// Waits for the end and checks what every run promises.
    ///
    /// # Errors
    /// As `Program::run`.
    pub async fn wait(self) -> Result<Outcome> {
        let program = self.program.clone();
        // A result that a test points elsewhere is the test's to look at.
        let wanted: Vec<&str> = program
            .results
            .iter()
            .copied()
            .filter(|name| {
                !program
                    .environment
                    .contains_key(path_variable(name).as_ref() as &std::ffi::OsStr)
            })
            .collect();
        let output = self.finish().await?;
        Outcome::checked(output, &wanted, &program.canaries, &program.schema)
    }

    /// Waits for the end and checks nothing but canaries.
    ///
    /// # Errors
    /// As `Program::output`.
    pub async fn output(self) -> Result<Output> {
        let canaries = self.program.canaries.clone();
        let output = self.finish().await?;
        for canary in &canaries {
            output.ensure_no_trace_of(canary)?;
        }
        Ok(output)
    }

    async fn finish(mut self) -> Result<Output> {
        let timeout = self.program.timeout;
        let in_time = tokio::time::timeout(timeout, self.child.wait()).await;
        if in_time.is_err() {
            self.child.kill().await.context("cannot kill the program")?;
        }
        let stdout = text(self.stdout.await)?;
        let stderr = text(self.stderr.await)?;
        let Ok(status) = in_time else {
            bail!(
                "the program did not end within {} s; its standard error:\n{stderr}",
                timeout.as_secs()
            );
        };
        let status = status.context("cannot wait for the program")?;
        let Some(exit) = status.code() else {
            bail!("the program was ended by a signal ({status}); its standard error:\n{stderr}");
        };
        let results = RESULTS
            .iter()
            .filter_map(|name| {
                let value = fs::read(self.results.path().join(name)).ok()?;
                Some(String::from_utf8(value).map(|value| ((*name).to_owned(), value)))
            })
            .collect::<Result<_, _>>()
            .context("a result is not UTF-8")?;
        Ok(Output {
            exit,
            stdout,
            stderr,
            results,
        })
    }
}

fn path_variable(result: &str) -> String {
    format!("RESULTS_{result}_PATH")
}

fn read_to_end<R: tokio::io::AsyncRead + Unpin + Send + 'static>(
    pipe: Option<R>,
) -> JoinHandle<std::io::Result<Vec<u8>>> {
    tokio::spawn(async move {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut bytes).await?;
        }
        Ok(bytes)
    })
}

fn text(read: Result<std::io::Result<Vec<u8>>, tokio::task::JoinError>) -> Result<String> {
    let bytes = read
        .context("the reader of an output was cut off")?
        .context("cannot read an output of the program")?;
    String::from_utf8(bytes).context("an output of the program is not UTF-8")
}
