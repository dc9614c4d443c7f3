//! Helm, which renders, packages and installs the chart.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::manifest::documents;

/// Where a developer gets it.
pub const ADVICE: &str = "Helm is not installed: `go install helm.sh/helm/v4/cmd/helm@v4.3.1`";

/// The chart's directory.
pub fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../chart/ensure-pull-secret")
}

/// Helm, with a home of its own: the caller's files are neither read nor written.
#[derive(Debug)]
pub struct Helm {
    binary: PathBuf,
    home: TempDir,
}

impl Helm {
    /// Helm from `PATH`, or where `.ci/run` keeps its tools. `None`, with advice, where there is none.
    ///
    /// # Errors
    /// In CI, where no check may be left out.
    pub fn find() -> Result<Option<Self>> {
        let tools = requirements::tools().map(|tools| tools.join("helm"));
        let runs = |binary: &PathBuf| {
            let output = Command::new(binary).args(["version", "--short"]).output();
            output.is_ok_and(|output| output.status.success())
        };
        let binary = [Some(PathBuf::from("helm")), tools]
            .into_iter()
            .flatten()
            .find(runs);
        let Some(binary) = binary else {
            if requirements::in_ci() {
                bail!(ADVICE);
            }
            eprintln!("a check was left out: {ADVICE}");
            return Ok(None);
        };
        let home = tempfile::tempdir().context("cannot make a directory for Helm")?;
        Ok(Some(Self { binary, home }))
    }

    /// A command of it, without the caller's `HELM_` variables.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(&self.binary);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HELM_")) {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .env("HELM_CACHE_HOME", self.home.path())
            .env("HELM_CONFIG_HOME", self.home.path())
            .env("HELM_DATA_HOME", self.home.path());
        command
    }

    /// Runs it; returns its standard output.
    ///
    /// # Errors
    /// If it fails, with its standard error.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<String> {
        output(&mut self.command(arguments))
    }

    /// The objects of a release `eps` in the namespace `my-models`, of a chart's directory or package.
    ///
    /// # Errors
    /// If Helm refuses the chart or the values.
    pub fn render<A: AsRef<OsStr>>(
        &self,
        chart: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Vec<Value>> {
        let mut command = self.command(["template", "eps"]);
        command
            .arg(chart)
            .args(["--namespace", "my-models"])
            .args(arguments);
        documents(&output(&mut command)?)
    }

    /// Packages a chart's directory into `directory`, with all times `seconds` since the epoch: the same bytes for the
    /// same content. Returns the file.
    ///
    /// # Errors
    /// If Helm refuses the chart.
    pub fn package(&self, chart: &Path, directory: &Path, seconds: u64) -> Result<PathBuf> {
        let mut command = self.command(["package"]);
        // Times of files are in the archive otherwise.
        command
            .arg(chart)
            .arg("--destination")
            .arg(directory)
            .env("SOURCE_DATE_EPOCH", seconds.to_string());
        let written = output(&mut command)?;
        let path = written.trim().rsplit(": ").next().map(PathBuf::from);
        let path = path.with_context(|| format!("helm package printed no path: {written}"))?;
        // `helm push` writes the file's time into the manifest.
        fs::File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)))
            .with_context(|| format!("cannot set the time of {}", path.display()))?;
        Ok(path)
    }
}

/// Runs a command; returns its standard output.
fn output(command: &mut Command) -> Result<String> {
    let output = command.output().context("cannot run Helm")?;
    ensure!(
        output.status.success(),
        "Helm failed: {}",
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    String::from_utf8(output.stdout).context("Helm's output is not UTF-8")
}
