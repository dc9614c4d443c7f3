//! `cargo xtask test`: every tier, with one cluster for all that needs one.

mod node;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Result, ensure};
use requirements::{Part, Request, ThisMachine, Verdict};
use test_cluster::{
    clients::WITHOUT_SKOPEO,
    control_plane::{Cluster, Options},
    program::BINARY,
    servers::versions::Versions,
    supervisor::Supervisor,
};

use crate::{
    cargo_test::{cargo_test, finish},
    interrupt, picture, project, reliability, static_binary,
    steps::Steps,
};

/// The package whose only integration test is that of `cargo xtask image`.
const IMAGE_TESTS: &str = env!("CARGO_PKG_NAME");
/// The module of the tests that run a script of the samples.
const SCRIPTS: &str = "deploy_script";

/// Runs the tiers one after the other and ends with the first one's exit code that isn't 0. Where all of them ran, the
/// test runner's own lines are the last ones; else the parts that were not run, as before the first build.
///
/// # Errors
/// Where a requested part, or in CI any part, can't run; where the binary or the image can't be built, the cluster
/// can't be started, or the demo's picture or the fault matrix' page is out of date.
pub fn test(request: &Request, versions: Option<&'static Versions>) -> Result<ExitCode> {
    let verdict = request.verdict(&ThisMachine, project::in_ci());
    let explanation = verdict.explanation(&ThisMachine);
    ensure!(
        !request.is_refused(&verdict, project::in_ci()),
        "{}",
        explanation.join("\n")
    );
    let code = run(&verdict, versions)?;
    for line in explanation {
        eprintln!("xtask: {line}");
    }
    Ok(code)
}

fn run(verdict: &Verdict, versions: Option<&Versions>) -> Result<ExitCode> {
    let total = [(Part::Api, 4), (Part::Unit, 2), (Part::Node, 1)];
    let total = total.into_iter().filter(|(part, _)| verdict.runs(*part));
    let mut steps = Steps::new(total.map(|(_, steps)| steps).sum());
    let binary = if verdict.runs(Part::Api) {
        steps.next("release binary", "2 min, 1 s if it is built");
        Some(static_binary::build()?)
    } else {
        None
    };
    interrupt::run(async {
        Ok(ExitCode::from(
            tiers(binary, verdict, versions, &mut steps).await?,
        ))
    })
}

async fn tiers(
    binary: Option<PathBuf>,
    verdict: &Verdict,
    versions: Option<&Versions>,
    steps: &mut Steps,
) -> Result<u8> {
    let mut code = 0;
    if verdict.runs(Part::Unit) {
        code = unit(verdict, steps).await?;
    }
    if let Some(binary) = binary.filter(|_| code == 0) {
        code = api(&binary, verdict, steps).await?;
    }
    if code == 0 && verdict.runs(Part::Node) {
        steps.next("node tests", "5 min");
        // Its end is not printed: the output ends with the test runner's own lines.
        code = node::run(versions).await?;
    }
    Ok(code)
}

async fn unit(verdict: &Verdict, steps: &mut Steps) -> Result<u8> {
    let supervisor = Supervisor::start()?;
    for (what, usual_time, arguments) in [
        ("examples in the documentation", "1 min", &["--doc"][..]),
        (
            "unit tests",
            "30 s, 4 min if nothing is built",
            &["--lib", "--bins", "--no-fail-fast"],
        ),
    ] {
        steps.next(what, usual_time);
        let mut cargo = cargo_test(&supervisor, &["--workspace"])?;
        cargo.args(arguments);
        if !verdict.runs(Part::Scripts) {
            cargo.args(["--", "--skip", SCRIPTS]);
        }
        let code = finish(&mut cargo).await?;
        if code != 0 {
            return Ok(code);
        }
    }
    Ok(0)
}

async fn api(binary: &Path, verdict: &Verdict, steps: &mut Steps) -> Result<u8> {
    steps.next("control plane and registries", "5 s");
    let cluster = Cluster::start(Options::new().registries()).await?;
    steps.next("the demo, against its picture", "10 s");
    picture::compare(&picture::perform(&cluster, binary).await?)?;

    steps.next("API tests", "8 min");
    let (variable, state) = cluster.environment()?;
    let mut cargo = cargo_test(cluster.supervisor(), &["--workspace", "--exclude", node::PACKAGE])?;
    cargo.env(variable, state).env(BINARY, binary);
    if !verdict.runs(Part::Image) {
        cargo.args(["--exclude", IMAGE_TESTS]);
    }
    cargo.args(["--test", "*", "--no-fail-fast"]);
    if !verdict.runs(Part::Skopeo) {
        cargo.env(WITHOUT_SKOPEO, "1").args(["--", "--skip", "skopeo"]);
    }
    let matrix = reliability::record_for(&mut cargo)?;
    let code = finish(&mut cargo).await?;
    // Before the page is compared: the output ends with the reason of a failure.
    steps.finish();
    if code == 0 {
        reliability::compare(&matrix)?;
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    #[test]
    fn t9_without_the_image_every_other_test_is_run() {
        let tests = std::fs::read_dir(crate::project::file("xtask/tests")).expect("a directory");
        let names: Vec<_> = tests.map(|entry| entry.expect("an entry").file_name()).collect();
        assert_eq!(names, ["image"]);
    }
}
