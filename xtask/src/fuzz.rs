//! `cargo xtask fuzz`: everything that comes from outside, fed with anything: for a while, or with so many inputs.
//!
//! cargo-fuzz with the pinned stable toolchain and without a sanitizer: coverage is all that libFuzzer is steered by, and
//! stable Rust gives it. AddressSanitizer, for which a nightly toolchain would be needed, watches unsafe code, of which this
//! project has none (`unsafe_code = "forbid"`); `cargo +nightly fuzz run TARGET` has it for the dependencies'.

use std::{env, fs, path::Path, time::Instant};

use anyhow::{Context as _, Result, bail, ensure};
use xshell::{Cmd, Shell};

use crate::project;

/// Longest input, in bytes: what is read of any real one is shorter, and what is longer is slower.
const MAX_LENGTH: u32 = 8192;
/// An input that takes longer is a finding, in seconds: each takes microseconds.
const TIMEOUT: u32 = 10;

/// Otherwise an input is new, too, where it needs more of the stack: which bytes the kernel leaves free at its beginning, and how
/// long the environment is, would have a say in what is drawn.
const NO_STACK_DEPTH: &str = "-Cllvm-args=-sanitizer-coverage-stack-depth=false";

/// How much each target is fed.
#[derive(Clone, Copy)]
pub enum Amount {
    /// As much as it takes in so many seconds, beginning with its corpus and what earlier runs found: other inputs each time.
    Seconds(u32),
    /// So many inputs, beginning with its corpus: the same ones each time.
    Inputs(u32),
}

/// Runs each target, or the one named. What is new is kept below `fuzz/target`, and never in the repository.
///
/// # Errors
/// Where cargo-fuzz is missing or a target can't be built, and where there is a finding: cargo-fuzz says how to see it again.
pub fn fuzz(amount: Amount, only: Option<&str>) -> Result<()> {
    let shell = project::shell()?;
    let cargo_fuzz = project::tool(&shell, "cargo-fuzz").context(
        "cargo-fuzz is not installed: `cargo install --locked cargo-fuzz`, which also wants a C++ compiler",
    )?;
    // cargo-fuzz puts them behind its own, and the last of a kind counts.
    let flags = env::var("RUSTFLAGS").unwrap_or_default() + " " + NO_STACK_DEPTH;
    let command = |verb: &str| {
        let command = project::own_variables().fold(shell.cmd(&cargo_fuzz), Cmd::env_remove);
        command
            .env("RUSTFLAGS", flags.trim_start())
            .args([verb, "--fuzz-dir", "fuzz", "--sanitizer", "none"])
    };
    let targets = targets(&shell)?;
    if let Some(only) = only {
        ensure!(
            targets.iter().any(|target| target == only),
            "the targets are {}",
            targets.join(", ")
        );
    }
    let begun = Instant::now();
    command("build")
        .run()
        .context("the fuzz targets can't be built")?;
    eprintln!("xtask: fuzz targets: {:.0} s", begun.elapsed().as_secs_f64());
    for target in targets
        .iter()
        .filter(|target| only.is_none_or(|only| only == target.as_str()))
    {
        let run = command("run").arg(target);
        match amount {
            Amount::Seconds(seconds) => for_seconds(run, target, seconds)?,
            Amount::Inputs(inputs) => with_inputs(&shell, run, target, inputs)?,
        }
    }
    Ok(())
}

fn for_seconds(run: Cmd<'_>, target: &str, seconds: u32) -> Result<()> {
    let found = project::file("fuzz/target/corpus").join(target);
    fs::create_dir_all(&found).with_context(|| format!("cannot make {}", found.display()))?;
    // The first is where new inputs go.
    let run = run
        .arg(found)
        .arg(project::file("fuzz/corpus").join(target))
        .arg("--")
        .arg(format!("-max_total_time={seconds}"));
    limited(run)
        // Its own account of each new input is for terminals; the last lines have the figures.
        .args(["-verbosity=0", "-print_final_stats=1"])
        .run()
        .with_context(|| format!("the fuzz target {target} has a finding"))
}

