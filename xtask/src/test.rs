//! `cargo xtask test`: every tier, with one cluster for all that needs one.

use std::{
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result};
use test_cluster::{
    control_plane::{Cluster, Options},
    program::BINARY,
    supervisor::Supervisor,
};
use tokio::process::Command;

use crate::{interrupt, picture, project, release};

/// Which tests are run.
#[derive(Clone, Copy, Debug)]
pub struct Tiers {
    /// Those that need nothing but themselves.
    pub unit: bool,
    /// Those that need the cluster and the binary as it is shipped.
    pub api: bool,
}

/// Runs the tiers one after the other and ends with the first one's exit code that isn't 0.
///
/// The last tier is the last to speak: what the test runner says in the end stays the end.
///
/// # Errors
/// Where the binary can't be built, the cluster can't be started, or the demo's picture is out of date.
pub fn test(tiers: Tiers) -> Result<ExitCode> {
    let binary = if tiers.api {
        Some(timed("release binary", release::build)?)
    } else {
        None
    };
    interrupt::run(run(tiers, binary))
}

async fn run(tiers: Tiers, binary: Option<PathBuf>) -> Result<ExitCode> {
    if tiers.unit {
        let supervisor = Supervisor::start()?;
        for arguments in [&["--doc"][..], &["--lib", "--bins", "--no-fail-fast"]] {
            let begun = Instant::now();
            let code = finish(&mut cargo_test(&supervisor, arguments)?).await?;
            took(&format!("cargo test --workspace {}", arguments.join(" ")), begun);
            if code != 0 {
                return Ok(ExitCode::from(code));
            }
        }
    }
    let Some(binary) = binary else {
        return Ok(ExitCode::SUCCESS);
    };
    let begun = Instant::now();
    let cluster = Cluster::start(Options::new().registries()).await?;
    took("control plane and registries", begun);
    let begun = Instant::now();
    picture::compare(&picture::perform(&cluster, &binary).await?)?;
    took("the demo, against its picture", begun);

    let (variable, state) = cluster.environment()?;
    let mut cargo = cargo_test(cluster.supervisor(), &["--test", "*", "--no-fail-fast"])?;
    cargo.env(variable, state).env(BINARY, &binary);
    Ok(ExitCode::from(finish(&mut cargo).await?))
}

/// A run of cargo and of the tests that it starts; however this process ends, the supervisor ends them.
fn cargo_test(supervisor: &Supervisor, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::from(supervisor.command(Path::new("cargo"))?);
    command
        .current_dir(project::root())
        .args(["test", "--workspace", "--locked"])
        .args(arguments)
        .stdin(Stdio::null());
    for variable in project::own_variables() {
        command.env_remove(variable);
    }
    Ok(command)
}

/// Runs it to its end, and gives its exit code.
async fn finish(command: &mut Command) -> Result<u8> {
    let status = command.status().await.context("cannot run cargo")?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1))
}

/// Does the work and says how long it took.
fn timed<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    let done = work()?;
    took(what, begun);
    Ok(done)
}

fn took(what: &str, begun: Instant) {
    eprintln!("xtask: {what}: {:.1} s", begun.elapsed().as_secs_f64());
}
