//! Nothing outlives its owner, however that ends.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use test_cluster::{
    access::ClusterAccess,
    control_plane::{Cluster, Options},
    server_process::is_running,
};

/// Longest time that servers may outlive an owner that can't wait for their end.
const PATIENCE: Duration = Duration::from_secs(20);
/// Set in a child suite: the file to write its state to before it panics.
const CHILD_SUITE: &str = "TEST_CLUSTER_CHILD_SUITE";

/// A child suite under `test-cluster run`; it prints the path of its state, then waits for ever.
struct Suite {
    owner: Child,
    access: ClusterAccess,
    /// The command that `test-cluster run` runs.
    command: u32,
}

impl Suite {
    fn start() -> Result<Self> {
        let mut owner = Command::new(env!("CARGO_BIN_EXE_test-cluster"))
            .args(["run", "--", "sh", "-c", "echo $TEST_CLUSTER $$; exec sleep 600"])
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = owner.stdout.take().context("standard output is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let (state, command) = line
            .trim_end()
            .split_once(' ')
            .context("the suite ended before it began")?;
        let access = ClusterAccess::read(Path::new(state))?;
        access.registries()?;
        Ok(Self {
            access,
            command: command.parse()?,
            owner,
        })
    }

    fn end_by(mut self, signal: Signal) -> Result<(ExitStatus, ClusterAccess, u32)> {
        kill_process(Pid::from_child(&self.owner), signal)?;
        Ok((self.owner.wait()?, self.access, self.command))
    }
}

/// Fails where a recorded process or the directory is left after a while.
fn ensure_gone(access: &ClusterAccess) -> Result<()> {
    ensure!(
        access.pids.len() >= 4,
        "the servers and their supervisor were recorded"
    );
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left: Vec<u32> = access
            .pids
            .iter()
            .copied()
            .filter(|pid| is_running(*pid))
            .collect();
        if left.is_empty() && !access.directory.exists() {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "left: processes {left:?}, directory {}: {}",
            access.directory.display(),
            access.directory.exists()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn nothing_is_left_after_ctrl_c() -> Result<()> {
    let suite = Suite::start()?;
    assert!(suite.access.pids.iter().all(|pid| is_running(*pid)));
    let (status, access, command) = suite.end_by(Signal::INT)?;
    assert_eq!(status.code(), Some(130));
    assert!(!is_running(command), "the suite's command is left");
    ensure_gone(&access)
}

#[test]
fn nothing_is_left_after_sigterm() -> Result<()> {
    let (status, access, command) = Suite::start()?.end_by(Signal::TERM)?;
    assert_eq!(status.code(), Some(143));
    assert!(!is_running(command), "the suite's command is left");
    ensure_gone(&access)
}

#[test]
fn nothing_is_left_after_sigkill() -> Result<()> {
    let (_, access, command) = Suite::start()?.end_by(Signal::KILL)?;
    ensure_gone(&access)?;
    let deadline = Instant::now() + PATIENCE;
    while is_running(command) {
        ensure!(Instant::now() < deadline, "the suite's command is left");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[test]
fn exit_code_of_the_command_is_returned() -> Result<()> {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_test-cluster"))
        .args(["run", "--", "sh", "-c", "cat $TEST_CLUSTER; exit 66"])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut state = Vec::new();
    owner
        .stdout
        .take()
        .context("standard output is piped")?
        .read_to_end(&mut state)?;
    assert_eq!(owner.wait()?.code(), Some(66));
    ensure_gone(&serde_json::from_slice(&state)?)
}

/// The test runs itself as the child suite, which owns a cluster and panics.
#[test]
fn nothing_is_left_after_a_panic() -> Result<()> {
    if let Some(state) = std::env::var_os(CHILD_SUITE) {
        tokio::runtime::Runtime::new()?.block_on(async {
            let cluster = Cluster::start(Options::new()).await?;
            cluster.access().write(Path::new(&state))?;
            panic!("inside the child suite");
        })
    } else {
        let directory = tempfile::tempdir()?;
        let state = directory.path().join("state.json");
        let child = Command::new(std::env::current_exe()?)
            .args(["nothing_is_left_after_a_panic", "--exact", "--nocapture"])
            .env(CHILD_SUITE, &state)
            .output()?;
        assert_eq!(child.status.code(), Some(101), "the child suite failed");
        assert!(String::from_utf8_lossy(&child.stderr).contains("inside the child suite"));
        ensure_gone(&serde_json::from_slice(&fs::read(&state)?)?)
    }
}
