//! `cargo xtask coverage`: counts the lines of `src/` that the tests reach, and writes docs/development/reliability.md.
//!
//! The debug build is instrumented, and so is the binary that the API tier starts. A run writes its counters when it ends
//! by itself, also by a panic or SIGTERM, but not when it is killed. No test compares the figures: they change with every
//! change.

mod lines;

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::{Context as _, Result, ensure};
use test_cluster::{
    control_plane::{Cluster, Options},
    program::{BINARY, COUNTERS},
    supervisor::Supervisor,
};
use tokio::process::Command;
use xshell::{Cmd, Shell};

use self::lines::Lines;
use crate::{
    cargo_test::{cargo_test, finish},
    generate::markers,
    interrupt, project,
    steps::Steps,
};

/// The page.
const PAGE: &str = "docs/development/reliability.md";
/// Directory of the instrumented builds.
const TARGET: &str = "target/llvm-cov-target";
/// Number of files that the processes of a run share. Without it, each of thousands of processes writes its own file.
const POOL: &str = "%8m";

/// Runs the unit tests, then all tests that need no node, with counters, and writes the figures.
///
/// # Errors
/// When cargo-llvm-cov or LLVM's tools are missing, a build fails, the page can't be written, or a test fails.
pub fn coverage() -> Result<ExitCode> {
    let shell = project::shell()?;
    let instrumented = Instrumented::new(&shell)?;
    interrupt::run(async {
        let mut steps = Steps::new(2);
        steps.next("unit tests", "3 min");
        let unit = instrumented.unit().await?;
        steps.next("all tests without a node", "15 min");
        let all = instrumented.all().await?;
        let content = lines::table(&unit, &all);
        steps.finish();
        println!("{}\n{content}", lines::missed(&all));
        markers::write(PAGE, "cargo xtask coverage", &[("coverage", content)])?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Environment of cargo for instrumented builds, as cargo-llvm-cov prints it.
struct Instrumented<'shell> {
    shell: &'shell Shell,
    variables: BTreeMap<String, String>,
}

impl<'shell> Instrumented<'shell> {
    /// Reads the environment, and removes the counters of earlier runs.
    fn new(shell: &'shell Shell) -> Result<Self> {
        let target = project::file(TARGET).display().to_string();
        let mut new = Self {
            shell,
            variables: [("CARGO_TARGET_DIR".to_owned(), target)].into(),
        };
        let printed = new.llvm_cov("show-env").quiet().ignore_stderr().read().context(
            "cargo-llvm-cov does not print its variables; install it with `cargo install --locked cargo-llvm-cov` and \
             `rustup component add llvm-tools`",
        )?;
        for line in printed.lines() {
            let (name, value) = line
                .split_once('=')
                .with_context(|| format!("cargo-llvm-cov prints no variable in {line:?}"))?;
            let value = value.trim_matches('\'').to_owned();
            new.variables.insert(name.to_owned(), value);
        }
        let counters = new.variables.get_mut(COUNTERS);
        let counters = counters.with_context(|| format!("cargo-llvm-cov does not set {COUNTERS}"))?;
        let (start, _) = counters
            .split_once('%')
            .with_context(|| format!("{counters:?} is no pattern"))?;
        *counters = format!("{start}{POOL}.profraw");
        new.llvm_cov("clean")
            .args(["--profraw-only", "--workspace"])
            .quiet()
            .run()?;
        Ok(new)
    }

    /// A command of cargo-llvm-cov.
    fn llvm_cov(&self, verb: &str) -> Cmd<'shell> {
        project::cargo(self.shell)
            .args(["llvm-cov", verb])
            .envs(&self.variables)
    }

    /// Only the unit tests.
    async fn unit(&self) -> Result<Lines> {
        let supervisor = Supervisor::start()?;
        let mut cargo = cargo_test(&supervisor, &["--lib"])?;
        self.run("the unit tests", &mut cargo).await?;
        self.measured()
    }

    /// All other tests too; the binary is instrumented like the tests.
    async fn all(&self) -> Result<Lines> {
        let cluster = Cluster::start(Options::new().registries()).await?;
        let (variable, state) = cluster.environment()?;
        project::cargo(self.shell)
            .args(["build", "--locked", "--bin", "ensure-pull-secret"])
            .envs(&self.variables)
            .run()?;
        let binary = project::file(TARGET).join("debug/ensure-pull-secret");
        let mut cargo = cargo_test(cluster.supervisor(), &["--test", "*"])?;
        cargo.env(variable, &state).env(BINARY, &binary);
        self.run("a test", &mut cargo).await?;
        let all = self.measured()?;
        // Only the binary runs `main`.
        let main = all.get("main.rs");
        let has_run = main.is_some_and(|main| main.values().any(|reached| *reached));
        ensure!(has_run, "the binary left no counters");
        Ok(all)
    }

    async fn run(&self, what: &str, cargo: &mut Command) -> Result<()> {
        let code = finish(cargo.envs(&self.variables)).await?;
        ensure!(code == 0, "{what} failed");
        Ok(())
    }

    /// Lines that all runs so far reached.
    fn measured(&self) -> Result<Lines> {
        let report = self.llvm_cov("report").arg("--lcov").quiet().read();
        lines::read(&report.context("cargo-llvm-cov creates no report")?)
    }
}
