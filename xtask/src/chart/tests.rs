//! The chart against the kustomizations, and what it refuses. Without Helm, outside of CI, these tests check nothing.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tempfile::TempDir;
use test_cluster::{
    helm::{self, Helm},
    kustomize::{UserKustomization, render_all},
    manifest::documents,
    tekton_validation,
};

use super::{drift::assert_equal, package};
use crate::{
    lint::manifests::{collect::combinations, one_place::LITERALS},
    project,
};

const NAMESPACE: &str = "my-models";
const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// Kinds that kustomize gives the namespace all the same. The API server drops it.
const CLUSTER_WIDE: &[&str] = &["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"];

/// The chart's objects with these values, and with the file of an overlay.
fn chart(helm: &Helm, overlay: Option<&str>, values: &Value) -> Result<Vec<Value>> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("values.yaml");
    fs::write(&file, values.to_string())?;
    let mut arguments: Vec<PathBuf> = Vec::new();
    if let Some(overlay) = overlay {
        let file = format!("{}/{overlay}-values.yaml", super::VALUES);
        arguments.extend(["--values".into(), project::file(&file)]);
    }
    arguments.extend(["--values".into(), file]);
    helm.render(&helm::chart(), arguments)
}

/// Compares installs: a name, a user's kustomization, and the chart's overlay and values.
fn compare(installs: &[(String, Value, Option<&str>, Value)]) -> Result<()> {
    let Some(helm) = Helm::find()? else {
        return Ok(());
    };
    let mut users = Vec::new();
    for (_, kustomization, ..) in installs {
        let mut kustomization = kustomization.clone();
        kustomization["namespace"] = json!(NAMESPACE);
        users.push(UserKustomization::new(&kustomization.to_string())?);
    }
    let directories: Vec<_> = users.iter().map(UserKustomization::path).collect();
    let directories: Vec<_> = directories.iter().map(PathBuf::as_path).collect();
    let rendered = render_all(&directories)?;
    for ((origin, _, overlay, values), objects) in installs.iter().zip(rendered) {
        let mut objects = objects.with_context(|| origin.clone())?;
        for object in &mut objects {
            if CLUSTER_WIDE.iter().any(|kind| object["kind"] == *kind) {
                object["metadata"]
                    .as_object_mut()
                    .context("metadata")?
                    .remove("namespace");
            }
        }
        let found = chart(&helm, *overlay, values).with_context(|| origin.clone())?;
        assert_equal(origin, &objects, &found)?;
    }
    Ok(())
}

fn overlay(
    name: &str,
    components: &[&str],
    more: Value,
    values: Value,
) -> (String, Value, Option<&'static str>, Value) {
    let components: Vec<_> = components.iter().map(|one| format!("../tekton/{one}")).collect();
    let mut kustomization = more;
    kustomization["resources"] = json!([format!("../tekton/overlays/{name}")]);
    kustomization["components"] = json!(components);
    let of_file = OVERLAYS.iter().find(|one| **one == name).copied();
    (format!("{name} {components:?}"), kustomization, of_file, values)
}

const OVERLAYS: &[&str] = &[
    "openshift",
    "openshift-cronjob",
    "kubernetes",
    "kubernetes-cronjob",
    "admission-policy",
];

#[test]
fn the_chart_has_the_objects_of_each_overlay() -> Result<()> {
    let installs: Vec<_> = OVERLAYS
        .iter()
        .map(|name| overlay(name, &[], json!({}), json!({})))
        .collect();
    compare(&installs)?;
    let files = project::files(super::VALUES)?;
    assert_eq!(files.len(), OVERLAYS.len(), "{files:?}");
    Ok(())
}

/// A value that one side alone has is found, on either side.
#[test]
fn a_change_on_one_side_is_named_with_its_path() -> Result<()> {
    if Helm::find()?.is_none() {
        return Ok(());
    }
    let names = json!({ "configMapGenerator": [
        { "name": "ensure-pull-secret", "behavior": "merge", "literals": ["robot=b", "description=c"] },
    ] });
    let values = json!({ "robot": "b", "description": "c" });
    let install = |kustomization: &Value, values: &Value| {
        let install = overlay(
            "kubernetes",
            &["components/names"],
            kustomization.clone(),
            values.clone(),
        );
        compare(&[install])
    };
    install(&names, &values)?;
    for (kustomization, values) in [(&names, &json!({ "robot": "b" })), (&json!({}), &values)] {
        let error = install(kustomization, values)
            .expect_err("they differ")
            .to_string();
        let place =
            "CronJob/ensure-pull-secret: .spec.jobTemplate.spec.template.spec.containers[0].env[7].value: ";
        assert!(error.contains(place), "{error}");
    }
    Ok(())
}

