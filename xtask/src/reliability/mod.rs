//! `cargo xtask reliability`: runs the fault matrix and writes its part of docs/development/reliability.md, or runs some cases.

mod page;

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use test_cluster::{
    control_plane::{Cluster, Options},
    program::BINARY,
};

use crate::{
    cargo_test::{cargo_test, finish},
    generate::markers,
    interrupt, project, static_binary,
};

/// The page.
const PAGE: &str = "docs/development/reliability.md";
/// Test of the matrix, and its variables (tests/faults/main.rs).
const MATRIX: &str = "every_fault_at_every_call_leaves_a_credential_that_pulls";
const RECORD: &str = "FAULT_MATRIX_RECORD";
const CASE: &str = "FAULT_MATRIX_CASE";
const WHOLE: &str = "FAULT_MATRIX_WHOLE";
const SEED: &str = "FAULT_MATRIX_SEED";
/// Records below `target/tmp`: of the last whole run, and of the last sample.
const ALL_CASES: &str = "fault-matrix.json";
const SAMPLE: &str = "fault-matrix-sample.json";
/// Seed of the page and of CI's sample.
const USUAL_SEED: u64 = 1;

/// Cases to run.
#[derive(Args)]
pub struct Arguments {
    /// Run only the cases whose name starts with this, such as refresh/apply/503; print how each ended, write nothing.
    #[arg(long)]
    case: Option<String>,
    /// Seed of the pairs of faults and of one place in the answers; with another seed than 1, write nothing.
    #[arg(long, default_value_t = USUAL_SEED)]
    seed: u64,
    /// Run only the sample of `cargo xtask test` and compare it with the page; write nothing.
    #[arg(long, conflicts_with_all = ["case", "seed"])]
    sample: bool,
    /// Write the page from the record of the last whole run, without a run.
    #[arg(long, conflicts_with_all = ["case", "seed", "sample"])]
    recorded: bool,
}

/// Runs the matrix, or some of its cases.
///
/// # Errors
/// When it can't be run or the page can't be written.
pub fn reliability(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.recorded {
        write(&record(ALL_CASES)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let binary = static_binary::build()?;
    interrupt::run(run(arguments, binary))
}

async fn run(arguments: &Arguments, binary: PathBuf) -> Result<ExitCode> {
    let cluster = Cluster::start(Options::new().registries()).await?;
    let (variable, state) = cluster.environment()?;
    let mut cargo = cargo_test(cluster.supervisor(), &["--test", "faults"])?;
    cargo
        .args(["--", "--nocapture", "--exact", MATRIX])
        .env(variable, state)
        .env(BINARY, binary);
    if arguments.sample {
        let record = record_for(&mut cargo)?;
        let code = finish(&mut cargo).await?;
        if code == 0 {
            compare(&record)?;
        }
        return Ok(ExitCode::from(code));
    }
    cargo.env(SEED, arguments.seed.to_string()).env(WHOLE, "true");
    if let Some(case) = &arguments.case {
        cargo.env(CASE, case);
    }
    let record = record(ALL_CASES)?;
    let whole = arguments.case.is_none() && arguments.seed == USUAL_SEED;
    if whole {
        cargo.env(RECORD, &record);
    }
    let code = finish(&mut cargo).await?;
    if code == 0 && whole {
        write(&record)?;
    }
    Ok(ExitCode::from(code))
}

/// Makes a run of all tests write the record of its sample, which `compare` then reads.
///
/// # Errors
/// When the record of an earlier run can't be removed.
pub fn record_for(tests: &mut tokio::process::Command) -> Result<PathBuf> {
    let record = record(SAMPLE)?;
    match fs::remove_file(&record) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", record.display()));
        }
        _ => tests.env(RECORD, &record),
    };
    Ok(record)
}

/// Compares each sampled case with its cell on the page.
///
/// # Errors
/// When a cell differs or is missing; the error names the cases.
pub fn compare(record: &Path) -> Result<()> {
    let differences = page::differences(&read(&project::file(PAGE))?, &parsed(record)?);
    ensure!(
        differences.is_empty(),
        "{PAGE} differs from the sampled cases; `cargo xtask reliability` writes it again:\n{}",
        differences.join("\n")
    );
    Ok(())
}

fn write(record: &Path) -> Result<()> {
    let record = parsed(record)?;
    let parts = [
        ("matrix", page::matrix(&record)),
        ("endings", page::endings(&record)),
    ];
    markers::write(PAGE, "cargo xtask reliability", &parts)
}

fn parsed(record: &Path) -> Result<page::Record> {
    serde_json::from_str(&read(record)?).with_context(|| format!("cannot parse {}", record.display()))
}

fn record(name: &str) -> Result<PathBuf> {
    let directory = project::file("target/tmp");
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    Ok(directory.join(name))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
