//! `cargo xtask fuzz`: fuzzes every external input, for a time or with a number of inputs.
//!
//! cargo-fuzz runs with the pinned stable toolchain and without a sanitizer: libFuzzer needs only coverage, which stable Rust
//! has. AddressSanitizer needs a nightly toolchain and finds errors in unsafe code, of which this project has none
//! (`unsafe_code = "forbid"`); `cargo +nightly fuzz run TARGET` uses it for the dependencies.

use std::{env, fs, path::Path};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use xshell::{Cmd, Shell};

use crate::{project, steps::Steps};

/// Longest input, in bytes: every real input is shorter, and longer ones are slower.
const MAX_LENGTH: u32 = 8192;
/// Time after which an input is a finding, in seconds: each takes microseconds.
const TIMEOUT: u32 = 10;

/// Ignores the depth of the stack: otherwise the length of the environment and the kernel's choice of addresses would change
/// which inputs are new.
const NO_STACK_DEPTH: &str = "-Cllvm-args=-sanitizer-coverage-stack-depth=false";

/// Targets, and the amount of their inputs.
#[derive(Args)]
pub struct Arguments {
    /// How long each target runs, with other inputs each time.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Instead, how many inputs each target gets: the same ones each time, as long as what they reach is the same.
    #[arg(long, conflicts_with = "seconds", value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// The one target to run, a file of fuzz/fuzz_targets; all of them otherwise.
    target: Option<String>,
}

/// Runs each target, or the one named. New inputs are kept below `fuzz/target`, never in the repository.
///
/// # Errors
/// Where cargo-fuzz is missing or a target can't be built, and where there is a finding, with the command to repeat it.
pub fn fuzz(arguments: &Arguments) -> Result<()> {
    let shell = project::shell()?;
    let cargo_fuzz = project::tool(&shell, "cargo-fuzz").context(
        "cargo-fuzz is not installed: `cargo install --locked cargo-fuzz`, which also wants a C++ compiler",
    )?;
    // After cargo-fuzz's own flags; the last of a kind counts.
    let flags = env::var("RUSTFLAGS").unwrap_or_default() + " " + NO_STACK_DEPTH;
    let command = |verb: &str| {
        let command = project::own_variables().fold(shell.cmd(&cargo_fuzz), Cmd::env_remove);
        command
            .env("RUSTFLAGS", flags.trim_start())
            .args([verb, "--fuzz-dir", "fuzz", "--sanitizer", "none"])
    };
    let all = project::files("fuzz/fuzz_targets")?;
    let mut targets: Vec<_> = all
        .iter()
        .filter_map(|path| Path::new(path).file_stem()?.to_str())
        .collect();
    if let Some(only) = &arguments.target {
        ensure!(
            targets.contains(&&**only),
            "the targets are {}",
            targets.join(", ")
        );
        targets = vec![only];
    }
    let mut steps = Steps::new(targets.len() + 1);
    steps.next("build of the fuzz targets", "3 min, 10 s if they are built");
    command("build")
        .run()
        .context("the fuzz targets can't be built")?;
    for target in targets {
        let usual_time = match arguments.runs {
            None => format!("{} s", arguments.seconds),
            Some(_) => "5 to 20 s for 200000 inputs".to_owned(),
        };
        steps.next(target, &usual_time);
        let run = command("run").arg(target);
        match arguments.runs {
            None => for_seconds(run, target, arguments.seconds)?,
            Some(inputs) => with_inputs(&shell, run, target, inputs)?,
        }
    }
    steps.finish();
    Ok(())
}

fn for_seconds(run: Cmd<'_>, target: &str, seconds: u32) -> Result<()> {
    let found = project::file("fuzz/target/corpus").join(target);
    fs::create_dir_all(&found).with_context(|| format!("cannot make {}", found.display()))?;
    // libFuzzer writes new inputs to the first directory.
    let run = run
        .arg(found)
        .arg(project::file("fuzz/corpus").join(target))
        .arg("--")
        .arg(format!("-max_total_time={seconds}"));
    limited(run)
        // Without a line for each new input; the last lines have the figures.
        .args(["-verbosity=0", "-print_final_stats=1"])
        .run()
        .with_context(|| format!("the fuzz target {target} has a finding"))
}

/// Runs a target with the same inputs each time. libFuzzer draws an input from a seed, from earlier inputs that reached
/// something new, and from compared values. So the seed is set, the run starts with the corpus in the order of its names, and
/// comparisons are ignored, since addresses are among them. No path is absolute: its length would move later allocations.
fn with_inputs(shell: &Shell, run: Cmd<'_>, target: &str, inputs: u32) -> Result<()> {
    let drawn = Path::new("fuzz/target/drawn").join(target);
    shell
        .remove_path(&drawn)
        .and_then(|()| shell.create_dir(&drawn))
        .with_context(|| format!("cannot empty {}", drawn.display()))?;
    let run = run
        .arg(drawn)
        .arg("--")
        .arg(format!(
            "-seed_inputs={}",
            project::files(&format!("fuzz/corpus/{target}"))?.join(",")
        ))
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
    eprintln!("xtask: {target}: {inputs} inputs, {figures}");
    Ok(())
}

fn limited(run: Cmd<'_>) -> Cmd<'_> {
    run.arg(format!("-max_len={MAX_LENGTH}"))
        .arg(format!("-timeout={TIMEOUT}"))
}

/// The figures of libFuzzer's last line that are the same each time: coverage, and the number of inputs for it.
fn figures(log: &str) -> Option<&str> {
    let done = log.lines().find_map(|line| line.split_once("DONE"))?.1;
    Some(done.split_once(" lim:")?.0.trim())
}

/// Whether a line reports one new input, of which there are hundreds.
fn is_progress(line: &str) -> bool {
    line.starts_with('#') || line.starts_with("\tNEW_FUNC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_figures_of_libfuzzer_without_a_time_are_shown() {
        let log = "INFO: Seed: 1\n#8\tNEW    cov: 60 ft: 61 corp: 2/5b lim: 4 exec/s: 0 rss: 28Mb L: 4/4 MS: 1 EraseBytes-\n\
                   #100\tDONE   cov: 362 ft: 1304 corp: 226/12338b lim: 111 exec/s: 50 rss: 28Mb\nDone 100 runs in 2 second(s)\n";
        assert_eq!(figures(log), Some("cov: 362 ft: 1304 corp: 226/12338b"));
        let finding = "#8\tNEW    cov: 60 ft: 61 corp: 2/5b lim: 4\n==1== ERROR: libFuzzer: deadly signal\n";
        assert_eq!(figures(finding), None);
        let shown: Vec<_> = finding.lines().filter(|line| !is_progress(line)).collect();
        assert_eq!(shown, ["==1== ERROR: libFuzzer: deadly signal"]);
    }
}
