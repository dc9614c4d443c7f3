//! `cargo xtask`: the project's own commands. What CI does is these, so that it can be done anywhere.

mod generate;
mod lint;
mod project;
mod release;
mod size;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Checks format, lints, dependencies and generated files.
    Lint,
    /// Builds the release binary, and checks that it is static and within its budget.
    Size,
    /// Writes what is generated: README's tables and the Role.
    Generate {
        /// Changes nothing, and fails where something would change.
        #[arg(long)]
        check: bool,
    },
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
        Command::Lint => lint::lint()?,
        Command::Size => size::check()?,
        Command::Generate { check } => generate::generate(check)?,
    }
    Ok(ExitCode::SUCCESS)
}
