//! crane, the client of go-containerregistry.

use std::path::PathBuf;

use tokio::process::Command;

use super::run::{Home, Network};

/// crane. It looks up credentials more leniently than others: use skopeo to check that an entry does *not* match.
#[derive(Clone, Debug)]
pub struct Crane {
    /// The binary.
    pub binary: PathBuf,
    /// Access to the registries.
    pub network: Network,
}

impl Crane {
    /// Pulls `image` (`host[:port]/path:tag` or `@digest`, by its name in the cluster) with the credentials in
    /// `document`, or without any. An error holds what crane wrote to standard error.
    pub fn pulls(&self, document: Option<&[u8]>, image: &str) -> Result<(), String> {
        let home = Home::new()?;
        if let Some(document) = document {
            home.write("docker/config.json", document)?;
        }
        home.write("ca.pem", self.network.ca.as_bytes())?;
        let mut command = Command::new(&self.binary);
        command.args(["pull", image, "image.tar"]);
        let trusted = home.path().join("ca.pem");
        home.run(command, &self.network, &[("SSL_CERT_FILE", &trusted)])
    }
}
