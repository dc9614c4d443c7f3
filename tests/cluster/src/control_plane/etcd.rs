//! etcd, the API server's store.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::ports::Ports;
use crate::{server_process::ServerProcess, supervisor::Supervisor};

/// Starts etcd with an empty store in the supervisor's directory.
///
/// # Errors
/// If it can't be started. That it is ready shows only through the API server.
pub fn start(binary: &Path, supervisor: &Supervisor, ports: &Ports) -> Result<ServerProcess> {
    // A try with other ports may have left a half-made store.
    let data = store(supervisor);
    if data.exists() {
        fs::remove_dir_all(&data).context("cannot empty etcd's directory")?;
    }
    start_again(binary, supervisor, ports)
}

/// Starts etcd with what was stored before it ended.
///
/// # Errors
/// As `start`.
pub fn start_again(binary: &Path, supervisor: &Supervisor, ports: &Ports) -> Result<ServerProcess> {
    let (directory, data) = (supervisor.directory(), store(supervisor));
    let client = format!("http://127.0.0.1:{}", ports.etcd_client);
    let peer = format!("http://127.0.0.1:{}", ports.etcd_peer);
    let mut command = supervisor.command(binary)?;
    command
        .arg(format!("--data-dir={}", data.display()))
        .arg(format!("--listen-client-urls={client}"))
        .arg(format!("--advertise-client-urls={client}"))
        .arg(format!("--listen-peer-urls={peer}"))
        .arg(format!("--initial-advertise-peer-urls={peer}"))
        .arg(format!("--initial-cluster=default={peer}"))
        // The store is temporary, so waiting for the disk has no use. Written data outlives the process all the same.
        .arg("--unsafe-no-fsync")
        .env_clear();
    ServerProcess::spawn("etcd", command, &directory.join("etcd.log"))
}

fn store(supervisor: &Supervisor) -> PathBuf {
    supervisor.directory().join("etcd")
}
