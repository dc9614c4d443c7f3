//! `cargo xtask fuzz`: everything that comes from outside, fed with anything for a while.
//!
//! cargo-fuzz with the pinned stable toolchain and without a sanitizer: coverage is all that libFuzzer is steered by, and
//! stable Rust gives it. AddressSanitizer, for which a nightly toolchain would be needed, watches unsafe code, of which this
//! project has none (`unsafe_code = "forbid"`); `cargo +nightly fuzz run TARGET` has it for the dependencies'.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use xshell::{Cmd, Shell};

use crate::project;

/// Longest input, in bytes: what is read of any real one is shorter, and what is longer is slower.
const MAX_LENGTH: u32 = 8192;
/// An input that takes longer is a finding, in seconds: each takes microseconds.
const TIMEOUT: u32 = 10;

/// Runs each target, or the one named, for so many seconds, beginning with its corpus. What is new is kept in
/// `fuzz/target/corpus`, and never in the repository.
///
/// # Errors
/// Where cargo-fuzz is missing or a target can't be built, and where there is a finding: cargo-fuzz says how to see it again.
pub fn fuzz(seconds: u32, only: Option<&str>) -> Result<()> {
    let shell = project::shell()?;
    let cargo_fuzz = project::tool(&shell, "cargo-fuzz").context(
        "cargo-fuzz is not installed: `cargo install --locked cargo-fuzz`, which also wants a C++ compiler",
    )?;
    let command = |verb: &str| {
        let command = project::own_variables().fold(shell.cmd(&cargo_fuzz), Cmd::env_remove);
        command.args([verb, "--sanitizer", "none"])
    };
    let targets = targets(&shell)?;
    if let Some(only) = only {
        ensure!(
            targets.iter().any(|target| target == only),
            "the targets are {}",
            targets.join(", ")
        );
    }
    command("build")
        .run()
        .context("the fuzz targets can't be built")?;
    for target in targets
        .iter()
        .filter(|target| only.is_none_or(|only| only == target.as_str()))
    {
        let found = project::file("fuzz/target/corpus").join(target);
        fs::create_dir_all(&found).with_context(|| format!("cannot make {}", found.display()))?;
        command("run")
            .arg(target)
            // The first is where new inputs go.
            .arg(found)
            .arg(project::file("fuzz/corpus").join(target))
            .arg("--")
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={MAX_LENGTH}"))
            .arg(format!("-timeout={TIMEOUT}"))
            // Its own account of each new input is for terminals; the last lines have the figures.
            .args(["-verbosity=0", "-print_final_stats=1"])
            .run()
            .with_context(|| format!("the fuzz target {target} has a finding"))?;
    }
    Ok(())
}

/// The names in `fuzz/fuzz_targets`, in order.
fn targets(shell: &Shell) -> Result<Vec<String>> {
    let programs = shell
        .read_dir("fuzz/fuzz_targets")
        .context("cannot list the fuzz targets")?;
    let name = |program: &std::path::PathBuf| Some(program.file_stem()?.to_str()?.to_owned());
    Ok(programs.iter().filter_map(name).collect())
}
