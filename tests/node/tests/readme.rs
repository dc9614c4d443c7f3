//! The commands of `tekton/README.md` are run from the first line to the last, and nothing else.

use std::{fs, path::Path, process::Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use node_tests::{OPENSHIFT, World, blocks, eventually, manifests, output_of, program_image, script};
use test_cluster::{
    access::ClusterAccess,
    node::platform::{Namespaces, Platform},
};
use tokio::process::Command;

/// The README's own names, which a reader replaces.
const IMAGE: &str = "registry.example.com/ensure-pull-secret";
const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
const NAMESPACE: &str = "my-models";

#[tokio::test]
async fn readme_commands_install_run_and_uninstall() -> Result<()> {
    let path = manifests().join("README.md");
    let markdown = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let blocks = blocks(&markdown)?;
    let names: Vec<&str> = blocks.iter().map(|block| block.name.as_str()).collect();
    for expected in [
        "namespace",
        "admission-policy",
        "install",
        "job",
        "taskrun",
        "pod-template",
        "uninstall",
    ] {
        ensure!(
            names.contains(&expected),
            "{expected} is not a block of the README any more"
        );
    }
    // Another name than the README's, as every reader has one.
    let namespace = format!("granite-{}", std::process::id());
    let image = program_image().await?;
    let script = script(&blocks)
        .replace(IMAGE, &image.name)
        .replace(DIGEST, &image.digest)
        .replace(NAMESPACE, &namespace);
    let _platform = Platform::stand_in(ClusterAccess::shared(), Namespaces::One(&namespace)).await?;

    let clone = tempfile::tempdir()?;
    copy_clone(clone.path()).await?;
    let output = World::command_with_kubectl("bash")?
        .args(["-c", &script])
        .current_dir(clone.path())
        .stdin(Stdio::null())
        .output()
        .await
        .context("cannot run bash")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!(
            "{}\n{printed}\n{stderr}\n{}",
            output.status,
            happened(&namespace).await?
        );
    }
    let results = output_of(&printed, "taskrun")?;
    for line in ["STATUS\tSUCCESS", "REASON\tok"] {
        ensure!(results.contains(line), "{line} is missing:\n{results}");
    }
    let job = output_of(&printed, "job")?;
    ensure!(job.contains("SUCCESS ok: "), "{job}");
    let described = output_of(&printed, "describe")?;
    ensure!(
        described.contains("kubernetes.io/dockerconfigjson"),
        "{described}"
    );
    stored_token_ends(&namespace).await
}

/// T1: the pull secret outlives the uninstall, and its token stops working within seconds.
async fn stored_token_ends(namespace: &str) -> Result<()> {
    let access = ClusterAccess::shared();
    let secrets: Api<Secret> = Api::namespaced(access.client().await?, namespace);
    let data = secrets.get("internal-registry").await?.data.unwrap_or_default();
    let document = &data.get(".dockerconfigjson").context("a document")?.0;
    let document: serde_json::Value = serde_json::from_slice(document)?;
    let token = document["auths"][OPENSHIFT]["password"]
        .as_str()
        .context("a token")?;
    let client = access.client_of(token).await?;
    eventually("the API server rejects the stored token", || async {
        Ok(match client.apiserver_version().await {
            Err(kube::Error::Api(status)) if status.code == 401 => Ok(()),
            other => Err(format!("{other:?}")),
        })
    })
    .await
}

/// State of a namespace after a failure.
async fn happened(namespace: &str) -> Result<String> {
    let output = World::command_with_kubectl("kubectl")?
        .args(["events", "--namespace", namespace])
        .output()
        .await
        .context("cannot run kubectl")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The manifests where a clone has them.
async fn copy_clone(to: &Path) -> Result<()> {
    let status = Command::new("cp")
        .arg("-R")
        .arg(manifests())
        .arg(to.join("tekton"))
        .status()
        .await
        .context("cannot run cp")?;
    ensure!(status.success(), "cp failed");
    Ok(())
}
