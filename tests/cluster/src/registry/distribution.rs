//! Processes of CNCF distribution, the registry that holds the images.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// It listens within a tenth of a second; on a busy machine it may take longer.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How a distribution asks for credentials.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// Not at all: for pushing images from the suite, and behind the gateway.
    None,
    /// Basic, against an htpasswd file of bcrypt hashes.
    Htpasswd(PathBuf),
    /// Bearer, with the tokens of a service.
    Token {
        /// Where clients get a token.
        realm: String,
        /// The `service` that the challenge names, and the audience of the tokens.
        service: String,
        /// The issuer of the tokens.
        issuer: String,
        /// A file with the public key that they are signed with, as a JSON Web Key Set.
        jwks: PathBuf,
    },
}

/// A running distribution: plain http on a loopback port of its own choice; killed when dropped.
#[derive(Debug)]
pub struct Distribution {
    process: Child,
    address: SocketAddr,
}

impl Distribution {
    /// Starts the `registry` binary with its images in `store`, which several may share, and its configuration and log
    /// in `directory`, which is its own. It is ready when this returns.
    pub fn start(
        binary: &Path,
        directory: &Path,
        store: &Path,
        authentication: &Authentication,
    ) -> Result<Self> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        let configuration_file = directory.join("config.yml");
        std::fs::write(&configuration_file, configuration(store, authentication))?;
        let mut process = Command::new(binary)
            .arg("serve")
            .arg(&configuration_file)
            .current_dir(directory)
            .env_clear()
            // Tracing to a collector that isn't there is on by default.
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", binary.display()))?;
        let log = directory.join("log");
        let address = process
            .stderr
            .take()
            .context("distribution has no standard error")
            .and_then(|stderr| listening_address(stderr, &log));
        match address {
            Ok(address) => Ok(Self { process, address }),
            Err(error) => {
                let _ = process.kill();
                let _ = process.wait();
                Err(error)
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process, for those who keep a list of what has to be gone in the end.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Distribution {
    fn drop(&mut self) {
        // Its images are in a directory of this run: there is nothing to finish orderly.
        let _ = self.process.kill();
        let _ = self.process.wait();
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

/// Reads the port from the log line that says it, and goes on copying the log into `file`, so that the process never
/// waits for a reader.
fn listening_address(log: impl std::io::Read + Send + 'static, file: &Path) -> Result<SocketAddr> {
    let mut copy = std::fs::File::create(file)?;
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new()
        .name("distribution log".to_owned())
        .spawn(move || {
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                let _ = writeln!(copy, "{line}");
                if let Some(address) = address_in(&line) {
                    let _ = sender.send(address);
                }
            }
        })?;
    match receiver.recv_timeout(START_LIMIT) {
        Ok(address) => Ok(address),
        // The sender goes with the end of the log.
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            bail!("distribution ended at once: see {}", file.display())
        }
        Err(mpsc::RecvTimeoutError::Timeout) => {
            bail!(
                "distribution did not listen within {START_LIMIT:?}: see {}",
                file.display()
            )
        }
    }
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on ")?;
    let end = rest.find(['"', ',', ' ']).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
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
