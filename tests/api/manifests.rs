//! The API server validates everything that is shipped: strictly, and under enforced `restricted`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
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

/// Kinds of products that the test cluster doesn't have.
const UNKNOWN_HERE: &[&str] = &["Application", "InferenceService", "ImageStream", "BuildConfig"];
/// The namespace that a sample names.
const SAMPLES_NAMESPACE: &str = "shared-images";

/// Creates Tekton's CRDs. They are files of the module that the renderer is built from, and the build fetches the
/// module.
pub async fn define_kinds_of_tekton() -> Result<()> {
    tokio::task::spawn_blocking(servers::manifests).await??;
    define_tekton(&ClusterAccess::shared().client().await?).await
}

/// A namespace that enforces `restricted`, and warns of it, where only a template breaks it.
pub async fn restricted(name: &str) -> Result<TestNamespace> {
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

/// Arguments of kubectl: a dry run on the server in which unknown fields and warnings are errors.
pub const STRICTLY: [&str; 3] = ["--dry-run=server", "--validate=strict", "--warnings-as-errors"];

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

/// Kustomizations as users write them, beyond the overlays: other names, prefix and suffix, labels, a
/// first run under Argo CD, two installs in one namespace.
fn users_changes() -> Value {
    let names = |literals: &[&str]| json!([{ "name": "ensure-pull-secret", "behavior": "merge", "literals": literals }]);
    let components = |names: &[&str]| {
        names
            .iter()
            .map(|name| format!("../tekton/components/{name}"))
            .collect::<Vec<_>>()
    };
    let first = components(&["first-run", "argocd", "names"]);
    let (openshift, kubernetes) = (
        ["../tekton/overlays/openshift"],
        ["../tekton/overlays/kubernetes"],
    );
    let label = |selectors| json!([{ "pairs": { "app.kubernetes.io/name": "theirs" }, "includeSelectors": selectors, "includeTemplates": true }]);
    json!([
        { "resources": openshift, "namePrefix": "team-", "components": first },
        { "resources": openshift, "nameSuffix": "-two", "configMapGenerator": names(&["puller=p"]), "components": first },
        { "resources": openshift, "commonLabels": { "app.kubernetes.io/component": "theirs" }, "components": first },
        { "resources": openshift, "labels": label(true), "commonAnnotations": { "a": "b" }, "components": first },
        { "resources": openshift, "configMapGenerator": names(&["runner=r", "secret=s", "puller=p"]), "components": first },
        { "resources": kubernetes, "configMapGenerator": names(&["runner=r", "robot=quay"]), "components": first,
            "secretGenerator": [{ "name": "quay", "literals": ["token=example"] }] },
        { "resources": kubernetes, "labels": label(false), "components": components(&["first-run", "admission-policy", "names"]) },
        { "resources": ["../tekton/overlays/several-secrets"], "namePrefix": "team-" },
    ])
}

#[tokio::test]
async fn t5_a_users_own_changes_are_accepted_without_a_warning() -> Result<()> {
    let namespace = restricted("strict-users").await?;
    let kubectl = Kubectl::new(namespace.name()).await?;
    for kustomization in users_changes().as_array_mut().context("a list")? {
        kustomization["namespace"] = json!(namespace.name());
        let text = kustomization.to_string();
        apply(&kubectl, &UserKustomization::new(&text)?)
            .await
            .context(text)?;
    }
    Ok(())
}

/// Changes to the shipped CronJob, each with a part of the API server's objection: the operation at a path below the pod
/// template, and the value.
fn refused_changes() -> Vec<(&'static str, &'static str, Value, &'static str)> {
    let host_path = json!({ "name": "host", "hostPath": { "path": "/" } });
    let twice = json!({ "name": "PULL_SECRET_NAME", "value": "another" });
    vec![
        ("add", "/spec/restart", json!("Never"), ".restart"),
        (
            "remove",
            "/spec/containers/0/securityContext",
            Value::Null,
            "allowPrivilegeEscalation != false",
        ),
        (
            "remove",
            "/spec/containers/0/securityContext/allowPrivilegeEscalation",
            Value::Null,
            "allowPrivilegeEscalation != false",
        ),
        (
            "remove",
            "/spec/containers/0/securityContext/capabilities",
            Value::Null,
            "unrestricted capabilities",
        ),
        (
            "add",
            "/spec/containers/0/securityContext/capabilities/add",
            json!(["NET_RAW"]),
            "capabilities",
        ),
        (
            "add",
            "/spec/containers/0/securityContext/privileged",
            json!(true),
            "privileged",
        ),
        (
            "add",
            "/spec/containers/0/securityContext/runAsNonRoot",
            json!(false),
            "runAsNonRoot != true",
        ),
        (
            "remove",
            "/spec/securityContext/runAsNonRoot",
            Value::Null,
            "runAsNonRoot != true",
        ),
        (
            "remove",
            "/spec/securityContext/seccompProfile",
            Value::Null,
            "seccompProfile",
        ),
        ("add", "/spec/hostNetwork", json!(true), "host namespaces"),
        ("add", "/spec/hostPID", json!(true), "host namespaces"),
        ("add", "/spec/hostIPC", json!(true), "host namespaces"),
        ("add", "/spec/volumes/-", host_path, "hostPath"),
        ("add", "/spec/containers/0/env/-", twice, "PULL_SECRET_NAME"),
        (
            "replace",
            "/spec/containers/0/name",
            json!("another"),
            "containerName",
        ),
    ]
}

#[tokio::test]
async fn dry_run_refuses_each_broken_cron_job() -> Result<()> {
    let namespace = restricted("strict-wrong").await?;
    let kubectl = Kubectl::new(namespace.name()).await?;
    for (operation, path, value, objection) in refused_changes() {
        let path = format!("/spec/jobTemplate/spec/template{path}");
        let mut patch = json!({ "op": operation, "path": path });
        if !value.is_null() {
            patch["value"] = value;
        }
        let kustomization = json!({
            "namespace": namespace.name(),
            "resources": ["../tekton/overlays/openshift-cronjob"],
            "patches": [{ "target": { "kind": "CronJob" }, "patch": json!([patch]).to_string() }],
        });
        let user = UserKustomization::new(&kustomization.to_string())?;
        let error = match apply(&kubectl, &user).await {
            Ok(_) => bail!("{operation} {path} is accepted"),
            Err(error) => format!("{error:#}"),
        };
        ensure!(
            error.contains(objection),
            "{operation} {path}: {objection:?} is not in {error}"
        );
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

/// A dry run of pods: Tekton creates its pods later, so each step is a container of a pod here.
async fn create(pods: &Api<Pod>, pod: &Value) -> Result<()> {
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    pods.create(&dry_run, &serde_json::from_value(pod.clone())?)
        .await
        .with_context(|| pod.to_string())?;
    Ok(())
}

#[tokio::test]
async fn restricted_namespace_admits_every_step() -> Result<()> {
    let pods: Api<Pod> = restricted("steps").await?.api();
    let mut objects = kustomize::render(&kustomize::tekton().join("overlays/openshift"))?;
    for sample in samples(&kustomize::tekton().join("samples"))? {
        objects.extend(documents(&std::fs::read_to_string(&sample)?)?);
    }
    let steps: Vec<Value> = objects.iter().flat_map(steps).collect();
    ensure!(steps.len() > 5, "only {} steps", steps.len());
    for pod in &steps {
        create(&pods, pod).await?;
    }
    Ok(())
}

#[tokio::test]
async fn pod_security_refuses_each_broken_step() -> Result<()> {
    let pods: Api<Pod> = restricted("steps-wrong").await?.api();
    let objects = kustomize::render(&kustomize::tekton().join("overlays/openshift"))?;
    let task = objects.iter().find(|object| object["kind"] == "Task");
    let step = task
        .map(steps)
        .unwrap_or_default()
        .pop()
        .context("the Task has a step")?;
    for field in [
        "runAsNonRoot",
        "seccompProfile",
        "allowPrivilegeEscalation",
        "capabilities",
    ] {
        let mut broken = step.clone();
        broken["spec"]["containers"][0]["securityContext"][field] = Value::Null;
        ensure!(
            create(&pods, &broken).await.is_err(),
            "a step without {field} is admitted"
        );
    }
    let mut broken = step.clone();
    broken["spec"]["volumes"] = json!([{ "name": "host", "hostPath": { "path": "/" } }]);
    ensure!(create(&pods, &broken).await.is_err(), "a hostPath is admitted");
    create(&pods, &step).await
}

/// A pod for each step with its own image of a Task, a StepAction, or the Tasks in a Pipeline.
fn steps(object: &Value) -> Vec<Value> {
    let spec = &object["spec"];
    let pod = |step: &Value, volumes: &Value| {
        json!({
            "metadata": { "generateName": "step-" },
            "spec": {
                "containers": [{
                    "name": "step", "image": step["image"], "securityContext": step["securityContext"],
                }],
                "volumes": volumes,
            },
        })
    };
    let of_task = |task: &Value| -> Vec<Value> {
        let steps = task["steps"].as_array().into_iter().flatten();
        let own_image = steps.filter(|step| step.get("ref").is_none());
        own_image.map(|step| pod(step, &task["volumes"])).collect()
    };
    match object["kind"].as_str() {
        Some("StepAction") => vec![pod(spec, &Value::Null)],
        Some("Task") => of_task(spec),
        Some("Pipeline") => ["tasks", "finally"]
            .iter()
            .flat_map(|tasks| spec[*tasks].as_array().into_iter().flatten())
            .flat_map(|task| of_task(&task["taskSpec"]))
            .collect(),
        _ => Vec::new(),
    }
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
