//! The marked commands of the pages in `docs/` are run from the first line to the last, and nothing else.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use node_tests::{Model, OPENSHIFT, Reader, World, blocks_of, eventually, output_of};
use test_cluster::{access::ClusterAccess, namespace::TestNamespace};

#[tokio::test]
async fn getting_started_installs_runs_and_uninstalls() -> Result<()> {
    let mut blocks = blocks_of("getting-started.md")?;
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
    // What the reference shows of this install, before it is removed.
    let uninstall = blocks.pop().context("a last block")?;
    ensure!(
        uninstall.name == "uninstall",
        "the last block is {}",
        uninstall.name
    );
    for page in ["reference/secret.md", "reference/report-schema.md"] {
        blocks.extend(blocks_of(page)?);
    }
    blocks.push(uninstall);
    // Another name than the page's, as every reader has one.
    let namespace = format!("granite-{}", std::process::id());
    let reader = Reader::new(&namespace).await?;

    let printed = reader.type_blocks(&blocks).await?;
    let results = output_of(&printed, "taskrun")?;
    for line in ["STATUS\tSUCCESS", "REASON\tok"] {
        ensure!(results.contains(line), "{line} is missing:\n{results}");
    }
    for (block, part) in [
        ("job", "SUCCESS ok: "),
        ("describe", "kubernetes.io/dockerconfigjson"),
        ("entries", OPENSHIFT),
        ("report", "\"reason\": \"ok\""),
    ] {
        let output = output_of(&printed, block)?;
        ensure!(output.contains(part), "{block}: {output}");
    }
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
    let reader = Reader::new(world.namespace.name()).await?.with_robot()?;
    let printed = reader
        .type_blocks(&blocks_of("how-to/several-secrets.md")?)
        .await?;
    let job = output_of(&printed, "second-job")?;
    ensure!(job.contains("SUCCESS ok: "), "{job}");
    world.namespace.docker_config_json("quay").await.map(drop)
}

/// The install of the page for registries with robot accounts; `doctor`, the names in the policy, another CA certificate
/// and a new password in it; and its end.
#[tokio::test]
async fn how_to_quay_robot_installs_runs_and_uninstalls() -> Result<()> {
    let world = World::empty("quay-robot").await?;
    world.name_to_policy("quay", "model-puller").await?;
    let ca = &ClusterAccess::shared().registries()?.ca;
    let reader = Reader::new(world.namespace.name())
        .await?
        .with_robot()?
        .with_file("ca-bundle.crt", ca)
        .with_value("internal-registry", "quay");
    let mut blocks = Vec::new();
    for page in [
        "quay-robot",
        "README",
        "admission-policy",
        "proxy-and-ca",
        "uninstall",
    ] {
        blocks.extend(blocks_of(&format!("how-to/{page}.md"))?);
    }
    let printed = reader.type_blocks(&blocks).await?;
    for (block, part) in [
        ("job", "SUCCESS ok: "),
        ("rotation", "SUCCESS ok: "),
        ("doctor", "permission: "),
        ("audiences", "https://kubernetes.default.svc"),
        ("suspend", "patched"),
    ] {
        let output = output_of(&printed, block)?;
        ensure!(output.contains(part), "{block}: {output}");
    }
    let secret = world.namespace.secret("quay").await?;
    ensure!(secret.is_none(), "the Secret is still there");
    Ok(())
}

/// The sample Pipeline, whose stand-in pushes nothing, and the permission to pull images of another namespace.
#[tokio::test]
async fn how_to_pipeline_ends_with_the_reason_that_the_page_names() -> Result<()> {
    let world = World::new("pipeline-page").await?;
    let shared = TestNamespace::within(ClusterAccess::shared(), "shared-images").await?;
    let reader = Reader::new(world.namespace.name())
        .await?
        .with_value("shared-images", shared.name());
    let mut blocks = blocks_of("how-to/other-namespace.md")?;
    blocks.extend(blocks_of("how-to/pipeline.md")?);
    let printed = reader.type_blocks(&blocks).await?;
    let results = output_of(&printed, "pipeline-run")?;
    ensure!(results.contains("REASON\ttag-missing"), "{results}");
    let granted = output_of(&printed, "grant")?;
    ensure!(granted.contains("created"), "{granted}");
    Ok(())
}

/// A Secret that was written by hand, without `auths`, and a pod that can't pull with it: the page starts that pod.
#[tokio::test]
async fn how_to_image_pull_back_off_starts_the_same_pod() -> Result<()> {
    let world = World::empty("back-off").await?;
    let reader = Reader::new(world.namespace.name()).await?;
    Model::push(world.namespace.name(), "granite:1.0")?;
    world.create_sample("incident/secret-and-pod.yaml").await?;
    let uid = Model::await_back_off(&world.kubectl, "model").await?;
    let printed = reader
        .type_blocks(&blocks_of("how-to/image-pull-back-off.md")?)
        .await?;
    for (block, part) in [
        ("events", "401"),
        ("pull-secrets", "internal-registry"),
        ("entries", "\"entries\": null"),
        ("plan", "no auths object"),
        ("repair", "SUCCESS ok "),
    ] {
        let output = output_of(&printed, block)?;
        ensure!(output.contains(part), "{block}: {output}");
    }
    Model::await_running(&world.kubectl, "model", Some(&uid)).await
}
