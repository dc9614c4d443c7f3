//! The program's own image, as it is shipped: in the registry that asks nobody, to be pulled by digest.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};
use test_cluster::access::ClusterAccess;
use tokio::sync::OnceCell;

/// The variable with the OCI layout of the image, as `cargo xtask test` built it.
const LAYOUT: &str = "ENSURE_PULL_SECRET_IMAGE";
/// Its repository.
const REPOSITORY: &str = "tools/ensure-pull-secret";

/// Name and digest of the image, pushed once for all tests.
pub async fn program_image() -> Result<(String, String)> {
    static DIGEST: OnceCell<String> = OnceCell::const_new();
    let registries = ClusterAccess::shared().registries()?;
    let digest = DIGEST
        .get_or_try_init(|| async {
            tokio::task::spawn_blocking(push)
                .await
                .context("the push was cut off")?
        })
        .await?;
    Ok((
        format!("{}/{REPOSITORY}", registries.open.host.name),
        digest.clone(),
    ))
}

fn push() -> Result<String> {
    let access = ClusterAccess::shared();
    let layout: PathBuf = std::env::var_os(LAYOUT)
        .with_context(|| {
            format!("{LAYOUT} does not name the program's image: run `cargo xtask test --node`")
        })?
        .into();
    let output = Command::new(&access.binaries.crane)
        .args(["push", "--insecure"])
        .arg(&layout)
        .arg(format!("{}/{REPOSITORY}:test", access.registries()?.store))
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
    Ok(digest.to_owned())
}
