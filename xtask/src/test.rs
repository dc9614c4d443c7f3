//! `cargo xtask test`: every tier, with one cluster for all that needs one.

use std::{
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use test_cluster::{
    control_plane::{Cluster, Options},
    program::BINARY,
};
use tokio::process::Command;

use crate::{interrupt, picture, project, release};

/// How long the tests may take to end after a signal before they are killed.
const GRACE: Duration = Duration::from_secs(10);

/// Which tests are run.
#[derive(Clone, Copy, Debug)]
pub struct Tiers {
    /// Those that need nothing but themselves.
    pub unit: bool,
    /// Those that need the cluster and the binary as it is shipped.
    pub api: bool,
}

/// Runs the tiers one after the other and ends with the first one's exit code that isn't 0.
///
/// The last tier is the last to speak: what the test runner says in the end stays the end.
///
/// # Errors
/// Where the binary can't be built, the cluster can't be started, or the demo's picture is out of date.
pub fn test(tiers: Tiers) -> Result<ExitCode> {
    let binary = if tiers.api {
        Some(timed("release binary", release::build)?)
    } else {
        None
    };
    interrupt::run(run(tiers, binary))
}

async fn run(tiers: Tiers, binary: Option<PathBuf>) -> Result<ExitCode> {
    if tiers.unit {
        for arguments in [&["--doc"][..], &["--lib", "--bins", "--no-fail-fast"]] {
            let mut cargo = cargo_test(arguments);
            let begun = Instant::now();
            let code = Suite::start(&mut cargo)?.finish().await?;
            took(&format!("cargo test --workspace {}", arguments.join(" ")), begun);
            if code != 0 {
                return Ok(ExitCode::from(code));
            }
        }
    }
    let Some(binary) = binary else {
        return Ok(ExitCode::SUCCESS);
    };
    let begun = Instant::now();
    let cluster = Cluster::start(Options::new().registries()).await?;
    took("control plane and registries", begun);
    let begun = Instant::now();
    picture::compare(&picture::perform(&cluster, &binary).await?)?;
    took("the demo, against its picture", begun);

    let (variable, state) = cluster.environment()?;
    let mut cargo = cargo_test(&["--test", "*", "--no-fail-fast"]);
    cargo.env(variable, state).env(BINARY, &binary);
    let suite = Suite::start(&mut cargo)?;
    if let Some(pid) = suite.pid() {
        cluster.supervisor().adopt(pid)?;
    }
    Ok(ExitCode::from(suite.finish().await?))
}

fn cargo_test(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command
        .current_dir(project::root())
        .args(["test", "--workspace", "--locked"])
        .args(arguments);
    for variable in project::own_variables() {
        command.env_remove(variable);
    }
    command
}

/// A run of cargo and of the tests that it starts, in a process group of their own; they end with this value.
struct Suite {
    cargo: tokio::process::Child,
    group: Option<Pid>,
}

impl Suite {
    fn start(cargo: &mut Command) -> Result<Self> {
        cargo.as_std_mut().process_group(0);
        let cargo = cargo.spawn().context("cannot run cargo")?;
        let group = cargo.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        Ok(Self { cargo, group })
    }

    fn pid(&self) -> Option<u32> {
        self.cargo.id()
    }

    /// Waits for its end, and gives its exit code.
    async fn finish(mut self) -> Result<u8> {
        let status = self.cargo.wait().await.context("cannot wait for cargo")?;
        // All of it has ended: there is nothing to signal.
        self.group = None;
        Ok(status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(1))
    }
}

impl Drop for Suite {
    fn drop(&mut self) {
        let Some(group) = self.group else { return };
        // cargo passes no signal on to the tests: all of the group gets it.
        let _ = kill_process_group(group, Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while matches!(self.cargo.try_wait(), Ok(None)) {
            if Instant::now() >= deadline {
                let _ = kill_process_group(group, Signal::KILL);
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Does the work and says how long it took.
fn timed<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    let done = work()?;
    took(what, begun);
    Ok(done)
}

fn took(what: &str, begun: Instant) {
    eprintln!("xtask: {what}: {:.1} s", begun.elapsed().as_secs_f64());
}
