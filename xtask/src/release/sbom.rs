//! The list of the binary's dependencies, as CycloneDX: by cargo-cyclonedx.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use container_image::Platform;
use tempfile::TempDir;
use xshell::cmd;

use super::git::{self, Commit};
use crate::project;

/// Writes it for the first platform: both have the same dependencies.
///
/// # Errors
/// Where cargo-cyclonedx is missing or fails.
pub fn write(clone: &Path, file: &Path, commit: &Commit) -> Result<()> {
    let shell = git::shell(clone)?;
    let tool = project::cargo_tool("cargo-cyclonedx").context("cargo-cyclonedx is not installed")?;
    // It writes a file beside each Cargo.toml, so it gets a copy of the sources.
    let copy = TempDir::new().context("cannot create a directory for the sources")?;
    let archive = copy.path().join("sources.tar");
    let sources = copy.path().join("ensure-pull-secret");
    fs::create_dir(&sources)?;
    cmd!(shell, "git archive --output {archive} HEAD")
        .quiet()
        .run()
        .context("cannot copy the sources")?;
    cmd!(shell, "tar --extract --file {archive} --directory {sources}")
        .quiet()
        .run()?;
    shell.change_dir(&sources);
    let target = Platform::ALL[0].target();
    let options = [
        "--format",
        "json",
        "--spec-version",
        "1.5",
        "--no-build-deps",
        "--target",
        target,
    ];
    project::without_own_variables(shell.cmd(tool))
        .args(["cyclonedx", "--quiet"])
        .args(options)
        .env("SOURCE_DATE_EPOCH", &commit.seconds)
        .quiet()
        .ignore_stdout()
        .run()
        .context("cannot list the dependencies")?;
    let written = sources.join("ensure-pull-secret.cdx.json");
    let text =
        fs::read_to_string(&written).context("cargo-cyclonedx wrote no ensure-pull-secret.cdx.json")?;
    // Its references have the path of the sources.
    let text = text.replace(&sources.display().to_string(), "/ensure-pull-secret");
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
