//! `cargo xtask bench`: how fast and how small the program is, measured on real servers, written to docs/benchmarks.md.
//!
//! No test reads these figures: they are of one machine at one time. What can be promised is checked elsewhere: calls by
//! the API tests, the binary's size by `cargo xtask size`.

mod contender;
mod contest;
mod job;
mod machine;
mod markdown;
pub mod node;
mod node_section;
mod page;
mod recorder;
mod relay;
mod samples;
mod state;
mod stored;
mod symbols;
mod world;

use std::{fs, process::ExitCode};

use anyhow::{Context as _, Result};
use test_cluster::{
    control_plane::{Cluster, Options},
    servers,
};

use self::{contest::Tools, machine::Machine, page::Page};
use crate::{interrupt, project, release};

/// Where the figures are.
const PAGE: &str = "docs/benchmarks.md";

/// Measures, and writes the page.
///
/// # Errors
/// Where something can't be built, a contender fails, or the page can't be written. A goal that is missed is no error:
/// the page says so.
pub fn bench(rounds: u32) -> Result<ExitCode> {
    // What may be missing is said before anything is measured.
    let node_tools = node::tools()?;
    if let Err(obstacle) = &node_tools {
        eprintln!("xtask: nothing is measured on a node: {obstacle}");
    }
    let parts = symbols::sizes(&release::build_with_symbols()?)?.crates;
    let tools = Tools {
        // After the one with symbols: both have the same path.
        program: release::build()?,
        replay: release::build_binary("replay", "replay")?,
        peak_memory: release::build_binary("replay", "peak-memory")?,
        kubectl: servers::kubectl()?,
    };
    let mut sizes = symbols::sizes(&tools.program)?;
    sizes.crates = parts;
    interrupt::run(async move {
        let cluster = Cluster::start(Options::new().registries()).await?;
        let machine = Machine::look(cluster.access()).await?;
        let scores = contest::run(&cluster, &tools, rounds).await?;
        // One cluster at a time: each would slow the other down.
        drop(cluster);
        let node = match node_tools {
            Ok(node_tools) => Ok(node::run(&node_tools, &tools.program, &tools.kubectl, rounds).await?),
            Err(obstacle) => Err(obstacle),
        };
        let page = Page {
            rounds,
            scores,
            sizes,
            machine,
            node,
        };
        let text = page.markdown();
        fs::write(project::file(PAGE), &text).with_context(|| format!("cannot write {PAGE}"))?;
        println!("{text}\nwrote {PAGE}");
        Ok(ExitCode::SUCCESS)
    })
}
