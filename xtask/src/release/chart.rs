//! The Helm chart, by helm.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use xshell::{Shell, cmd};

use super::git::Commit;
use crate::project;

/// Packages the chart into a directory, with the digest of the image as its default, and gives its file.
///
/// # Errors
/// Where helm is missing or fails.
pub fn package(clone: &Path, out: &Path, image_digest: &str, commit: &Commit) -> Result<PathBuf> {
    let seconds = commit.seconds.parse().context("git printed no time")?;
    crate::chart::package(clone, out, Some(image_digest), seconds).context("cannot package the chart")
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
