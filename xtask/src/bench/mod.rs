//! `cargo xtask bench`: measures time, memory and size on real servers, and writes the tables of docs/development/benchmarks.md.
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

use anyhow::Result;
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
use crate::{generate::markers, interrupt, project, static_binary};

const PAGE: &str = "docs/development/benchmarks.md";

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
        program: static_binary::build()?,
        replay: static_binary::build_binary("replay", "replay")?,
        peak_memory: static_binary::build_binary("replay", "peak-memory")?,
        kubectl: servers::kubectl()?,
    };
    interrupt::run(async move {
        let cluster = Cluster::start(Options::new().registries()).await?;
        let versions = versions(cluster.access(), rounds).await?;
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
            loopback,
            node,
            versions,
        };
        markers::write(PAGE, "cargo xtask bench", &page.parts())?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Versions of the program and the servers, the machine with its load, and the number of runs.
async fn versions(access: &ClusterAccess, rounds: u32) -> Result<Vec<[String; 2]>> {
    let kubernetes = access.client().await?.apiserver_version().await?;
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (machine, load) = (read("/proc/cpuinfo"), read("/proc/loadavg"));
    let mut lines = machine.lines();
    let model = lines.find_map(|line| line.strip_prefix("model name\t: "));
    let model = model.unwrap_or(std::env::consts::ARCH);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let (program, target) = (env!("CARGO_PKG_VERSION"), Platform::native()?.target());
    let shell = project::shell()?;
    let compiler = cmd!(shell, "rustc --version").quiet().read()?;
    let rows = [
        ("program", format!("ensure-pull-secret {program}, {target}")),
        ("compiler", compiler),
        ("kube-apiserver, kubectl", kubernetes.git_version),
        ("machine", format!("Linux, {cores} cores, {model}")),
        (
            "load average of one minute at the start",
            load.split(' ').next().unwrap_or_default().to_owned(),
        ),
        ("runs of each contender in each state", rounds.to_string()),
    ];
    Ok(rows.map(|(name, version)| [name.to_owned(), version]).into())
}