/// Platform, delivery, credential, first run and policy, in every combination of them.
#[test]
fn the_chart_has_the_objects_of_each_combination() -> Result<()> {
    let mut installs = Vec::new();
    for components in combinations() {
        let has = |name: &str| components.iter().any(|one| one.ends_with(name));
        if has("/argocd") {
            continue;
        }
        let values = json!({
            "credential": if has("/token-file") { "token-file" } else { "requested-token" },
            "openshift": { "enabled": has("/openshift") },
            "cronJob": { "enabled": has("/cronjob") },
            "tekton": { "enabled": has("task/ensure-pull-secret") },
            "firstRun": { "enabled": has("/first-run"), "hook": false },
            "admissionPolicy": { "enabled": has("/admission-policy") },
            "prometheusRule": { "enabled": has("/monitoring") },
        });
        let paths: Vec<_> = components.iter().map(|one| format!("../tekton/{one}")).collect();
        let kustomization = json!({ "resources": ["../tekton/base"], "components": paths });
        installs.push((components.join(" "), kustomization, None, values));
    }
    assert!(installs.len() > 15, "only {}", installs.len());
    compare(&installs)
}

/// `key=value` of names.yaml, as values of the chart.
fn values_of(literals: &[&str]) -> Value {
    let mut values = json!({});
    for literal in literals {
        let (key, value) = literal.split_once('=').expect("key=value");
        if key == "alertAfterSeconds" {
            continue;
        }
        let key = if key == "image" { "verifyImages" } else { key };
        values[key] = match key {
            "connection" | "maximumTokenSeconds" => serde_json::from_str(value).expect("JSON"),
            _ => json!(value),
        };
    }
    values
}

