//! Processes of CNCF distribution, the registry that holds the images.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::listener::background::wait_for;
use crate::server_process::ServerProcess;
use crate::supervisor::Supervisor;

/// It listens within a tenth of a second; on a busy machine it may take longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Authentication of a distribution.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// Not at all: for pushing images from the suite, and behind the gateway.
    None,
    /// Basic, against an htpasswd file of bcrypt hashes.
    Htpasswd(PathBuf),
    /// Bearer, with the tokens of a service.
    Token {
        /// Token service of the clients.
        realm: String,
        /// The `service` that the challenge names, and the audience of the tokens.
        service: String,
        /// The issuer of the tokens.
        issuer: String,
        /// A file with the public key that they are signed with, as a JSON Web Key Set.
        jwks: PathBuf,
    },
}

/// A running distribution: plain http on a loopback port of its own choice; killed when dropped, and when the owner of
/// its supervisor ends.
#[derive(Debug)]
pub struct Distribution {
    process: ServerProcess,
    address: SocketAddr,
}

impl Distribution {
    /// Starts the `registry` binary with its images in `store`, which several may share, and its configuration and log
    /// in `directory`, which is its own. It is ready when this returns.
    pub fn start(
        supervisor: &Supervisor,
        binary: &Path,
        directory: &Path,
        store: &Path,
        authentication: &Authentication,
    ) -> Result<Self> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        let configuration_file = directory.join("config.yml");
        std::fs::write(&configuration_file, configuration(store, authentication))
            .with_context(|| format!("cannot write {}", configuration_file.display()))?;
        let mut command = supervisor.command(binary)?;
        command
            .arg("serve")
            .arg(&configuration_file)
            .current_dir(directory)
            .env_clear()
            // Tracing to a collector that isn't there is on by default.
            .env("OTEL_TRACES_EXPORTER", "none");
        let log = directory.join("log");
        let mut process = ServerProcess::spawn("distribution", command, &log)?;
        let address = OnceLock::new();
        wait_for(process.await_ready(PATIENCE, || async {
            match listening_address(&log) {
                Some(listening) => *address.get_or_init(|| listening) == listening,
                None => false,
            }
        }))??;
        let address = *address
            .get()
            .context("distribution did not say where it listens")?;
        Ok(Self { process, address })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process, to freeze, kill or inspect.
    pub fn process(&mut self) -> &mut ServerProcess {
        &mut self.process
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// The configuration, YAML. Strings are JSON strings, which YAML reads alike.
fn configuration(store: &Path, authentication: &Authentication) -> String {
    let quoted = |text: &dyn std::fmt::Display| serde_json::Value::from(text.to_string()).to_string();
    let mut yaml = format!(
        "version: 0.1\n\
         log: {{level: info, accesslog: {{disabled: true}}}}\n\
         storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
         http: {{addr: \"127.0.0.1:0\"}}\n",
        quoted(&store.display())
    );
    // Writing to a String can't fail.
    let _ = match authentication {
        Authentication::None => Ok(()),
        Authentication::Htpasswd(file) => writeln!(
            yaml,
            "auth: {{htpasswd: {{realm: basic, path: {}}}}}",
            quoted(&file.display())
        ),
        Authentication::Token {
            realm,
            service,
            issuer,
            jwks,
        } => writeln!(
            yaml,
            "auth: {{token: {{realm: {}, service: {}, issuer: {}, jwks: {}, signingalgorithms: [ES256]}}}}",
            quoted(realm),
            quoted(service),
            quoted(issuer),
            quoted(&jwks.display())
        ),
    };
    yaml
}

/// The port in the line of its log.
fn listening_address(log: &Path) -> Option<SocketAddr> {
    std::fs::read_to_string(log).ok()?.lines().find_map(address_in)
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on ")?;
    // Without the quote the line isn't complete, and neither may be the port.
    rest.split_once('"')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_the_log() {
        let line =
            r#"time="2026-01-02T03:04:05Z" level=info msg="listening on 127.0.0.1:41237" go.version=go1.26"#;
        assert_eq!(address_in(line), Some(SocketAddr::from(([127, 0, 0, 1], 41237))));
        assert_eq!(address_in("level=info msg=\"starting\""), None);
    }

    #[test]
    fn a_path_with_quotes_stays_one_string() {
        let yaml = configuration(Path::new("/a \"b\": c"), &Authentication::None);
        assert!(yaml.contains(r#"rootdirectory: "/a \"b\": c""#), "{yaml}");
    }
}
