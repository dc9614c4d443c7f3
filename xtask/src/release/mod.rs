//! `cargo xtask release`: a version from its first edit to signed images, with a rehearsal of all of it.

mod build;
mod compare;
mod cosign;
mod git;
mod install;
mod local_registry;
mod manifests;
pub mod node;
mod notes;
mod prepare;
mod publish;
mod rehearse;
mod sbom;
mod tekton_bundle;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Subcommand;

use crate::{interrupt, project};

/// A step of a release, in order; the rehearsal has all but the first.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Writes a version into Cargo.toml, Cargo.lock, CHANGELOG.md and the generated files, to be committed and tagged.
    Prepare {
        /// The version, such as 0.1.0 or 0.1.0-rc.1.
        version: String,
    },
    /// Builds everything that a release has into a directory: the same commit gives the same bytes.
    Build {
        /// The directory, which must not exist.
        out: PathBuf,
        /// The release's tag: fails unless it is that of this version, with a section of CHANGELOG.md and an owner.
        #[arg(long)]
        tag: Option<String>,
    },
    /// Pushes a build to a registry, signs it, and verifies the signatures.
    Publish(publish::Arguments),
    /// Builds twice, compares, publishes to a registry on this machine, installs on an API server, and verifies.
    Rehearse,
}

/// Runs a step.
///
/// # Errors
/// Where it fails.
pub fn release(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Prepare { version } => prepare::prepare(version)?,
        Command::Build { out, tag } => {
            let clone = project::root();
            if let Some(tag) = tag {
                build::check_tag(clone, tag)?;
            }
            return interrupt::run(async {
                let digests = build::build(clone, out).await?;
                println!("{digests}");
                Ok(ExitCode::SUCCESS)
            });
        }
        Command::Publish(arguments) => drop(publish::publish(arguments)?),
        Command::Rehearse => return interrupt::run(rehearse::rehearse()),
    }
    Ok(ExitCode::SUCCESS)
}
