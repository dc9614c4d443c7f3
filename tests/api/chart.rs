//! The packaged chart on the API server. Without Helm, outside of CI, these tests check nothing.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use test_cluster::{
    helm::{self, Helm},
    namespace::TestNamespace,
};

use crate::{
    installation::{Names, program_of},
    kubectl::Kubectl,
    manifests::{STRICTLY, restricted},
    world::pull_rules,
};

/// Everything that the chart has, with names that no other install of the suite has.
fn values(names: &Names, credential: &str) -> Value {
    json!({
        "credential": credential, "secret": names.secret, "runner": names.runner, "puller": names.puller,
        "connection": true, "robot": "robot-account",
        "openshift": { "enabled": true }, "tekton": { "enabled": true }, "admissionPolicy": { "enabled": true },
        "firstRun": { "enabled": true, "hook": false },
    })
}

/// Helm with the admin's rights, in one namespace.
struct Client<'a> {
    helm: &'a Helm,
    kubectl: &'a Kubectl,
    namespace: &'a TestNamespace,
}

impl Client<'_> {
    fn run(&self, arguments: &[&str], chart: Option<&Path>) -> Result<String> {
        let mut command = self.helm.command(arguments);
        command
            .args(chart)
            .args(["--namespace", self.namespace.name(), "--kubeconfig"])
            .arg(self.kubectl.kubeconfig());
        let output = command.output().context("cannot run Helm")?;
        ensure!(
            output.status.success(),
            "Helm failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// Unknown fields and warnings are errors, under enforced `restricted`.
#[tokio::test]
async fn the_package_is_accepted_without_a_warning() -> Result<()> {
    let Some(helm) = Helm::find()? else {
        return Ok(());
    };
    let namespace = restricted("chart-strict").await?;
    let kubectl = Kubectl::new(namespace.name()).await?;
    let directory = TempDir::new()?;
    let package = helm.package(&helm::chart(), directory.path(), 0)?;
    let file = directory.path().join("values.json");
    let rendered = directory.path().join("objects.yaml");
    for credential in ["requested-token", "token-file"] {
        fs::write(&file, values(&Names::of(&namespace), credential).to_string())?;
        let mut command = helm.command(["template", "eps", "--values"]);
        command
            .arg(&file)
            .arg(&package)
            .args(["--namespace", namespace.name()]);
        let output = command.output()?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        fs::write(&rendered, output.stdout)?;
        let [dry_run, validate, warnings] = STRICTLY;
        kubectl
            .run(&[
                &"apply",
                &"--server-side",
                &dry_run,
                &validate,
                &warnings,
                &"--filename",
                &rendered,
            ])
            .await
            .with_context(|| credential.to_owned())?;
    }
    Ok(())
}

/// The installed Role is enough for a run, an upgrade changes what is installed, and an uninstall leaves nothing but the
/// pull secret.
#[tokio::test]
async fn the_package_is_installed_used_upgraded_and_uninstalled() -> Result<()> {
    let Some(helm) = Helm::find()? else {
        return Ok(());
    };
    let namespace = restricted("chart-install").await?;
    let kubectl = Kubectl::new(namespace.name()).await?;
    let client = Client {
        helm: &helm,
        kubectl: &kubectl,
        namespace: &namespace,
    };
    let directory = TempDir::new()?;
    let package = helm.package(&helm::chart(), directory.path(), 0)?;
    let file = directory.path().join("values.json");
    let names = Names::of(&namespace);
    let mut values = values(&names, "requested-token");
    // The policy is the subject of other tests, and takes a while to be in force.
    values["admissionPolicy"] = json!({ "enabled": false });
    fs::write(&file, values.to_string())?;
    let file = file.to_str().context("a path")?;
    client.run(&["install", "eps", "--values", file], Some(&package))?;

    let cron_job = || async {
        let arguments: [&dyn AsRef<std::ffi::OsStr>; 4] = [&"get", &"cronjob", &"--output", &"json"];
        let list: Value = serde_json::from_str(&kubectl.run(&arguments).await?)?;
        list["items"].as_array().cloned().context("a list")
    };
    namespace.grant(&names.puller, "pull", pull_rules()).await?;
    let runner = namespace.identity(&names.runner).await?;
    program_of(&cron_job().await?, &runner)?
        .expect("SUCCESS", "created", "ok", 0)
        .await?
        .expect_verified("login");

    let schedule = "schedule=5 */2 * * *";
    let upgrade = ["upgrade", "eps", "--reuse-values", "--set", schedule];
    client.run(&upgrade, Some(&package))?;
    let jobs = cron_job().await?;
    assert_eq!(jobs[0]["spec"]["schedule"], "5 */2 * * *");
    program_of(&jobs, &runner)?
        .expect("SUCCESS", "unchanged", "ok", 0)
        .await?;

    client.run(&["uninstall", "eps"], None)?;
    let kinds = "serviceaccounts,roles,rolebindings,cronjobs,jobs,configmaps,tasks,stepactions";
    let left = kubectl
        .run(&[
            &"get",
            &kinds,
            &"--selector",
            &"app.kubernetes.io/name=ensure-pull-secret",
            &"--output",
            &"name",
        ])
        .await?;
    assert_eq!(left, "");
    namespace.docker_config_json(&names.secret).await?;
    Ok(())
}
