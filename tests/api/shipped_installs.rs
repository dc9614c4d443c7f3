//! The shipped manifests at work: what an install verifies, how it is diagnosed, and what an uninstall leaves.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use test_cluster::{
    kustomize::{self, UserKustomization},
    namespace::TestNamespace,
    program::Program,
    registry::{OPENSHIFT, push_image},
};

use crate::{
    installation::Installation,
    kubectl::Kubectl,
    world::{assert_does_not_pull, assert_pulls, pull_rules, registries},
};

/// Time limit for the API server's caches of tokens.
const SECONDS: u32 = 30;

/// Without an image, an install verifies the login alone.
#[tokio::test]
async fn t3_the_image_of_the_install_is_pulled_by_every_run() -> Result<()> {
    let namespace = TestNamespace::new("t3-image").await?;
    let installation = Installation::with_literals(namespace.clone(), &[]).await?;
    installation
        .program()?
        .expect("SUCCESS", "created", "ok", 0)
        .await?
        .expect_verified("login");
    let repository = format!("{}/app:v1", namespace.name());
    push_image(registries().store, &repository)?;
    let image = format!("image={OPENSHIFT}/{repository}");
    let installation = Installation::with_literals(namespace, &[&image]).await?;
    installation
        .program()?
        .expect("SUCCESS", "unchanged", "ok", 0)
        .await?
        .expect_verified("pull");
    Ok(())
}

/// Deleting the install deletes the puller: its tokens end with it, and the pull secret stays without a use.
#[tokio::test]
async fn t1_uninstall_ends_the_stored_token_within_seconds() -> Result<()> {
    let namespace = TestNamespace::new("t1-uninstall").await?;
    let kubectl = Kubectl::new(namespace.name()).await?;
    let user = UserKustomization::new(
        &json!({ "namespace": namespace.name(), "resources": ["../tekton/overlays/openshift-cronjob"] })
            .to_string(),
    )?;
    kubectl.run(&[&"apply", &"--kustomize", &user.path()]).await?;
    namespace.grant("model-puller", "pull", pull_rules()).await?;
    let repository = format!("{}/app:v1", namespace.name());
    push_image(registries().store, &repository)?;
    let image = format!("{OPENSHIFT}/{repository}");
    Program::new(&namespace.identity("ensure-pull-secret").await?)
        .env("PULL_SECRET_NAME", "internal-registry")
        .env("PULL_SECRET_SERVICE_ACCOUNT", "model-puller")
        .env("PULL_SECRET_IMAGE", &image)
        .env("PULL_SECRET_CONNECT_TO", registries().connect_to())
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    let stored = namespace.docker_config_json("internal-registry").await?;
    assert_pulls(&stored, &image)?;

    kubectl.run(&[&"delete", &"--kustomize", &user.path()]).await?;
    let token: Value = serde_json::from_slice(&stored)?;
    let token = token["auths"][OPENSHIFT]["password"]
        .as_str()
        .context("a token")?;
    let client = namespace.access().client_of(token).await?;
    let mut seconds = 0;
    while client.apiserver_version().await.is_ok() {
        ensure!(seconds < SECONDS, "the token is accepted after {seconds} s");
        tokio::time::sleep(Duration::from_secs(1)).await;
        seconds += 1;
    }
    ensure!(
        namespace.docker_config_json("internal-registry").await? == stored,
        "the pull secret is left as it was"
    );
    assert_does_not_pull(&stored, &image)
}

/// The commands in the samples' comments, with kubectl of the suite.
#[tokio::test]
async fn t6_one_command_makes_a_read_only_job_of_the_cron_job() -> Result<()> {
    let namespace = TestNamespace::new("t6-command").await?;
    let kubectl = Kubectl::new(namespace.name()).await?;
    let user = UserKustomization::new(
        &json!({ "namespace": namespace.name(), "resources": ["../tekton/overlays/kubernetes-cronjob"] })
            .to_string(),
    )?;
    kubectl.run(&[&"apply", &"--kustomize", &user.path()]).await?;
    for mode in ["doctor", "plan"] {
        let path = kustomize::tekton().join(format!("samples/{mode}.yaml"));
        let sample = std::fs::read_to_string(path)?;
        let lines = sample.lines().filter_map(|line| line.strip_prefix("# "));
        let mut lines = lines
            .map(str::trim)
            .skip_while(|line| !line.ends_with(" -o yaml |"));
        let command = lines.by_ref().take(2).collect::<Vec<_>>().join(" ");
        kubectl.script(&command).await?;

        let job = format!("job/{mode}");
        let job = kubectl.run(&[&"get", &job, &"--output", &"json"]).await?;
        let job: Value = serde_json::from_str(&job)?;
        let cron_job = kubectl
            .run(&[&"get", &"cronjob/ensure-pull-secret", &"--output", &"json"])
            .await?;
        let cron_job: Value = serde_json::from_str(&cron_job)?;
        let environment = |job: &Value, pointer: &str| {
            let environment = job.pointer(pointer).and_then(Value::as_array);
            environment.cloned().context("an environment")
        };
        let mut expected = environment(&cron_job, "/spec/jobTemplate/spec/template/spec/containers/0/env")?;
        expected.push(json!({ "name": "PULL_SECRET_MODE", "value": mode }));
        let found = environment(&job, "/spec/template/spec/containers/0/env")?;
        assert_eq!(found, expected, "{command}");
    }
    Ok(())
}
