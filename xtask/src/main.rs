//! `cargo xtask`: the project's own commands, which CI runs too. The package `requirements` checks the machine first.

mod bench;
mod c_compiler;
mod cargo_test;
mod chart;
mod coverage;
mod demo;
mod fuzz;
mod generate;
mod image;
mod interrupt;
mod lint;
mod markdown;
mod picture;
mod project;
mod release;
mod reliability;
mod size;
mod source_image;
mod static_binary;
mod steps;
mod test;
mod transcript;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use requirements::Request;
use test_cluster::servers::versions::Versions;

/// The project's own commands.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows the program on real servers. The first run builds them, which takes about ten minutes.
    Demo {
        /// Leaves everything running until Ctrl-C, and prints how to reach it.
        #[arg(long)]
        keep: bool,
        /// Instead of the story, an empty cluster with a node and Tekton, to follow docs/getting-started.md. Needs root.
        #[arg(long, requires = "keep")]
        node: bool,
    },
    /// Runs all tests, with one cluster for all of them. Tiers that need packages which are not installed are not run; the
    /// first and the last lines list them.
    Test {
        /// Runs only the API tier, which needs the control plane and the registries.
        #[arg(long, conflicts_with_all = ["unit", "node"])]
        api: bool,
        /// Runs only the unit tests, which need no cluster.
        #[arg(long, conflicts_with = "node")]
        unit: bool,
        /// Runs only the node tier, which needs root, Linux and containerd.
        #[arg(long)]
        node: bool,
        /// With --node: other releases of Kubernetes and Tekton, `oldest` or `newest`. The first run builds them, which
        /// takes about fifteen minutes.
        #[arg(long, requires = "node", value_parser = |name: &str| Versions::named(name).map_err(|error| error.to_string()))]
        versions: Option<&'static Versions>,
        /// Installs the missing packages first, with apt-get: on Debian and Ubuntu, as root or with sudo.
        #[arg(long)]
        install: bool,
        /// Only checks what the tests need, and runs none.
        #[arg(long)]
        check: bool,
    },
    /// Checks format, lints, dependencies, links, generated files, manifests, alerts and workflows.
    Lint,
    /// Fuzzes every external input. Needs cargo-fuzz and a C++ compiler.
    Fuzz(fuzz::Arguments),
    /// Counts which lines the tests reach, all that need no node, and writes its part of docs/development/reliability.md. Needs
    /// cargo-llvm-cov.
    Coverage,
    /// Builds the release binary for each platform, and checks that it is static and within its budget.
    Size,
    /// Builds the image with buildah or podman and pushes it; dist/ is what it is built from.
    Image(image::Arguments),
    /// A version: its edits, its build, its push and signatures, and a rehearsal of all of it.
    #[command(subcommand)]
    Release(release::Command),
    /// Writes the generated parts of README, docs/ and tekton/.
    Generate {
        /// Changes nothing, and fails if a file is out of date.
        #[arg(long)]
        check: bool,
    },
    /// Draws docs/demo.svg from a run of the demo.
    Picture {
        /// Changes nothing, and fails if the picture is out of date.
        #[arg(long)]
        check: bool,
    },
    /// Runs the fault matrix and writes its part of docs/development/reliability.md, or runs single cases of it again.
    Reliability(reliability::Arguments),
    /// Measures time, memory and size, and writes the tables of docs/development/benchmarks.md. Needs an idle machine; as root on
    /// Linux, it measures on a node too.
    Bench {
        /// How often each contender runs in each state.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(3..))]
        rounds: u32,
    },
    /// The part of `release rehearse` that is inside of a node's namespaces.
    #[command(hide = true)]
    ReleaseOnNode(release::node::Arguments),
    /// The part of `bench` that is inside of a node's namespaces.
    #[command(hide = true)]
    BenchOnNode(bench::node::Arguments),
}

fn main() -> ExitCode {
    match execute(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> Result<ExitCode> {
    match command {
        Command::Demo { node: true, .. } => return demo::node::demo(),
        Command::Demo { keep, .. } => return demo::demo(keep),
        // `requirements` did this before xtask was started.
        Command::Test { check: true, .. } => {}
        Command::Test {
            unit,
            api,
            node,
            versions,
            install: _,
            check: false,
        } => return test::test(&Request::test(unit, api, node), versions),
        Command::Picture { check } => return picture::picture(check),
        Command::Coverage => return coverage::coverage(),
        Command::Reliability(arguments) => return reliability::reliability(&arguments),
        Command::Bench { rounds } => return bench::bench(rounds),
        Command::BenchOnNode(arguments) => return bench::node::measure(&arguments),
        Command::Image(arguments) => return image::image(&arguments),
        Command::ReleaseOnNode(arguments) => return release::node::inside(&arguments),
        Command::Release(command) => return release::release(&command),
        Command::Fuzz(arguments) => fuzz::fuzz(&arguments)?,
        Command::Lint => lint::lint()?,
        Command::Size => size::check()?,
        Command::Generate { check } => generate::generate(check)?,
    }
    Ok(ExitCode::SUCCESS)
}
