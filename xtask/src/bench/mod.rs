//! `cargo xtask bench`: measures time, memory and size on real servers, and writes docs/benchmarks.md.
//!
//! No test compares these figures: they differ from machine to machine and from run to run.

mod contender;
mod contest;
mod figures;
mod job;
pub mod node;
mod page;
mod recorder;
mod stored;

use std::{fs, process::ExitCode};

use anyhow::{Context as _, Result};
use container_image::Platform;
use test_cluster::{
    access::ClusterAccess,
    control_plane::{Cluster, Options},
    servers,
};
use xshell::cmd;

use self::{
    contender::{Contender, Tools},
    page::Page,
};
use crate::{interrupt, project, release};

const PAGE: &str = "docs/benchmarks.md";

/// Measures and writes the page. The page reports a goal that is missed; the command succeeds.
///
/// # Errors
/// When something can't be built, a contender fails, or the page can't be written.
pub fn bench(rounds: u32) -> Result<ExitCode> {
    let node_tools = node::tools()?;
    if let Err(obstacle) = &node_tools {
        eprintln!("xtask: no contest on a node: {obstacle}");
    }
    let tools = Tools {
        program: release::build()?,
        replay: release::build_binary("replay", "replay")?,
        peak_memory: release::build_binary("replay", "peak-memory")?,
        kubectl: servers::kubectl()?,
    };
    interrupt::run(async move {
        let cluster = Cluster::start(Options::new().registries()).await?;
        let versions = versions(cluster.access()).await?;
        let mut contenders = Contender::all(&cluster, &tools).await?;
        let loopback = contest::run(&mut contenders, rounds).await?;
        drop(contenders);
        // One cluster at a time: each would slow the other down.
        drop(cluster);
        let node = match node_tools {
            Ok(node_tools) => Ok(node::run(&node_tools, &tools.program, &tools.kubectl, rounds).await?),
            Err(obstacle) => Err(obstacle),
        };
        let page = Page {
            rounds,
            loopback,
            node,
            versions,
        };
        let text = page.markdown();
        fs::write(project::file(PAGE), &text).with_context(|| format!("cannot write {PAGE}"))?;
        println!("{text}\nwrote {PAGE}");
        Ok(ExitCode::SUCCESS)
    })
}

/// Versions of the program and the servers, and the machine with its load.
async fn versions(access: &ClusterAccess) -> Result<Vec<[String; 2]>> {
    let kubernetes = access.client().await?.apiserver_version().await?;
    let shell = project::shell()?;
    let machine = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = machine
        .lines()
        .find_map(|line| line.strip_prefix("model name\t: "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let program = env!("CARGO_PKG_VERSION");
    let rows = [
        (
            "program",
            format!("ensure-pull-secret {program}, {}", Platform::native()?.target()),
        ),
        ("compiler", cmd!(shell, "rustc --version").quiet().read()?),
        ("kube-apiserver, kubectl", kubernetes.git_version),
        (
            "machine",
            format!(
                "Linux, {cores} cores, {}",
                model.unwrap_or(std::env::consts::ARCH)
            ),
        ),
        (
            "load average of one minute at the start",
            load.split(' ').next().unwrap_or_default().to_owned(),
        ),
    ];
    Ok(rows.map(|(name, version)| [name.to_owned(), version]).into())
}
