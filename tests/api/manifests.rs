//! What the API server says of everything that is shipped: as strictly as it can, under enforced `restricted`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use test_cluster::{
    access::ClusterAccess,
    kustomize::{self, UserKustomization},
    manifest::documents,
    namespace::TestNamespace,
    node::define_tekton,
    servers,
};

use crate::kubectl::Kubectl;

/// What belongs to products that the test cluster doesn't have.
const UNKNOWN_HERE: &[&str] = &["Application", "InferenceService", "ImageStream", "BuildConfig"];
/// The namespace that a sample names.
const SAMPLES_NAMESPACE: &str = "shared-images";

/// Lets the API server know Tekton's kinds. They stand in the module that the renderer is built from, so that is built
/// first: a build gets the module.
pub async fn define_kinds_of_tekton() -> Result<()> {
    tokio::task::spawn_blocking(servers::manifests).await??;
    define_tekton(&ClusterAccess::shared().client().await?).await
}

/// A namespace that enforces `restricted`, and warns of it, where only a template breaks it.
async fn restricted(name: &str) -> Result<TestNamespace> {
    define_kinds_of_tekton().await?;
    let namespace = TestNamespace::new(name).await?;
    let labels = json!({ "metadata": { "labels": {
        "pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted",
    } } });
    Api::<Namespace>::all(namespace.client())
        .patch(namespace.name(), &PatchParams::default(), &Patch::Merge(labels))
        .await?;
    // No controller makes it here, and a pod needs one.
    namespace.service_account("default").await?;
    Ok(namespace)
}

/// What is asked of kubectl for each: a dry run on the server, unknown fields and warnings being errors.
const STRICTLY: [&str; 3] = ["--dry-run=server", "--validate=strict", "--warnings-as-errors"];

async fn apply(kubectl: &Kubectl, user: &UserKustomization) -> Result<String> {
    let [dry_run, validate, warnings] = STRICTLY;
    kubectl
        .run(&[
            &"apply",
            &"--server-side",
            &dry_run,
            &validate,
            &warnings,
            &"--kustomize",
            &user.path(),
        ])
        .await
}

#[tokio::test]
async fn every_kustomization_is_accepted_without_a_warning() -> Result<()> {
    let namespace = restricted("strict").await?;
    let kubectl = Kubectl::new(namespace.name()).await?;
    let (kustomizations, _) = kustomize::directories()?;
    ensure!(kustomizations.len() > 5, "only {kustomizations:?}");
    for directory in kustomizations {
        let text = format!("namespace: {}\nresources: [../{directory}]\n", namespace.name());
        let user = UserKustomization::new(&text)?;
        if !user.render()?.is_empty() {
            apply(&kubectl, &user).await.with_context(|| directory.clone())?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_field_that_does_not_exist_and_a_pod_that_restricted_would_refuse_are_not() -> Result<()> {
    let namespace = restricted("strict-wrong").await?;
    let kubectl = Kubectl::new(namespace.name()).await?;
    let spec = "/spec/jobTemplate/spec/template/spec";
    for (patch, said) in [
        (
            json!({ "op": "add", "path": format!("{spec}/restart"), "value": "Never" }),
            ".restart",
        ),
        (
            json!({ "op": "remove", "path": format!("{spec}/containers/0/securityContext") }),
            "would violate PodSecurity",
        ),
    ] {
        let kustomization = json!({
            "namespace": namespace.name(),
            "resources": ["../tekton/cronjob"],
            "patches": [{ "target": { "kind": "CronJob" }, "patch": json!([patch]).to_string() }],
        });
        let user = UserKustomization::new(&kustomization.to_string())?;
        let error = apply(&kubectl, &user).await.expect_err("it is wrong");
        let error = format!("{error:#}");
        ensure!(error.contains(said), "expected {said:?} in {error}");
    }
    Ok(())
}

#[tokio::test]
async fn every_sample_is_accepted_without_a_warning() -> Result<()> {
    let namespace = restricted("samples").await?;
    TestNamespace::named(ClusterAccess::shared(), SAMPLES_NAMESPACE).await?;
    let mut accepted = 0;
    for sample in samples(&kustomize::tekton().join("samples"))? {
        let objects = documents(&std::fs::read_to_string(&sample)?)?;
        if objects
            .iter()
            .any(|object| UNKNOWN_HERE.iter().any(|kind| object["kind"] == *kind))
        {
            continue;
        }
        let elsewhere = objects
            .iter()
            .any(|object| object["metadata"]["namespace"] == SAMPLES_NAMESPACE);
        let kubectl = Kubectl::new(if elsewhere {
            SAMPLES_NAMESPACE
        } else {
            namespace.name()
        })
        .await?;
        let [dry_run, validate, warnings] = STRICTLY;
        kubectl
            .run(&[&"create", &dry_run, &validate, &warnings, &"--filename", &sample])
            .await
            .with_context(|| sample.display().to_string())?;
        accepted += 1;
    }
    ensure!(accepted > 5, "only {accepted} samples");
    Ok(())
}

/// Tekton makes its pods later: here each step is made a pod's container.
#[tokio::test]
async fn every_step_is_admitted_as_a_container_where_restricted_is_enforced() -> Result<()> {
    let namespace = restricted("steps").await?;
    let pods: Api<Pod> = namespace.api();
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let mut objects = kustomize::render(&kustomize::tekton())?;
    for sample in samples(&kustomize::tekton().join("samples"))? {
        objects.extend(documents(&std::fs::read_to_string(&sample)?)?);
    }
    let steps: Vec<Value> = objects.iter().flat_map(steps).collect();
    ensure!(steps.len() > 5, "only {} steps", steps.len());
    for step in steps {
        let pod = json!({
            "metadata": { "generateName": "step-" },
            "spec": { "containers": [{
                "name": "step", "image": step["image"], "securityContext": step["securityContext"],
            }] },
        });
        let pod: Pod = serde_json::from_value(pod)?;
        pods.create(&dry_run, &pod)
            .await
            .with_context(|| step.to_string())?;
    }
    Ok(())
}

/// The steps with an image of their own of a Task, a StepAction, or the Tasks in a Pipeline.
fn steps(object: &Value) -> Vec<Value> {
    let spec = &object["spec"];
    let of_task = |task: &Value| task["steps"].as_array().cloned().unwrap_or_default();
    let steps = match object["kind"].as_str() {
        Some("StepAction") => vec![spec.clone()],
        Some("Task") => of_task(spec),
        Some("Pipeline") => ["tasks", "finally"]
            .iter()
            .flat_map(|tasks| spec[*tasks].as_array().cloned().unwrap_or_default())
            .flat_map(|task| of_task(&task["taskSpec"]))
            .collect(),
        _ => Vec::new(),
    };
    steps
        .into_iter()
        .filter(|step| step.get("ref").is_none())
        .collect()
}

fn samples(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(samples(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    Ok(found)
}
