//! The program under test, run as a pipeline runs it: an environment, no input, results in files.

mod canary;
mod outcome;
pub mod report_schema;
mod running;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    panic::Location,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, Result};

pub use self::{
    canary::Canary,
    outcome::{Outcome, RESULTS},
    running::{Output, RunningProgram},
};
use crate::identity::ServiceAccountDir;

/// The variable that holds the path of the binary under test.
pub const BINARY: &str = "ENSURE_PULL_SECRET_BIN";
/// Variable with the path of coverage counters: `cargo xtask coverage` sets it.
pub const COUNTERS: &str = "LLVM_PROFILE_FILE";
/// The program's own default timeout is 2 min; one that outlives it by this much hangs.
const TIMEOUT: Duration = Duration::from_secs(150);

/// A run to be: the binary, and exactly the environment it will see; but for the counters' file, where there is one.
#[derive(Clone, Debug)]
pub struct Program {
    binary: PathBuf,
    schema: PathBuf,
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    results: Vec<&'static str>,
    canaries: Vec<Canary>,
    timeout: Duration,
}

impl Program {
    /// The binary under test, outside of any pod: its environment has nothing but the paths of the results.
    ///
    /// # Panics
    /// If `ENSURE_PULL_SECRET_BIN` is not set.
    pub fn outside() -> Self {
        match std::env::var_os(BINARY) {
            Some(binary) => Self::at(binary),
            None => panic!("{BINARY} is not set: run the suite with `cargo xtask test`"),
        }
    }

    /// The binary under test, as in a pod of `identity`'s service account; its mounted token must not be given away.
    ///
    /// # Panics
    /// As `outside`.
    pub fn new(identity: &ServiceAccountDir) -> Self {
        Self::outside().within(identity)
    }

    /// Another binary than the one under test.
    pub fn at(binary: impl Into<PathBuf>) -> Self {
        let counters = std::env::var_os(COUNTERS).map(|file| (COUNTERS.into(), file));
        Self {
            binary: binary.into(),
            schema: report_schema::published(),
            arguments: Vec::new(),
            environment: counters.into_iter().collect(),
            results: RESULTS.to_vec(),
            canaries: Vec::new(),
            timeout: TIMEOUT,
        }
    }

    /// Puts the program into a pod of `identity`'s service account.
    #[must_use]
    pub fn within(self, identity: &ServiceAccountDir) -> Self {
        let api_server = identity.api_server();
        self.env("PULL_SECRET_SERVICE_ACCOUNT_DIR", identity.path())
            .env("KUBERNETES_SERVICE_HOST", api_server.ip().to_string())
            .env("KUBERNETES_SERVICE_PORT", api_server.port().to_string())
            .canary(identity.token())
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Unsets a variable.
    #[must_use]
    pub fn without(mut self, name: impl AsRef<OsStr>) -> Self {
        self.environment.remove(name.as_ref());
        self
    }

    /// Does not request a result: its `RESULTS_…_PATH` is unset.
    #[must_use]
    pub fn without_result(mut self, name: &str) -> Self {
        self.results.retain(|result| *result != name);
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// A secret that must be in no output.
    ///
    /// # Panics
    /// If it is too short to be told from innocent text.
    #[must_use]
    pub fn canary(mut self, secret: &str) -> Self {
        self.canaries.push(Canary::new(secret));
        self
    }

    /// The password in the token file is a secret too; a configuration there has parts that aren't.
    fn with_token_file(mut self) -> Self {
        let file = self.environment.get(OsStr::new("PULL_SECRET_TOKEN_FILE"));
        let is_regular = |file: &&OsString| std::fs::metadata(file).is_ok_and(|found| found.is_file());
        let text = file
            .filter(is_regular)
            .and_then(|file| std::fs::read_to_string(file).ok());
        if let Some(password) = text.as_deref().map(str::trim_end).filter(|text| {
            text.len() >= canary::SHORTEST && !text.contains(|c: char| c.is_whitespace() || c == '{')
        }) {
            self.canaries.push(Canary::new(password));
        }
        self
    }

    /// Kills the program after another time than two and a half minutes.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Validates reports against another schema than the published one.
    #[must_use]
    pub fn schema(mut self, schema: impl Into<PathBuf>) -> Self {
        self.schema = schema.into();
        self
    }

    /// Runs the program to its end and checks what every run promises.
    ///
    /// # Errors
    /// If it can't be started, hangs, is ended by a signal, or breaks a promise; the error shows all outputs.
    pub async fn run(&self) -> Result<Outcome> {
        self.spawn()?.wait().await
    }

    /// Runs the program and checks STATUS, ACTION, REASON and the exit code. An error has the caller's location.
    ///
    /// # Errors
    /// As for [`Self::run`], and if it ends otherwise.
    #[track_caller]
    pub fn expect(
        &self,
        status: &str,
        action: &str,
        reason: &str,
        exit: i32,
    ) -> impl Future<Output = Result<Outcome>> {
        let caller = Location::caller();
        async move {
            let outcome = self.run().await.with_context(|| caller.to_string())?;
            outcome
                .ensure_ended((status, action, reason, exit))
                .with_context(|| caller.to_string())?;
            Ok(outcome)
        }
    }

    /// Runs the program to its end and checks nothing but canaries: for `--help` and `--version`.
    ///
    /// # Errors
    /// If it can't be started, hangs, is ended by a signal, or gives a secret away.
    pub async fn output(&self) -> Result<Output> {
        self.spawn()?.output().await
    }

    /// Starts the program, for tests that send it a signal or act while it runs.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn spawn(&self) -> Result<RunningProgram> {
        RunningProgram::start(self.clone().with_token_file())
            .with_context(|| format!("cannot run the program under test, {}", self.binary.display()))
    }
}
