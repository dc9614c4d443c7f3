//! The program and the script as steps of Tekton on a real node, side by side.

mod container_events;
mod contender;
pub mod figures;
mod memory;
mod memory_limit;
mod runs;
mod shell_image;
mod turn;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};
use container_image::{Builder, BuiltImage, Platform, pulled};
use test_cluster::{
    node::namespaces,
    servers::{Binaries, Module, NodeBinaries},
    supervisor::Supervisor,
};
use tokio::process::Command;

pub use self::{
    figures::{Figures, ImageSize, InState, Pair, Times},
    runs::measure,
};
use super::machine::go_version;
use crate::{project, release};

/// The variable by which the program's image is found (`tests/node/src/program_image.rs`).
const PROGRAM_IMAGE: &str = "ENSURE_PULL_SECRET_IMAGE";

/// What a node is started with. All of it is built before anything is measured.
pub struct Tools {
    test_cluster: PathBuf,
    builder: Builder,
}

/// Builds what a node needs, or says in a line why none can run here.
///
/// # Errors
/// Where something can't be built.
pub fn tools() -> Result<Result<Tools, String>> {
    if let Some(obstacle) = namespaces::obstacle() {
        return Ok(Err(obstacle));
    }
    let builder = match Builder::installed() {
        Ok(builder) => builder,
        Err(error) => return Ok(Err(format!("{error:#}"))),
    };
    Binaries::ensure()?;
    NodeBinaries::ensure()?;
    Ok(Ok(Tools {
        // Optimised: the registry's door is in it, which one of the contenders asks.
        test_cluster: release::build_binary("test-cluster", "test-cluster")?,
        builder,
    }))
}

/// Starts a node, measures on it, and ends it.
///
/// # Errors
/// Where an image can't be built, the node can't be started, or a contender fails.
pub async fn run(tools: &Tools, program: &Path, kubectl: &Path, rounds: u32) -> Result<Figures> {
    let directory = tempfile::tempdir().context("cannot create a directory for the images")?;
    let [program_layout, shell_layout] = ["program", "shell"].map(|name| directory.path().join(name));
    let images = Pair {
        program: write(&container_image::build(program).await?, &program_layout).await?,
        shell: write(&shell_image::build(&tools.builder, kubectl).await?, &shell_layout).await?,
    };
    let figures = directory.path().join("figures.json");
    let own = env::current_exe().context("cannot tell where this program is")?;
    let supervisor = Supervisor::start()?;
    let mut node = Command::from(supervisor.command(&tools.test_cluster)?);
    node.args(["node", "--"])
        .arg(own)
        .args(["bench-on-node", "--rounds", &rounds.to_string(), "--shell"])
        .arg(&shell_layout)
        .arg("--figures")
        .arg(&figures)
        .current_dir(project::root())
        .env(PROGRAM_IMAGE, &program_layout)
        .stdin(Stdio::null());
    let status = node.status().await.context("cannot run test-cluster")?;
    ensure!(status.success(), "the measurement on a node ended with {status}");
    let runs = fs::read(&figures).with_context(|| format!("cannot read {}", figures.display()))?;
    Ok(Figures {
        images,
        runs: serde_json::from_slice(&runs)?,
    })
}

/// Writes an image's layout, and gives its size.
async fn write(image: &BuiltImage, layout: &Path) -> Result<ImageSize> {
    image.write_layout(layout).await?;
    let size = image.sizes().first().context("an image has a size")?;
    Ok(ImageSize {
        pulled: pulled(layout, Platform::native()?)?,
        unpacked: size.image,
    })
}

fn tekton_version() -> Result<String> {
    let go_mod = fs::read_to_string(Module::Tekton.directory().join("go.mod"))
        .context("cannot read the go.mod that pins Tekton")?;
    let version =
        go_version(&go_mod, "github.com/tektoncd/pipeline").context("go.mod does not require Tekton")?;
    Ok(version.to_owned())
}