#[test]
fn a_users_values_reach_the_same_places_as_in_kustomize() -> Result<()> {
    let names = json!({ "configMapGenerator": [
        { "name": "ensure-pull-secret", "behavior": "merge", "literals": LITERALS },
    ] });
    let mut all = values_of(LITERALS);
    all["firstRun"] = json!({ "enabled": true, "hook": false });
    all["admissionPolicy"] = json!({ "enabled": true });
    all["prometheusRule"] = json!({ "enabled": true });
    let components = [
        "components/admission-policy",
        "components/first-run",
        "components/monitoring",
        "components/names",
    ];
    let mut installs: Vec<_> = ["openshift", "kubernetes"]
        .iter()
        .map(|name| overlay(name, &components, names.clone(), all.clone()))
        .collect();
    // The image by its digest.
    let image = crate::generate::chart::image_reference();
    let (image, _) = image.rsplit_once(':').context("a tag")?;
    let new = "registry.example.com:5000/tools/ensure-pull-secret";
    let images = json!({ "images": [{ "name": image, "newName": new, "digest": DIGEST }] });
    let values = json!({ "image": { "repository": new, "digest": DIGEST } });
    installs.push(overlay("openshift", &[], images, values));
    let images = json!({ "images": [{ "name": image, "newName": new, "newTag": "v1" }] });
    let values = json!({ "image": { "repository": new, "tag": "v1" } });
    installs.push(overlay("kubernetes", &[], images, values));
    // Variables that are no parameters, and what a cluster's administrator sets.
    let variables = [
        json!({ "name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128" }),
        json!({ "name": "PULL_SECRET_TRUSTED_HOSTS", "valueFrom": { "configMapKeyRef": { "name": "a", "key": "b" } } }),
    ];
    let add = |path: &str| {
        let operations = variables
            .iter()
            .map(|one| json!({ "op": "add", "path": path, "value": one }));
        json!(operations.collect::<Vec<_>>()).to_string()
    };
    let patches = json!({ "patches": [
        { "target": { "kind": "CronJob" }, "patch": add("/spec/jobTemplate/spec/template/spec/containers/0/env/-") },
        { "target": { "kind": "Task" }, "patch": add("/spec/steps/0/env/-") },
        { "target": { "kind": "StepAction" }, "patch": add("/spec/env/-") },
    ] });
    for name in ["openshift", "kubernetes"] {
        installs.push(overlay(name, &[], patches.clone(), json!({ "env": variables })));
    }
    let pod = "/spec/jobTemplate/spec/template";
    let patch = json!([
        { "op": "add", "path": format!("{pod}/spec/nodeSelector"), "value": { "kubernetes.io/arch": "amd64" } },
        { "op": "add", "path": format!("{pod}/spec/tolerations"), "value": [{ "operator": "Exists" }] },
        { "op": "add", "path": format!("{pod}/spec/affinity"), "value": { "podAffinity": {} } },
        { "op": "add", "path": format!("{pod}/metadata/annotations"), "value": { "a": "b" } },
        { "op": "add", "path": format!("{pod}/metadata/labels/c"), "value": "true" },
        { "op": "add", "path": format!("{pod}/spec/containers/0/imagePullPolicy"), "value": "Always" },
        { "op": "replace", "path": format!("{pod}/spec/containers/0/resources/limits/memory"), "value": "128Mi" },
        { "op": "add", "path": "/spec/suspend", "value": true },
        { "op": "replace", "path": "/spec/successfulJobsHistoryLimit", "value": 0 },
        { "op": "replace", "path": "/spec/failedJobsHistoryLimit", "value": 1 },
    ]);
    let account = json!([{ "op": "add", "path": "/imagePullSecrets", "value": [{ "name": "a" }] }]);
    let patches = json!({ "patches": [
        { "target": { "kind": "CronJob" }, "patch": patch.to_string() },
        { "target": { "kind": "ServiceAccount", "name": "ensure-pull-secret" }, "patch": account.to_string() },
    ] });
    let values = json!({
        "nodeSelector": { "kubernetes.io/arch": "amd64" }, "tolerations": [{ "operator": "Exists" }],
        "affinity": { "podAffinity": {} }, "podAnnotations": { "a": "b" }, "podLabels": { "c": "true" },
        "image": { "pullPolicy": "Always" }, "resources": { "limits": { "memory": "128Mi" } },
        "imagePullSecrets": [{ "name": "a" }],
        "cronJob": { "suspend": true, "successfulJobsHistoryLimit": 0, "failedJobsHistoryLimit": 1 },
    });
    installs.push(overlay("kubernetes-cronjob", &[], patches, values));
    compare(&installs)
}

/// As a hook, the first run differs from the component in these annotations only.
#[test]
fn the_first_run_is_a_hook_after_each_install_and_upgrade() -> Result<()> {
    let annotations = json!([{ "op": "add", "path": "/metadata/annotations", "value": {
        "helm.sh/hook": "post-install,post-upgrade", "helm.sh/hook-delete-policy": "before-hook-creation",
    } }]);
    let patches = json!({ "patches": [{ "target": { "kind": "Job" }, "patch": annotations.to_string() }] });
    let values = json!({ "firstRun": { "enabled": true } });
    compare(&[overlay(
        "openshift-cronjob",
        &["components/first-run", "components/names"],
        patches,
        values,
    )])
}

/// A parameter that the installer sets is its default; a run can change it.
#[test]
fn a_variable_with_a_parameter_is_the_tasks_default() -> Result<()> {
    let Some(helm) = Helm::find()? else {
        return Ok(());
    };
    let env = json!({ "env": [
        { "name": "PULL_SECRET_TIMEOUT", "value": "1m" }, { "name": "HOME", "value": "/a" }, { "name": "NAME", "value": "b" },
    ] });
    let objects = chart(&helm, Some("openshift"), &env)?;
    let (mut judged, mut cron_jobs) = (Vec::new(), 0);
    for object in &objects {
        let env = match object["kind"].as_str() {
            Some("Task") => &object["spec"]["steps"][0]["env"],
            Some("StepAction") => &object["spec"]["env"],
            Some("CronJob") => {
                cron_jobs += 1;
                continue;
            }
            _ => continue,
        };
        let of = |list: &Value, name: &str, member: &str| {
            let entries = list.as_array().into_iter().flatten();
            let entries = entries.filter(|one| one["name"] == name);
            entries.map(|one| one[member].clone()).collect::<Vec<_>>()
        };
        let params = &object["spec"]["params"];
        assert_eq!(of(params, "TIMEOUT", "default"), ["1m"]);
        assert_eq!(of(env, "PULL_SECRET_TIMEOUT", "value"), ["$(params.TIMEOUT)"]);
        assert_eq!(of(env, "HOME", "value"), ["/a"]);
        assert_eq!(of(env, "NAME", "value"), ["b"]);
        assert_eq!(of(params, "NAME", "default"), ["internal-registry"]);
        judged.push(object.clone());
    }
    assert_eq!((judged.len(), cron_jobs), (2, 1));
    let objections = tekton_validation::objections(&judged)?;
    assert!(objections.is_empty(), "{objections:?}");
    Ok(())
}

