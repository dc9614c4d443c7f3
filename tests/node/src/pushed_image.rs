//! Images of this machine in the registry that allows anonymous access, to pull by digest; first of all the program's
//! own, as shipped.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use test_cluster::access::ClusterAccess;
use tokio::sync::OnceCell;

/// The variable with the OCI layout of the image, as `cargo xtask test` built it.
const LAYOUT: &str = "ENSURE_PULL_SECRET_IMAGE";
/// Its repository.
const REPOSITORY: &str = "tools/ensure-pull-secret";

/// An image that the node can pull without a credential.
#[derive(Clone, Debug)]
pub struct PushedImage {
    /// `host:port/repository`.
    pub name: String,
    /// `sha256:…`.
    pub digest: String,
}

impl PushedImage {
    /// The reference by digest.
    pub fn reference(&self) -> String {
        format!("{}@{}", self.name, self.digest)
    }
}

/// The program's image, pushed once for all tests.
///
/// # Errors
/// If its layout is missing, or the store refuses it.
pub async fn program_image() -> Result<PushedImage> {
    static IMAGE: OnceCell<PushedImage> = OnceCell::const_new();
    let image = IMAGE
        .get_or_try_init(|| async {
            let layout: PathBuf = std::env::var_os(LAYOUT)
                .with_context(|| {
                    format!("{LAYOUT} does not name the program's image: run `cargo xtask test --node`")
                })?
                .into();
            tokio::task::spawn_blocking(move || push_layout(&layout, REPOSITORY))
                .await
                .context("the push was cut off")?
        })
        .await?;
    Ok(image.clone())
}

/// Pushes the image in an OCI layout, past every credential.
///
/// # Errors
/// If the store refuses it.
pub fn push_layout(layout: &Path, repository: &str) -> Result<PushedImage> {
    let access = ClusterAccess::shared();
    let registries = access.registries()?;
    let output = Command::new(&access.binaries.crane)
        .args(["push", "--insecure"])
        .arg(layout)
        .arg(format!("{}/{repository}:test", registries.store))
        .output()
        .context("cannot run crane")?;
    ensure!(
        output.status.success(),
        "crane cannot push {}: {}",
        layout.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    let pushed = String::from_utf8_lossy(&output.stdout);
    let (_, digest) = pushed.trim().rsplit_once('@').context("crane names no digest")?;
    Ok(PushedImage {
        name: format!("{}/{repository}", registries.open.host.name),
        digest: digest.to_owned(),
    })
}
