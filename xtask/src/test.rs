//! `cargo xtask test`: every tier, with one cluster for all that needs one.

mod node;

use std::{path::PathBuf, process::ExitCode, time::Instant};

use anyhow::Result;
use test_cluster::{
    control_plane::{Cluster, Options},
    program::BINARY,
    supervisor::Supervisor,
};

use crate::{
    cargo_test::{cargo_test, finish},
    interrupt, picture, release, reliability,
};

/// Which tests are run.
#[derive(Clone, Copy, Debug)]
pub struct Tiers {
    /// Those that need nothing but themselves.
    pub unit: bool,
    /// Those that need the cluster and the binary as it is shipped.
    pub api: bool,
    /// Those that need a node with Tekton, and the image as it is shipped.
    pub node: bool,
}

/// Runs the tiers one after the other and ends with the first one's exit code that isn't 0.
///
/// The last tier is the last to speak: what the test runner says in the end stays the end.
///
/// # Errors
/// Where the binary or the image can't be built, the cluster can't be started, the demo's picture or the fault matrix' page
/// is out of date, or, in CI, a tier can't be run.
pub fn test(tiers: Tiers) -> Result<ExitCode> {
    let node = tiers.node && node::can_run()?;
    let binary = if tiers.api {
        Some(timed("release binary", release::build)?)
    } else {
        None
    };
    interrupt::run(async {
        if tiers.unit {
            let code = unit().await?;
            if code != 0 {
                return Ok(ExitCode::from(code));
            }
        }
        if let Some(binary) = binary {
            let code = timed_tier("API tier", api(&binary)).await?;
            if code != 0 {
                return Ok(ExitCode::from(code));
            }
        }
        if node {
            let code = timed_tier("node tier", node::run()).await?;
            return Ok(ExitCode::from(code));
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn unit() -> Result<u8> {
    let supervisor = Supervisor::start()?;
    for arguments in [&["--doc"][..], &["--lib", "--bins", "--no-fail-fast"]] {
        let mut cargo = cargo_test(&supervisor, &["--workspace"])?;
        let name = format!("cargo test --workspace {}", arguments.join(" "));
        let code = timed_tier(&name, finish(cargo.args(arguments))).await?;
        if code != 0 {
            return Ok(code);
        }
    }
    Ok(0)
}

async fn api(binary: &PathBuf) -> Result<u8> {
    let begun = Instant::now();
    let cluster = Cluster::start(Options::new().registries()).await?;
    took("control plane and registries", begun);
    let begun = Instant::now();
    picture::compare(&picture::perform(&cluster, binary).await?)?;
    took("the demo, against its picture", begun);

    let (variable, state) = cluster.environment()?;
    let mut cargo = cargo_test(cluster.supervisor(), &["--workspace", "--exclude", node::PACKAGE])?;
    cargo
        .args(["--test", "*", "--no-fail-fast"])
        .env(variable, state)
        .env(BINARY, binary);
    let matrix = reliability::record_for(&mut cargo)?;
    let code = finish(&mut cargo).await?;
    if code == 0 {
        reliability::compare(&matrix)?;
    }
    Ok(code)
}

/// Does the work and says how long it took.
fn timed<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    let done = work()?;
    took(what, begun);
    Ok(done)
}

/// As `timed`, for a tier, which has an exit code. Where it is the last, the test runner's own lines stay the last.
async fn timed_tier(what: &str, work: impl Future<Output = Result<u8>>) -> Result<u8> {
    let begun = Instant::now();
    let code = work.await?;
    took(what, begun);
    Ok(code)
}

fn took(what: &str, begun: Instant) {
    eprintln!("xtask: {what}: {:.1} s", begun.elapsed().as_secs_f64());
}