/// libFuzzer draws an input from a seed, from those before it that reached something new, and from what it saw compared. So
/// the same ones come where the seed is set, where the beginning is the corpus in the order of its names, not a directory's,
/// nor what another run left, and where no address takes part: the kernel draws those, and comparisons show them. No path is
/// absolute either: by its length all that is allocated later would lie elsewhere, and searches begin at even addresses.
fn with_inputs(shell: &Shell, run: Cmd<'_>, target: &str, inputs: u32) -> Result<()> {
    let drawn = Path::new("fuzz/target/drawn").join(target);
    shell
        .remove_path(&drawn)
        .and_then(|()| shell.create_dir(&drawn))
        .with_context(|| format!("cannot empty {}", drawn.display()))?;
    let begun = Instant::now();
    let run = run
        .arg(drawn)
        .arg("--")
        .arg(format!("-seed_inputs={}", corpus(shell, target)?.join(",")))
        .arg(format!("-runs={inputs}"))
        .args(["-seed=1", "-use_cmp=0", "-reload=0"]);
    let output = limited(run)
        .quiet()
        .ignore_status()
        .output()
        .context("cannot run cargo-fuzz")?;
    let log = String::from_utf8_lossy(&output.stderr);
    let Some(figures) = figures(&log).filter(|_| output.status.success()) else {
        log.lines()
            .filter(|line| !is_progress(line))
            .for_each(|line| eprintln!("{line}"));
        bail!(
            "the fuzz target {target} has a finding, which `cargo xtask fuzz --runs {inputs} {target}` meets each time"
        );
    };
    eprintln!(
        "xtask: {target}: {inputs} inputs, {figures}: {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

fn limited(run: Cmd<'_>) -> Cmd<'_> {
    run.arg(format!("-max_len={MAX_LENGTH}"))
        .arg(format!("-timeout={TIMEOUT}"))
}

/// The figures of libFuzzer's last line that are the same each time: what was reached, and how many inputs it took.
fn figures(log: &str) -> Option<&str> {
    let done = log.lines().find_map(|line| line.split_once("DONE"))?.1;
    Some(done.split_once(" lim:")?.0.trim())
}

/// Whether a line is libFuzzer's account of one new input, of which there are hundreds.
fn is_progress(line: &str) -> bool {
    line.starts_with('#') || line.starts_with("\tNEW_FUNC")
}

/// The names in `fuzz/fuzz_targets`, in order.
fn targets(shell: &Shell) -> Result<Vec<String>> {
    let programs = shell
        .read_dir("fuzz/fuzz_targets")
        .context("cannot list the fuzz targets")?;
    let name = |program: &std::path::PathBuf| Some(program.file_stem()?.to_str()?.to_owned());
    Ok(programs.iter().filter_map(name).collect())
}

/// The files of a target's corpus, in order, as they are called from the top of the clone: a comma separates them, and the
/// clone's own path may hold one.
fn corpus(shell: &Shell, target: &str) -> Result<Vec<String>> {
    let directory = Path::new("fuzz/corpus").join(target);
    let files = shell
        .read_dir(&directory)
        .with_context(|| format!("cannot list {}", directory.display()))?;
    let name = |file: &std::path::PathBuf| {
        let name = file.file_name()?.to_str()?;
        Some(directory.join(name).to_str()?.to_owned())
    };
    Ok(files.iter().filter_map(name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_libfuzzers_last_line_the_figures_that_no_clock_decides_are_shown() {
        let log = "INFO: Seed: 1\n#8\tNEW    cov: 60 ft: 61 corp: 2/5b lim: 4 exec/s: 0 rss: 28Mb L: 4/4 MS: 1 EraseBytes-\n\
                   #100\tDONE   cov: 362 ft: 1304 corp: 226/12338b lim: 111 exec/s: 50 rss: 28Mb\nDone 100 runs in 2 second(s)\n";
        assert_eq!(figures(log), Some("cov: 362 ft: 1304 corp: 226/12338b"));
        let finding = "#8\tNEW    cov: 60 ft: 61 corp: 2/5b lim: 4\n==1== ERROR: libFuzzer: deadly signal\n";
        assert_eq!(figures(finding), None);
        let shown: Vec<_> = finding.lines().filter(|line| !is_progress(line)).collect();
        assert_eq!(shown, ["==1== ERROR: libFuzzer: deadly signal"]);
    }
}
