//! The marked commands of the pages in `docs/` are run from the first line to the last, and nothing else.

use std::{fs, path::Path, process::Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use node_tests::{Block, OPENSHIFT, World, blocks, eventually, manifests, output_of, program_image, script};
use test_cluster::{
    access::ClusterAccess,
    node::platform::{Namespaces, Platform},
};
use tokio::process::Command;

/// The pages' own names, which a reader replaces.
const IMAGE: &str = "registry.example.com/ensure-pull-secret";
const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
const NAMESPACE: &str = "my-models";

#[tokio::test]
async fn getting_started_installs_runs_and_uninstalls() -> Result<()> {
    let blocks = blocks_of("getting-started.md")?;
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
        ensure!(names.contains(&expected), "{expected} is not a block of the page");
    }
    // Another name than the page's, as every reader has one.
    let namespace = format!("granite-{}", std::process::id());
    let image = program_image().await?;
    let script = script(&blocks)
        .replace(IMAGE, &image.name)
        .replace(DIGEST, &image.digest)
        .replace(NAMESPACE, &namespace);
    let _platform = Platform::stand_in(ClusterAccess::shared(), Namespaces::One(&namespace)).await?;

    let printed = typed(&script, &namespace, &[]).await?;
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

/// One namespace with two installs: the internal registry's, and that of a registry with robot accounts.
#[tokio::test]
async fn how_to_pages_install_a_second_secret() -> Result<()> {
    let world = World::new("two-secrets").await?;
    let namespace = world.namespace.name();
    let registry = &ClusterAccess::shared().registries()?.basic;
    let account = registry.account("robot").context("the registry has a robot")?;
    let image = program_image().await?;
    let script = script(&blocks_of("how-to/several-secrets.md")?)
        .replace(IMAGE, &image.name)
        .replace(DIGEST, &image.digest)
        .replace("quay.io/team", &registry.host.name)
        .replace("team+robot", &account.name)
        .replace(NAMESPACE, namespace);
    let _platform = Platform::stand_in(ClusterAccess::shared(), Namespaces::One(namespace)).await?;
    let printed = typed(&script, namespace, &[("robot-token.txt", &account.password)]).await?;
    let job = output_of(&printed, "second-job")?;
    ensure!(job.contains("SUCCESS ok: "), "{job}");
    world.namespace.docker_config_json("quay").await.map(drop)
}

/// The install of the page for registries with robot accounts, and a run of `doctor` in it.
#[tokio::test]
async fn how_to_quay_robot_installs_and_runs() -> Result<()> {
    let world = World::empty("quay-robot").await?;
    world.name_to_policy("quay", "model-puller").await?;
    let namespace = world.namespace.name();
    let registry = &ClusterAccess::shared().registries()?.basic;
    let account = registry.account("robot").context("the registry has a robot")?;
    let image = program_image().await?;
    let mut blocks = blocks_of("how-to/quay-robot.md")?;
    blocks.extend(blocks_of("how-to/README.md")?);
    let script = script(&blocks)
        .replace(IMAGE, &image.name)
        .replace(DIGEST, &image.digest)
        .replace("quay.io/team", &registry.host.name)
        .replace("team+robot", &account.name)
        .replace(NAMESPACE, namespace);
    let _platform = Platform::stand_in(ClusterAccess::shared(), Namespaces::One(namespace)).await?;
    let printed = typed(&script, namespace, &[("robot-token.txt", &account.password)]).await?;
    let job = output_of(&printed, "job")?;
    ensure!(job.contains("SUCCESS ok: "), "{job}");
    let doctor = output_of(&printed, "doctor")?;
    ensure!(doctor.contains("permission: "), "{doctor}");
    Ok(())
}

/// The marked blocks of a page below `docs/`.
fn blocks_of(page: &str) -> Result<Vec<Block>> {
    let path = manifests().join("../docs").join(page);
    let markdown = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    blocks(&markdown)
}

/// Output of a script at the top of a clone with these files beside `tekton/`.
async fn typed(script: &str, namespace: &str, files: &[(&str, &str)]) -> Result<String> {
    let clone = tempfile::tempdir()?;
    copy_clone(clone.path()).await?;
    for (name, content) in files {
        fs::write(clone.path().join(name), content).with_context(|| format!("cannot write {name}"))?;
    }
    let output = World::command_with_kubectl("bash")?
        .args(["-c", script])
        .current_dir(clone.path())
        .stdin(Stdio::null())
        .output()
        .await
        .context("cannot run bash")?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!(
            "{}\n{printed}\n{stderr}\n{}",
            output.status,
            happened(namespace).await?
        );
    }
    Ok(printed)
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
