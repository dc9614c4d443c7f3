//! A registry in memory on this machine, without TLS and credentials: go-containerregistry's.

use std::{net::TcpListener, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result};
use test_cluster::{server_process::ServerProcess, servers::Binaries};
use tokio::net::TcpStream;

/// Time limit for its start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running registry, gone when this is dropped.
pub struct LocalRegistry {
    /// `host:port`.
    pub host: String,
    _process: ServerProcess,
}

impl LocalRegistry {
    /// Starts it, with a log in `directory`.
    ///
    /// # Errors
    /// Where it doesn't start.
    pub async fn start(binaries: &Binaries, directory: &Path) -> Result<Self> {
        // Free until the listener is dropped.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = address.context("no port is free")?;
        let host = address.to_string();
        let mut command = Command::new(&binaries.crane);
        command.args(["registry", "serve", "--address", &host]);
        let mut process = ServerProcess::spawn("registry", command, &directory.join("registry.log"))?;
        let probe = || async move { TcpStream::connect(address).await.is_ok() };
        process.await_ready(PATIENCE, probe).await?;
        Ok(Self {
            host,
            _process: process,
        })
    }
}
