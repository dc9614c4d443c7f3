//! `cargo xtask demo`: the whole story on real servers, from an empty directory.

pub mod node;
mod setting;
pub mod story;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context as _, Result};
use test_cluster::control_plane::{Cluster, Options};

use crate::{interrupt, static_binary, transcript::Transcript};

/// Plays the story; with `keep`, leaves everything running until a signal.
///
/// # Errors
/// Where the servers can't be built or started, or a step has another result than the story.
pub fn demo(keep: bool) -> Result<ExitCode> {
    let binary = static_binary::build()?;
    interrupt::run(run(binary, keep))
}

async fn run(binary: PathBuf, keep: bool) -> Result<ExitCode> {
    let begun = Instant::now();
    let mut transcript = Transcript::new(true);
    story::introduce(&mut transcript);
    let cluster = Cluster::start(Options::new().registries()).await?;
    story::play(cluster.access(), &binary, &mut transcript).await?;
    story::conclude(&mut transcript, begun);
    if !keep {
        return Ok(ExitCode::SUCCESS);
    }
    let kubeconfig = cluster.access().directory.join("kubeconfig");
    write_kubeconfig(&cluster, &kubeconfig)?;
    println!(
        "\nEverything keeps running. In another terminal, to look at it, and to end it (Ctrl-C here does, too):\n"
    );
    println!("export KUBECONFIG={}", kubeconfig.display());
    println!("kill {}", std::process::id());
    std::future::pending().await
}

fn write_kubeconfig(cluster: &Cluster, path: &Path) -> Result<()> {
    let kubeconfig = serde_json::to_string_pretty(&cluster.access().kubeconfig())?;
    fs::write(path, kubeconfig).with_context(|| format!("cannot write {}", path.display()))
}
