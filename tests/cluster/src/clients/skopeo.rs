//! skopeo, the client of containers/image, whose rules Podman, Buildah and CRI-O share.

use std::path::PathBuf;

use tokio::process::Command;

use super::run::{Home, Network};

/// The folder of trusted authorities in a run's home.
const CERTIFICATES: &str = "certificates";

/// The variable that `cargo xtask test` sets where skopeo is not installed, after it has reported that.
pub const WITHOUT_SKOPEO: &str = "TEST_CLUSTER_WITHOUT_SKOPEO";

/// skopeo.
#[derive(Clone, Debug)]
pub struct Skopeo {
    binary: PathBuf,
    network: Network,
}

impl Skopeo {
    /// The installed skopeo; `None` only if [`WITHOUT_SKOPEO`] is set. An error explains how to install it.
    pub fn installed(network: Network) -> Result<Option<Self>, String> {
        if std::env::var_os(WITHOUT_SKOPEO).is_some() {
            return Ok(None);
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let binary = std::env::split_paths(&path)
            .map(|directory| directory.join("skopeo"))
            .find(|candidate| candidate.is_file())
            .ok_or("skopeo is not installed. Install the package `skopeo`, or run `cargo xtask test`, which can do without")?;
        Ok(Some(Self { binary, network }))
    }

    /// Pulls `image` (`host[:port]/path:tag` or `@digest`, by its name in the cluster) with the credentials in
    /// `document`, or without any. An error holds what skopeo wrote to standard error.
    pub fn pulls(&self, document: Option<&[u8]>, image: &str) -> Result<(), String> {
        self.copy(document, &format!("docker://{image}"), "dir:image")
    }

    /// Copies an image unchanged between registries, with the same credentials for both.
    pub fn copies(&self, document: &[u8], from: &str, to: &str) -> Result<(), String> {
        self.copy(
            Some(document),
            &format!("docker://{from}"),
            &format!("docker://{to}"),
        )
    }

    /// Logs in to a registry, which shows that it accepts the credential, but not its permissions.
    pub fn logs_in(&self, host: &str, user: &str, password: &str) -> Result<(), String> {
        let home = self.home()?;
        let mut command = Command::new(&self.binary);
        command
            .args(["login", "--authfile", "auth.json", "--cert-dir", CERTIFICATES])
            .args(["--username", user, "--password", password, host]);
        home.run(command, &self.network, &[])
    }

    fn copy(&self, document: Option<&[u8]>, from: &str, to: &str) -> Result<(), String> {
        let home = self.home()?;
        let mut command = Command::new(&self.binary);
        // Without signatures: the machine's own policy must not decide.
        command.args(["--insecure-policy", "copy"]);
        command.args(["--src-cert-dir", CERTIFICATES, "--dest-cert-dir", CERTIFICATES]);
        if let Some(document) = document {
            home.write("auth.json", document)?;
            command.args(["--authfile", "auth.json"]);
        }
        command.args([from, to]);
        home.run(command, &self.network, &[])
    }

    fn home(&self) -> Result<Home, String> {
        let home = Home::new()?;
        home.write(&format!("{CERTIFICATES}/ca.crt"), self.network.ca.as_bytes())?;
        Ok(home)
    }
}