/// Messages of Helm for values that are wrong, or don't fit together.
#[test]
fn wrong_values_are_refused_with_their_name() -> Result<()> {
    let Some(helm) = Helm::find()? else {
        return Ok(());
    };
    let lifetime = |value: &str| json!([{ "name": "PULL_SECRET_TOKEN_LIFETIME", "value": value }]);
    for (values, part) in [
        (json!({ "secrte": "a" }), "secrte"),
        (json!({ "openshift": { "enable": true } }), "enable"),
        (json!({ "image": { "name": "a" } }), "name"),
        (json!({ "tekton": true }), "tekton"),
        (json!({ "connection": "true" }), "connection"),
        (json!({ "registry": ["a", "b"] }), "registry"),
        (json!({ "runner": "default" }), "runner"),
        (json!({ "runner": "a".repeat(53) }), "runner"),
        (json!({ "secret": "A_b" }), "secret"),
        (json!({ "secret": "a'" }), "secret"),
        (json!({ "audiences": "a' + 'b" }), "audiences"),
        (json!({ "maximumTokenSeconds": "86400" }), "maximumTokenSeconds"),
        (json!({ "nextRunWithin": "1h30m" }), "nextRunWithin"),
        (json!({ "credential": "robot" }), "credential"),
        (json!({ "image": { "repository": "a/b:v1" } }), "repository"),
        (json!({ "image": { "digest": "0123" } }), "digest"),
        (json!({ "env": { "A": "b" } }), "env"),
        (json!({ "env": [{ "name": "A", "vlaue": "b" }] }), "vlaue"),
        (json!({ "env": [{ "name": "A", "value": 1 }] }), "value"),
        (json!({ "podLabels": { "a": true } }), "podLabels"),
        // Refused by the templates.
        (
            json!({ "env": [{ "name": "PULL_SECRET_NAME", "value": "a" }] }),
            "set the value secret",
        ),
        (
            json!({ "env": [{ "name": "SSL_CERT_DIR", "value": "a" }] }),
            "SSL_CERT_DIR",
        ),
        (
            json!({ "env": [{ "name": "A", "value": "1" }, { "name": "A", "value": "2" }] }),
            "twice",
        ),
        (json!({ "schedule": "17 */6 * * *" }), "at least 745m"),
        (json!({ "schedule": "0 3 * * *" }), "at least 2905m"),
        (json!({ "schedule": "0 8-18/2 * * 1-5" }), "at least 1705m"),
        (json!({ "schedule": "0,30 0,12 * * *" }), "at least 1405m"),
        (json!({ "nextRunWithin": "504m" }), "at least 505m"),
        (json!({ "nextRunWithin": "24h" }), "PULL_SECRET_TOKEN_LIFETIME"),
        (json!({ "env": lifetime("9h") }), "PULL_SECRET_TOKEN_LIFETIME"),
        (
            json!({ "env": lifetime("48h"), "admissionPolicy": { "enabled": true } }),
            "maximumTokenSeconds",
        ),
        (json!({ "admissionPolicy": { "alone": true } }), "admissionPolicy"),
        (
            json!({ "prometheusRule": { "enabled": true }, "nextRunWithin": "none" }),
            "prometheusRule needs",
        ),
        (
            json!({ "prometheusRule": { "enabled": true }, "cronJob": { "enabled": false } }),
            "prometheusRule needs",
        ),
        // Without the default.
        (json!({ "secret": null }), "secret"),
        (json!({ "tekton": null }), "tekton"),
        (json!({ "image": { "repository": null } }), "repository"),
    ] {
        let error = chart(&helm, None, &values)
            .err()
            .map(|error| format!("{error:#}"));
        let error = error.with_context(|| format!("{values} is accepted"))?;
        assert!(error.contains(part), "{values}: {error}");
    }
    for values in [
        json!({ "schedule": "17 */6 * * *", "nextRunWithin": "745m" }),
        json!({ "schedule": "5 */2 * * *", "nextRunWithin": "265m" }),
        json!({ "schedule": "0,20,40 * * * *", "nextRunWithin": "65m" }),
        json!({ "schedule": "@hourly" }),
        json!({ "nextRunWithin": "" }),
        json!({ "nextRunWithin": "none" }),
        json!({ "nextRunWithin": "505m" }),
        json!({ "schedule": "0 3 * * *", "cronJob": { "enabled": false } }),
        json!({ "schedule": "0 3 * * *", "nextRunWithin": "3d", "env": lifetime("7d") }),
        json!({ "maximumTokenSeconds": 2_592_000, "admissionPolicy": { "enabled": true } }),
        json!({ "global": { "a": 1 } }),
        json!({ "podLabels": null, "env": null, "resources": null, "tolerations": null, "affinity": null }),
        json!({ "tekton": { "enabled": true }, "env": null, "resources": null }),
    ] {
        let objects = chart(&helm, None, &values).with_context(|| values.to_string())?;
        let text = json!(objects).to_string();
        assert!(!text.contains("e+06"), "{text}");
    }
    Ok(())
}

