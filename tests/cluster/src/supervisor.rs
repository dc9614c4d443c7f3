//! Nothing outlives its owner: servers are killed and their directory is removed, however the owner ends.
//!
//! A destructor runs on return and on a panic, but not on a signal; a signal handler doesn't run on SIGKILL; Linux'
//! parent-death signal can't be had without unsafe code, and macOS has none. What works for all of them is a pipe: a
//! small shell script (`supervisor.sh`) reads from it, and the kernel closes it when the owner is gone. The servers
//! run in one process group, which they join before they are executed, so none can be started and missed.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

const SCRIPT: &str = include_str!("supervisor.sh");

/// The process that cleans up, the process group of the servers, and the directory of their files.
///
/// Dropping it kills the group and removes the directory before it returns.
#[derive(Debug)]
pub struct Supervisor {
    script: Child,
    lifeline: Option<ChildStdin>,
    /// Leads the process group, so that the group exists before the first server and after the last one.
    leader: Child,
    directory: PathBuf,
}

impl Supervisor {
    /// Starts the script and the group's leader, and makes the directory.
    ///
    /// # Errors
    /// If `sh`, `cat` or `mktemp` can't be run, or the temporary directory can't be written.
    pub fn start() -> Result<Self> {
        // `cat` on a pipe that only we hold: it ends with us even if the script never starts.
        let leader = Command::new("cat")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start `cat` as the leader of the servers' process group")?;
        let mut script = Command::new("sh")
            .args(["-c", SCRIPT, "test-cluster-supervisor", &leader.id().to_string()])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start `sh` as the servers' supervisor")?;
        let lifeline = script.stdin.take();
        let mut directory = String::new();
        if let Some(stdout) = script.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut directory)
                .context("cannot read the supervisor's answer")?;
        }
        let supervisor = Self {
            script,
            lifeline,
            leader,
            directory: PathBuf::from(directory.trim_end()),
        };
        ensure!(
            supervisor.directory.is_dir(),
            "the supervisor could not make a temporary directory (is TMPDIR writable?)"
        );
        Ok(supervisor)
    }

    /// Directory of the servers' files; removed at the end of the owner.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A command for a server: it will join the process group that ends with the owner.
    ///
    /// # Errors
    /// If the group's leader has no usable process id.
    pub fn command(&self, program: &Path) -> Result<Command> {
        let group = i32::try_from(self.leader.id()).context("the process group's id is out of range")?;
        let mut command = Command::new(program);
        command.process_group(group);
        Ok(command)
    }

    /// The process ids of the supervisor itself: the script's and the group leader's.
    pub fn pids(&self) -> [u32; 2] {
        [self.script.id(), self.leader.id()]
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // The end of its input is the script's only order; it does the rest, and we wait until it has.
        drop(self.lifeline.take());
        drop(self.leader.stdin.take());
        let _ = self.leader.wait();
        let _ = self.script.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server_process::is_running;

    #[test]
    fn a_dropped_supervisor_leaves_neither_process_nor_directory() -> Result<()> {
        let supervisor = Supervisor::start()?;
        let directory = supervisor.directory().to_owned();
        std::fs::write(directory.join("file"), "content")?;
        let mut server = supervisor.command(Path::new("sleep"))?.arg("600").spawn()?;
        let [script, leader] = supervisor.pids();
        assert!(is_running(script) && is_running(leader) && is_running(server.id()));

        drop(supervisor);

        assert!(!server.wait()?.success(), "the server was killed");
        assert!(!is_running(script) && !is_running(leader));
        assert!(!directory.exists());
        Ok(())
    }
}
