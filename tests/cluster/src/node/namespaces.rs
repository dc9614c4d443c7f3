//! Namespaces of a node's own: network, mounts and processes. What runs in them can leave nothing behind: when their first
//! process ends, the kernel ends all others and takes mounts, interfaces and iptables rules away. Control groups alone
//! have no such end; the supervisor removes those.

use std::{
    ffi::OsString,
    fs,
    path::Path,
    process::{Child, Stdio},
};

use anyhow::{Context as _, Result, bail};
/// The reason why no node can run on this machine, in one line; `None` where one can.
pub use requirements::node_obstacle as obstacle;

use super::{
    kubernetes,
    network::{self, registry_addresses},
};
use crate::{
    registry::Registries,
    servers::{Binaries, NodeBinaries},
    supervisor::Supervisor,
};

const SCRIPT: &str = include_str!("namespaces.sh");

/// Namespaces with a command in them. Dropping this ends all of it, control groups included, before it returns.
#[derive(Debug)]
pub struct Namespaces {
    child: Child,
    supervisor: Supervisor,
}

impl Namespaces {
    /// Creates the namespaces and starts `command` in them. Its control group is in `TEST_CLUSTER_CONTROL_GROUP`, and
    /// it must end when its standard input does. Builds the servers first, which blocks for minutes with a cold cache.
    ///
    /// # Errors
    /// If no node can run here, a server can't be built, or a file can't be written.
    pub fn start(command: &[OsString]) -> Result<Self> {
        if let Some(obstacle) = obstacle() {
            bail!("{obstacle}");
        }
        // In the namespaces there is no network, so that nothing could be fetched for a build.
        Binaries::ensure()?;
        NodeBinaries::ensure()?;
        let supervisor = Supervisor::start()?;
        let directory = supervisor.directory();
        let group = directory
            .file_name()
            .context("a supervisor's directory has a name")?
            .to_owned();
        fs::write(directory.join("hosts"), hosts()).context("cannot write the node's hosts file")?;
        let addresses = registry_addresses().map(|address| address.to_string()).join(" ");
        let child = supervisor
            .command(Path::new("unshare"))?
            .args([
                "--net",
                "--mount",
                "--propagation",
                "private",
                "--pid",
                "--mount-proc",
            ])
            .args(["--fork", "--kill-child=KILL"])
            .args(["sh", "-c", SCRIPT, "node-namespaces"])
            .arg(directory)
            .args([network::NODE_PREFIX, network::KUBERNETES, &addresses])
            .args(command)
            .env(CONTROL_GROUP, group)
            // Files created there are removed with the supervisor's directory, even if their creator had no time.
            .env("TMPDIR", directory)
            .stdin(Stdio::piped())
            .spawn()
            .context("cannot start `unshare`")?;
        Ok(Self { child, supervisor })
    }

    /// The exit code of the command, where it has ended.
    ///
    /// # Errors
    /// If its state can't be read.
    pub fn ended(&mut self) -> Result<Option<i32>> {
        let status = self.child.try_wait().context("cannot ask for the node's state")?;
        // unshare passes the code on, and ends with 128 and the signal where there is none.
        Ok(status.map(|status| status.code().unwrap_or(1)))
    }

    /// Stops the command: its standard input is closed.
    pub fn ask_to_end(&mut self) {
        drop(self.child.stdin.take());
    }

    /// The first process in the namespaces, by which others can be entered; none before it is there.
    pub fn first_process(&self) -> Option<u32> {
        let unshare = self.child.id();
        let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }

    /// Directory for files that processes in the namespaces leave.
    pub fn directory(&self) -> &Path {
        self.supervisor.directory()
    }

    /// The base name of the directory and of the control groups, for those who check that nothing is left.
    pub fn name(&self) -> Option<&str> {
        self.supervisor.directory().file_name()?.to_str()
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        // Both fail only where it has ended. The kernel kills the first process of the namespaces with `unshare`, and
        // everything in them with that.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The variable that names the control group.
pub const CONTROL_GROUP: &str = "TEST_CLUSTER_CONTROL_GROUP";

/// `/etc/hosts` of the node: containerd finds the registries by it.
fn hosts() -> String {
    let names = Registries::host_names();
    let registries = names
        .iter()
        .zip(registry_addresses())
        .map(|(name, address)| format!("{address} {}\n", name.split(':').next().unwrap_or(name)));
    // The API server requests logs from the kubelet by the node's name.
    let own = format!("127.0.0.1 localhost\n{} {}\n", network::NODE, kubernetes::NAME);
    std::iter::once(own).chain(registries).collect()
}