#[test]
fn values_in_the_documentation_are_accepted() -> Result<()> {
    let Some(helm) = Helm::find()? else {
        return Ok(());
    };
    let page = fs::read_to_string(project::file("docs/how-to/helm.md"))?;
    let blocks: Vec<_> = page.split("```yaml\n").skip(1).collect();
    assert!(blocks.len() > 3, "{page}");
    for block in blocks {
        let (block, _) = block.split_once("```").context("an end")?;
        for values in documents(block)? {
            chart(&helm, None, &values).with_context(|| block.to_owned())?;
        }
    }
    Ok(())
}

/// A typo is refused, so the schema has to have each value, and no other.
#[test]
fn the_schema_has_each_value_and_no_other() -> Result<()> {
    let read = |name: &str| {
        let path = helm::chart().join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        documents(&text)?.into_iter().next().context("one document")
    };
    let (values, schema) = (read("values.yaml")?, read("values.schema.json")?);
    let names = |value: &Value| {
        let members = value.as_object().into_iter().flatten();
        members.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    let mut expected = names(&values);
    // A parent chart's.
    expected.extend(["global", "enabled"].map(str::to_owned));
    let mut found = names(&schema["properties"]);
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    for (name, value) in values.as_object().context("values")? {
        let mut of = &schema["properties"][name];
        if let Some(pointer) = of["$ref"].as_str() {
            of = schema
                .pointer(pointer.trim_start_matches('#'))
                .context("a definition")?;
        }
        if of["additionalProperties"] == false && name != "resources" {
            let (mut found, mut expected) = (names(&of["properties"]), names(value));
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{name}");
        }
    }
    Ok(())
}

/// A parent chart passes `global`, and its condition `enabled`.
#[test]
fn the_chart_is_a_dependency_of_another() -> Result<()> {
    let Some(helm) = Helm::find()? else {
        return Ok(());
    };
    let parent = TempDir::new()?;
    let charts = parent.path().join("charts");
    fs::create_dir(&charts)?;
    package(project::root(), &charts, None, 0)?;
    let version = env!("CARGO_PKG_VERSION");
    fs::write(
        parent.path().join("Chart.yaml"),
        format!(
            "apiVersion: v2\nname: parent\nversion: 1.0.0\ndependencies:\n- name: ensure-pull-secret\n  version: {version}\n  \
             condition: ensure-pull-secret.enabled\n"
        ),
    )?;
    for (enabled, count) in [(true, 5), (false, 0)] {
        let values =
            json!({ "global": { "a": 1 }, "ensure-pull-secret": { "enabled": enabled, "secret": "b" } });
        fs::write(parent.path().join("values.yaml"), values.to_string())?;
        let objects = helm.render(parent.path(), [""; 0])?;
        assert_eq!(objects.len(), count, "{enabled}");
    }
    Ok(())
}

#[test]
fn the_same_chart_gives_the_same_package() -> Result<()> {
    if Helm::find()?.is_none() {
        return Ok(());
    }
    let (first, second) = (TempDir::new()?, TempDir::new()?);
    let packages = [(&first, None), (&second, None)]
        .map(|(directory, digest)| package(project::root(), directory.path(), digest, 1000));
    let [first, second] = packages;
    let (first, second) = (first?, second?);
    assert_eq!(first.file_name(), second.file_name());
    assert!(fs::read(&first)? == fs::read(&second)?, "the packages differ");
    Ok(())
}

/// Times of files are no content.
#[test]
fn a_package_has_no_times_of_files() -> Result<()> {
    let Some(helm) = Helm::find()? else {
        return Ok(());
    };
    let (chart, out) = (TempDir::new()?, TempDir::new()?);
    let file = chart.path().join("Chart.yaml");
    fs::write(&file, "apiVersion: v2\nname: a\nversion: 1.0.0\n")?;
    let mut packages = Vec::new();
    for days in [1, 1000] {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400);
        fs::File::options().write(true).open(&file)?.set_modified(time)?;
        packages.push(fs::read(helm.package(chart.path(), out.path(), 0)?)?);
    }
    assert!(packages[0] == packages[1], "the packages differ");
    Ok(())
}

