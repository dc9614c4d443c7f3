//! The contest on a node: the program and the script as steps of Tekton.

mod container_events;
mod contender;
mod memory;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use container_image::{Builder, BuiltImage, Platform, pulled};
use serde::{Deserialize, Serialize};
use test_cluster::{
    access::ClusterAccess,
    node::namespaces,
    servers::{Binaries, NodeBinaries},
    supervisor::Supervisor,
};
use tokio::process::Command;

use self::contender::Contender;
use super::{contender::SCRIPT, contest, figures::Scores};
use crate::{interrupt, project, static_binary};

/// Variable with the image of the program (`tests/node/src/program_image.rs`).
const PROGRAM_IMAGE: &str = "ENSURE_PULL_SECRET_IMAGE";
/// The shell of the script: a static binary.
const BUSYBOX: &str = "/bin/busybox";
/// The image of the script has nothing but a shell, kubectl and the script.
const CONTAINERFILE: &str =
    "FROM scratch\nCOPY busybox kubectl shell.sh /bin/\nENV PATH=/bin\nUSER 65532:65532\n";

/// Figures of the contest on a node.
pub struct Figures {
    /// Sizes of the images: program, shell.
    pub images: [ImageSize; 2],
    /// Figures of the runs.
    pub runs: Runs,
}

/// Size of an image, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct ImageSize {
    /// Bytes that a node pulls.
    pub compressed: u64,
    /// Bytes on the node.
    pub unpacked: u64,
}

/// Figures that the command in the namespaces of the node writes.
#[derive(Deserialize, Serialize)]
pub struct Runs {
    /// Steps of program and shell.
    pub scores: Vec<Scores>,
    /// Memory limit of the shipped Task, in MiB.
    pub memory_limit: u64,
}

/// Programs that start a node.
pub struct Tools {
    test_cluster: PathBuf,
    builder: Builder,
}

/// Builds what a node needs, or gives the reason why no node can run here.
///
/// # Errors
/// When a build fails.
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
        // Optimised: it contains the registry's token check, which only one of the contenders uses.
        test_cluster: static_binary::build_binary("test-cluster", "test-cluster")?,
        builder,
    }))
}

/// Starts a node, measures on it, and ends it.
///
/// # Errors
/// When an image can't be built, the node can't be started, or a contender fails.
pub async fn run(tools: &Tools, program: &Path, kubectl: &Path, rounds: u32) -> Result<Figures> {
    let directory = tempfile::tempdir().context("cannot create a directory for the images")?;
    let [program_layout, shell_layout] = ["program", "shell"].map(|name| directory.path().join(name));
    let program = write(&container_image::build(program).await?, &program_layout).await?;
    let shell = write(&shell_image(&tools.builder, kubectl).await?, &shell_layout).await?;
    let figures = directory.path().join("figures.json");
    let own = env::current_exe().context("cannot find this program")?;
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
    ensure!(status.success(), "the contest on a node ended with {status}");
    let runs = fs::read(&figures).with_context(|| format!("cannot read {}", figures.display()))?;
    Ok(Figures {
        images: [program, shell],
        runs: serde_json::from_slice(&runs)?,
    })
}

/// Arguments of the command in the namespaces of a node.
#[derive(Args)]
pub struct Arguments {
    /// How often each contender runs in each state.
    #[arg(long)]
    rounds: u32,
    /// The OCI layout of the shell's image.
    #[arg(long)]
    shell: PathBuf,
    /// The file that gets the figures, as JSON.
    #[arg(long)]
    figures: PathBuf,
}

/// Measures on the node that `TEST_CLUSTER` names, and writes [`Runs`].
///
/// # Errors
/// When a contender fails or the file can't be written.
pub fn measure(arguments: &Arguments) -> Result<ExitCode> {
    interrupt::run(async {
        let mut contenders = Contender::all(ClusterAccess::shared(), &arguments.shell).await?;
        let scores = contest::run(&mut contenders, arguments.rounds).await?;
        let memory_limit = contenders[0].memory_limit().await?;
        let runs = serde_json::to_vec(&Runs { scores, memory_limit })?;
        let figures = &arguments.figures;
        fs::write(figures, runs).with_context(|| format!("cannot write {}", figures.display()))?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Builds the image of the script with the builder of the program's image.
async fn shell_image(builder: &Builder, kubectl: &Path) -> Result<BuiltImage> {
    let directory = tempfile::tempdir().context("cannot create a directory for the build")?;
    let place = |name: &str| directory.path().join(name);
    fs::copy(BUSYBOX, place("busybox"))
        .and_then(|_| fs::copy(kubectl, place("kubectl")))
        .and_then(|_| fs::write(place("shell.sh"), SCRIPT))
        .and_then(|()| fs::write(place("Containerfile"), CONTAINERFILE))
        .with_context(|| format!("cannot copy {BUSYBOX} (package busybox-static) and kubectl"))?;
    BuiltImage::build_other(builder, directory.path()).await
}

/// Writes the layout of an image, and gives its size.
async fn write(image: &BuiltImage, layout: &Path) -> Result<ImageSize> {
    image.write_layout(layout).await?;
    let size = image.sizes().first().context("an image has a size")?;
    Ok(ImageSize {
        compressed: pulled(layout, Platform::native()?)?,
        unpacked: size.image,
    })
}
