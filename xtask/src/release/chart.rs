//! The Helm chart, where the clone has one: by helm.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use xshell::{Shell, cmd};

use super::git::{self, Commit};
use crate::project;

/// The chart, from the top of the clone.
const CHART: &str = "chart/ensure-pull-secret";

/// Packages the chart into a directory and gives its file; `None` where the clone has no chart. `SOURCE_DATE_EPOCH` makes the
/// package's bytes those of the commit.
///
/// # Errors
/// Where helm is missing or fails.
pub fn package(clone: &Path, out: &Path, commit: &Commit) -> Result<Option<PathBuf>> {
    let chart = clone.join(CHART);
    if !chart.exists() {
        return Ok(None);
    }
    let shell = git::shell(clone)?;
    let helm = helm(&shell)?;
    cmd!(shell, "{helm} package {chart} --destination {out}")
        .env("SOURCE_DATE_EPOCH", &commit.seconds)
        .quiet()
        .ignore_stdout()
        .run()
        .context("cannot package the chart")?;
    let file = out.join(format!(
        "ensure-pull-secret-{}.tgz",
        container_image::project::VERSION
    ));
    anyhow::ensure!(
        file.is_file(),
        "helm wrote no {}: the chart has another version",
        file.display()
    );
    Ok(Some(file))
}

fn helm(shell: &Shell) -> Result<PathBuf> {
    project::tool(shell, "helm").context("helm is not installed: go install helm.sh/helm/v4/cmd/helm@v4.3.1")
}

/// Pushes the package to `repository`, without the chart's name: `ghcr.io/team/charts`.
///
/// # Errors
/// Where the registry refuses it.
pub fn push(package: &Path, repository: &str, plain_http: bool) -> Result<()> {
    let shell = project::shell()?;
    let helm = helm(&shell)?;
    let options = plain_http.then_some("--plain-http");
    cmd!(shell, "{helm} push {package} oci://{repository} {options...}")
        .quiet()
        .run()
        .with_context(|| format!("cannot push the chart to {repository}"))
}