/// The package's default image is the release's; a tag of the user's is never joined with that digest.
#[test]
fn the_release_digest_is_the_default_for_the_charts_own_tag() -> Result<()> {
    let Some(helm) = Helm::find()? else {
        return Ok(());
    };
    let out = TempDir::new()?;
    let chart = package(project::root(), out.path(), Some(DIGEST), 0)?;
    let other = DIGEST.replace("01", "ff");
    let image = crate::generate::chart::image_reference();
    let (name, _) = image.rsplit_once(':').context("a tag")?;
    for (set, expected) in [
        ("tekton.enabled=true".to_owned(), format!("{image}@{DIGEST}")),
        ("image.tag=v2".to_owned(), format!("{name}:v2")),
        (format!("image.digest={other}"), format!("{name}@{other}")),
        (
            format!("image.tag=v2,image.digest={other}"),
            format!("{name}:v2@{other}"),
        ),
    ] {
        let objects = helm.render(&chart, ["--set", &set])?;
        let mut images: Vec<_> = objects
            .iter()
            .filter_map(|object| {
                let pointers = [
                    "/spec/jobTemplate/spec/template/spec/containers/0/image",
                    "/spec/steps/0/image",
                    "/spec/image",
                ];
                pointers
                    .iter()
                    .find_map(|pointer| object.pointer(pointer)?.as_str())
            })
            .collect();
        images.dedup();
        assert_eq!(images, [expected], "{set}");
    }
    let metadata = helm.run(["show", "chart", &chart.to_string_lossy()])?;
    assert!(
        metadata.contains(&format!("image: {image}@{DIGEST}")),
        "{metadata}"
    );
    Ok(())
}

/// What to type next is short, and names the install's own objects.
#[test]
fn the_notes_name_what_to_type_next() -> Result<()> {
    let Some(helm) = Helm::find()? else {
        return Ok(());
    };
    let chart = helm::chart();
    let notes = |set: &str| {
        let chart = chart.to_string_lossy();
        let arguments = [
            "install",
            "eps",
            &*chart,
            "--namespace",
            NAMESPACE,
            "--dry-run=client",
            "--set",
            set,
        ];
        let text = helm.run(arguments)?;
        let (_, notes) = text.split_once("NOTES:\n").context("there are notes")?;
        anyhow::Ok(notes.to_owned())
    };
    let of_all = notes("runner=a")?;
    assert!(of_all.lines().count() < 20, "{of_all}");
    for part in [
        "--from=cronjob/a a-first",
        "job/a-first --tail=1",
        "internal-registry",
    ] {
        assert!(of_all.contains(part), "{of_all}");
    }
    assert!(!of_all.contains("create secret"));
    assert!(notes("credential=token-file,username=u,robot=r")?.contains("create secret generic r "));
    assert!(!notes("firstRun.enabled=true")?.contains("create job"));
    assert!(!notes("admissionPolicy.enabled=true,admissionPolicy.alone=true")?.contains("job"));
    Ok(())
}
