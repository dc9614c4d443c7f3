//! skopeo, the client of containers/image, whose rules Podman, Buildah and CRI-O share.

use std::path::PathBuf;

use tokio::process::Command;

use super::run::{Home, Network};

/// skopeo.
#[derive(Clone, Debug)]
pub struct Skopeo {
    binary: PathBuf,
    network: Network,
}

impl Skopeo {
    /// The installed skopeo; an error says how to install it.
    pub fn installed(network: Network) -> Result<Self, String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let binary = std::env::split_paths(&path)
            .map(|directory| directory.join("skopeo"))
            .find(|candidate| candidate.is_file())
            .ok_or("skopeo is not installed: it judges what is stored. Install the package `skopeo`")?;
        Ok(Self { binary, network })
    }

    /// Pulls `image` (`host[:port]/path:tag` or `@digest`, by its name in the cluster) with the credentials in
    /// `document`, or without any. An error holds what skopeo wrote to standard error.
    pub fn pulls(&self, document: Option<&[u8]>, image: &str) -> Result<(), String> {
        let home = Home::new()?;
        home.write("certificates/ca.crt", self.network.ca.as_bytes())?;
        let mut command = Command::new(&self.binary);
        // Signatures are somebody else's subject, and the machine's own policy must not decide.
        command.args(["--insecure-policy", "copy", "--src-cert-dir", "certificates"]);
        if let Some(document) = document {
            home.write("auth.json", document)?;
            command.args(["--src-authfile", "auth.json"]);
        }
        command.args([&format!("docker://{image}"), "dir:image"]);
        home.run(command, &self.network, &[])
    }
}
