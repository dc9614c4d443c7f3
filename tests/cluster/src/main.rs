//! `test-cluster`: builds and pins the servers, and runs a command with a test cluster, or with a node of it.

mod run;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use test_cluster::servers::{
    Binaries,
    pins::{KubernetesVersion, pin},
};

/// A real control plane and registries as plain processes, for tests.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds the servers that the cache lacks and prints where they are, as JSON.
    Build,
    /// Pins the servers to another Kubernetes release: rewrites go.mod and go.sum of servers and
    /// consumers.
    Pin {
        /// The release, such as v1.36.3.
        #[arg(value_parser = |text: &str| KubernetesVersion::parse(text).map_err(|error| error.to_string()))]
        version: KubernetesVersion,
    },
    /// Runs a command with a cluster, which TEST_CLUSTER names, and ends with its exit code.
    Run {
        /// The command and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<std::ffi::OsString>,
    },
    /// As `run`, with a node and Tekton beside the control plane, in namespaces of their own. Needs root and Linux.
    Node {
        /// The command and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<std::ffi::OsString>,
    },
    /// The half of `node` that is in the namespaces.
    #[command(hide = true)]
    Inside {
        /// With the services of a cluster's platform: names of registries, trusted CAs, OpenShift's role for pulling.
        #[arg(long)]
        platform: bool,
        /// The command and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<std::ffi::OsString>,
    },
}

fn main() -> ExitCode {
    match execute(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("test-cluster: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> Result<ExitCode> {
    match command {
        Command::Build => println!("{}", serde_json::to_string_pretty(&Binaries::ensure()?)?),
        Command::Pin { version } => pin(version)?,
        Command::Run { command } => return run::run(&command),
        Command::Node { command } => return run::run_on_node(&command),
        Command::Inside { platform, command } => return run::run_inside(&command, platform),
    }
    Ok(ExitCode::SUCCESS)
}
