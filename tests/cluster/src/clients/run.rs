//! One run of a client, from an empty home to its result.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use crate::listener::background::wait_for;

/// An image of a few hundred bytes from loopback; skopeo tries again for a while on some errors.
const LIMIT: Duration = Duration::from_secs(60);

/// A client's access to the registries.
#[derive(Clone, Debug)]
pub struct Network {
    /// The CONNECT proxy that knows their names.
    pub proxy: SocketAddr,
    /// The authority it trusts, PEM.
    pub ca: String,
}

/// An empty home of one run.
pub(super) struct Home {
    directory: TempDir,
}

impl Home {
    pub(super) fn new() -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| format!("cannot make an empty home: {error}"))?;
        Ok(Self { directory })
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn write(&self, name: &str, content: &[u8]) -> Result<(), String> {
        let path = self.path().join(name);
        path.parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&path, content))
            .map_err(|error| format!("cannot write {name}: {error}"))
    }

    /// Runs the command with an empty environment, in this home. An error has its standard error.
    pub(super) fn run(
        &self,
        mut command: Command,
        network: &Network,
        environment: &[(&str, &Path)],
    ) -> Result<(), String> {
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        command
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path())
            .env("XDG_RUNTIME_DIR", self.path())
            .env("TMPDIR", self.path())
            .env("DOCKER_CONFIG", self.path().join("docker"))
            .envs(environment.iter().copied())
            .env("HTTPS_PROXY", format!("http://{}", network.proxy))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let output = wait_for(async { tokio::time::timeout(LIMIT, command.output()).await })
            .map_err(|error| format!("cannot wait for {program}: {error}"))?
            .map_err(|_| format!("{program} did not end within {LIMIT:?}"))?
            .map_err(|error| format!("cannot run {program}: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!(
            "{program}: {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    }
}
