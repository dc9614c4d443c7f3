//! The node tier: the image as it is shipped, on a kubelet with Tekton.

use anyhow::{Context as _, Result};
use test_cluster::{
    servers::versions::{VARIABLE, Versions},
    supervisor::Supervisor,
};
use tokio::process::Command;

use crate::{
    cargo_test::{cargo_test, finish},
    project, static_binary,
};

/// The package of the tier's tests.
pub const PACKAGE: &str = "node-tests";

/// Builds what the tier needs, then runs it: first what looks at a node from outside, then what is inside of one.
pub async fn run(versions: Option<&Versions>) -> Result<u8> {
    let versions = versions.map_or("", |pair| pair.name);
    let (test_cluster, binary) = tokio::task::spawn_blocking(|| {
        anyhow::Ok((
            static_binary::build_tool("test-cluster")?,
            static_binary::build()?,
        ))
    })
    .await
    .context("the build was cut off")??;
    let image = tempfile::tempdir().context("cannot create a directory for the image")?;
    let layout = image.path().join("layout");
    container_image::build(&binary)
        .await?
        .write_layout(&layout)
        .await?;
    let supervisor = Supervisor::start()?;

    // All of the building is done before: in a node's namespaces there is no network.
    let code = finish(cargo_test(&supervisor, &["--package", PACKAGE])?.arg("--no-run")).await?;
    if code != 0 {
        return Ok(code);
    }
    let mut outside = cargo_test(&supervisor, &["--package", PACKAGE])?;
    let code = finish(
        outside
            .args(["--test", "leftovers"])
            .env("TEST_CLUSTER_PROGRAM", &test_cluster)
            .env(VARIABLE, versions),
    )
    .await?;
    if code != 0 {
        return Ok(code);
    }
    let inside = cargo_test(
        &supervisor,
        &[
            "--package",
            PACKAGE,
            "--test",
            "node",
            "--offline",
            "--no-fail-fast",
        ],
    )?;
    let mut node = Command::from(supervisor.command(&test_cluster)?);
    node.args(["node", "--"])
        .arg(inside.as_std().get_program())
        .args(inside.as_std().get_args())
        .current_dir(project::root())
        .env("ENSURE_PULL_SECRET_IMAGE", &layout)
        .env(VARIABLE, versions);
    for variable in project::own_variables() {
        node.env_remove(variable);
    }
    finish(&mut node).await
}
