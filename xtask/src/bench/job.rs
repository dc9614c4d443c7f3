//! A contender's process: started, waited for, timed.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

/// A command with exactly the environment that it will see.
#[derive(Clone, Debug)]
pub struct Job {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

impl Job {
    /// A command without arguments, in an empty environment.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets a variable; the last value of one counts.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Runs it; how long it took, from its start to its end.
    ///
    /// # Errors
    /// Where it can't be started or fails; with its standard error.
    pub fn time(&self) -> Result<Duration> {
        self.run().map(|(took, _)| took)
    }

    /// Runs it, and gives the most resident memory that one of its processes ever had, in bytes; `launcher` is the
    /// small program that finds out.
    ///
    /// # Errors
    /// As `time`.
    pub fn peak_memory(&self, launcher: &Path) -> Result<u64> {
        let mut launched = Self::new(launcher).argument(&self.program);
        launched.arguments.extend_from_slice(&self.arguments);
        launched.environment.clone_from(&self.environment);
        let (_, output) = launched.run()?;
        let kibibytes: u64 = output
            .trim()
            .parse()
            .with_context(|| format!("{output:?} is no number of KiB"))?;
        Ok(kibibytes * 1024)
    }

    fn run(&self) -> Result<(Duration, String)> {
        let name = self.program.display();
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let begun = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot run {name}"))?;
        // What any of them says fits into a pipe: it is read afterwards.
        child.wait().with_context(|| format!("cannot wait for {name}"))?;
        let took = begun.elapsed();
        let output = child.wait_with_output().context("cannot read what it said")?;
        ensure!(
            output.status.success(),
            "{name} ended with {}:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok((took, String::from_utf8_lossy(&output.stdout).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_fails_says_what_it_said_and_has_no_time() {
        let job = Job::new("/bin/sh")
            .argument("-c")
            .argument("echo $WORD >&2; exit 3");
        let error = job.env("WORD", "why").time().expect_err("it failed");
        assert!(error.to_string().contains("why"), "{error}");
    }
}
