//! `cargo xtask reliability`: runs the fault matrix and writes its part of docs/reliability.md, or runs a few cases again.

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
    interrupt, project, release,
};

/// The page.
const PAGE: &str = "docs/reliability.md";
/// The test that is the matrix, and its own variables (tests/faults/main.rs).
const MATRIX: &str = "whatever_fails_at_whatever_call_what_pulled_before_pulls_after";
const RECORD: &str = "FAULT_MATRIX_RECORD";
const CASE: &str = "FAULT_MATRIX_CASE";
const SEED: &str = "FAULT_MATRIX_SEED";
/// The seed of the page, and of every run that isn't told another.
const USUAL_SEED: u64 = 1;

/// What to run.
#[derive(Args)]
pub struct Arguments {
    /// Only cases whose name begins with this, such as refresh/apply/503; how each ended is said, and nothing written.
    #[arg(long)]
    case: Option<String>,
    /// What pairs of faults and a place in the answer are drawn with; with another seed than 1 nothing is written.
    #[arg(long, default_value_t = USUAL_SEED)]
    seed: u64,
    /// Runs nothing: the page is written from what the last whole run left.
    #[arg(long, conflicts_with_all = ["case", "seed"])]
    recorded: bool,
}

/// Runs the matrix, or some of its cases.
///
/// # Errors
/// Where it can't be run, or the page can't be written.
pub fn reliability(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.recorded {
        write(&record()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let binary = release::build()?;
    interrupt::run(run(arguments, binary))
}

async fn run(arguments: &Arguments, binary: PathBuf) -> Result<ExitCode> {
    let cluster = Cluster::start(Options::new().registries()).await?;
    let (variable, state) = cluster.environment()?;
    let whole = arguments.case.is_none() && arguments.seed == USUAL_SEED;
    let mut cargo = cargo_test(cluster.supervisor(), &["--test", "faults"])?;
    cargo
        .args(["--", "--nocapture", "--exact", MATRIX])
        .env(variable, state)
        .env(BINARY, binary)
        .env(SEED, arguments.seed.to_string());
    if let Some(case) = &arguments.case {
        cargo.env(CASE, case);
    }
    let record = record()?;
    if whole {
        cargo.env(RECORD, &record);
    }
    let code = finish(&mut cargo).await?;
    if code == 0 && whole {
        write(&record)?;
    }
    Ok(ExitCode::from(code))
}

/// Lets a run of all tests leave the matrix' record, which `compare` then reads.
///
/// # Errors
/// Where an earlier record can't be removed.
pub fn record_for(tests: &mut tokio::process::Command) -> Result<PathBuf> {
    let record = record()?;
    match fs::remove_file(&record) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", record.display()));
        }
        _ => tests.env(RECORD, &record),
    };
    Ok(record)
}

/// Compares the page's matrix with what was run; how many ended how is another thing in each run.
///
/// # Errors
/// Where the page says something else.
pub fn compare(record: &Path) -> Result<()> {
    let page = read(&project::file(PAGE))?;
    let run = with_parts(&page, &read(record)?, &[page::matrix])?;
    ensure!(
        page == run,
        "{PAGE} does not say what was run: write it again with `cargo xtask reliability`"
    );
    Ok(())
}

fn write(record: &Path) -> Result<()> {
    let path = project::file(PAGE);
    let written = with_parts(&read(&path)?, &read(record)?, &[page::matrix, page::endings])?;
    fs::write(&path, written).with_context(|| format!("cannot write {PAGE}"))?;
    println!("wrote {PAGE}");
    Ok(())
}

fn with_parts(page: &str, record: &str, parts: &[fn(&page::Record) -> page::Part]) -> Result<String> {
    let record = serde_json::from_str(record).context("the matrix' record is not one")?;
    parts.iter().try_fold(page.to_owned(), |text, part| {
        let page::Part { name, content } = part(&record);
        markers::between_by(
            markers::Comment::Markdown,
            &text,
            name,
            "cargo xtask reliability",
            &content,
        )
    })
}

fn record() -> Result<PathBuf> {
    let directory = project::file("target/tmp");
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    Ok(directory.join("fault-matrix.json"))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
