//! Fields of a user's kustomization that change names of objects: prefix, suffix and generators. Each reference follows.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use test_cluster::{kustomize::UserKustomization, manifest::documents};

use super::{
    collect::{Form, Manifests},
    object::{containers, of_kind, text, values},
    rules::{judge, rights},
};
use crate::project;

const OVERLAYS: [&str; 4] = [
    "openshift",
    "openshift-cronjob",
    "kubernetes",
    "kubernetes-cronjob",
];

/// An overlay with a first run, and with `fields` in the user's kustomization.
fn install(overlay: &str, fields: &Value) -> Result<Vec<Value>> {
    let mut kustomization = json!({
        "namespace": "my-models",
        "resources": [format!("../tekton/overlays/{overlay}")],
        "components": ["../tekton/components/first-run", "../tekton/components/names"],
    });
    for (field, value) in fields.as_object().into_iter().flatten() {
        kustomization[field] = value.clone();
    }
    UserKustomization::new(&kustomization.to_string())?.render()
}

/// References to ServiceAccounts, ConfigMaps and Secrets that the install has under another name.
fn lost_references(objects: &[Value]) -> Vec<String> {
    let has = |kind: &str, name: &str| of_kind(objects, kind).any(|one| one["metadata"]["name"] == name);
    let mut lost = Vec::new();
    for object in objects {
        let accounts = containers(object)
            .into_iter()
            .filter_map(|container| container.variable("PULL_SECRET_SERVICE_ACCOUNT"));
        let volumes = values(object).into_iter().flat_map(|(_, value)| {
            [
                ("ConfigMap", text(&value["configMap"], "name")),
                ("Secret", text(&value["secret"], "secretName")),
            ]
        });
        let references = accounts.map(|name| ("ServiceAccount", name)).chain(volumes);
        let mut references: Vec<_> = references.filter(|(_, name)| !name.is_empty()).collect();
        // Without such an object in the install, the user creates it beside the install.
        references.retain(|(kind, name)| of_kind(objects, kind).next().is_some() && !has(kind, name));
        lost.extend(
            references
                .iter()
                .map(|(kind, name)| format!("{}: there is no {kind} {name}", text(object, "kind"))),
        );
    }
    lost
}

/// The images of an object's containers and steps.
fn images(object: &Value) -> Vec<&str> {
    let containers = containers(object).into_iter();
    containers
        .map(|container| text(container.fields, "image"))
        .collect()
}

#[test]
fn t5_a_prefix_or_suffix_reaches_every_reference() -> Result<()> {
    let names =
        json!([{ "name": "ensure-pull-secret", "behavior": "merge", "literals": ["runner=r", "puller=p"] }]);
    for overlay in OVERLAYS {
        for (field, value) in [("namePrefix", "team-"), ("nameSuffix", "-two")] {
            for mut fields in [json!({}), json!({ "configMapGenerator": names })] {
                fields[field] = json!(value);
                let objects = install(overlay, &fields)?;
                let origin = format!("{overlay} {fields}");
                for object in &objects {
                    let name = text(&object["metadata"], "name");
                    assert!(
                        name.starts_with("team-") || name.ends_with("-two"),
                        "{origin}: {name}"
                    );
                }
                assert_eq!(lost_references(&objects), [""; 0], "{origin}");
                let manifests = Manifests {
                    origin: origin.clone(),
                    form: Form::Installed,
                    objects,
                };
                for rule in [rights::the_role_is_the_contracts, rights::references_exist] {
                    assert_eq!(judge(rule, &manifests), [""; 0], "{origin}");
                }
            }
        }
    }
    Ok(())
}

/// kustomize adds a hash to the name of a generated Secret.
#[test]
fn t5_a_generated_robot_secret_reaches_cronjob_job_and_task() -> Result<()> {
    for (robot, names) in [
        ("robot-account", json!([])),
        ("quay-robot", json!(["robot=quay-robot"])),
    ] {
        let objects = install(
            "kubernetes",
            &json!({
                "secretGenerator": [{ "name": robot, "literals": ["token=example"] }],
                "configMapGenerator": [{ "name": "ensure-pull-secret", "behavior": "merge", "literals": names }],
            }),
        )?;
        let secret = of_kind(&objects, "Secret").next().context("a Secret")?;
        let name = text(&secret["metadata"], "name");
        assert!(name.len() > robot.len(), "{name} has no hash");
        let uses = |kind| of_kind(&objects, kind).any(|object| object.to_string().contains(name));
        for kind in ["CronJob", "Job", "Task"] {
            assert!(uses(kind), "{kind} doesn't use {name}");
        }
        assert_eq!(lost_references(&objects), [""; 0]);
    }
    Ok(())
}

/// Without `newName`, the digest replaces the tag of the name in the manifests.
#[test]
fn t5_a_digest_alone_changes_every_image() -> Result<()> {
    let shipped = install("kubernetes", &json!({}))?;
    let image = shipped.iter().flat_map(images).next().context("an image")?;
    let (name, _) = image.rsplit_once(':').context("a tag")?;
    let digest = format!("sha256:{}", "1".repeat(64));
    let objects = install(
        "openshift",
        &json!({ "images": [{ "name": name, "digest": digest }] }),
    )?;
    let images: Vec<_> = objects.iter().flat_map(images).collect();
    assert_eq!(images, vec![format!("{name}@{digest}"); 4]);
    Ok(())
}

/// kustomize ignores a patch whose target it doesn't find.
#[test]
fn t5_the_patches_of_the_guides_reach_a_renamed_cronjob() -> Result<()> {
    let names = json!([{ "name": "ensure-pull-secret", "behavior": "merge", "literals": ["runner=r"] }]);
    for (page, variable) in [
        ("docs/how-to/README.md", "PULL_SECRET_TIMEOUT"),
        ("docs/how-to/proxy-and-ca.md", "HTTPS_PROXY"),
    ] {
        let text = std::fs::read_to_string(project::file(page)).context(page)?;
        let (_, block) = text.split_once("```yaml\npatches:\n").context("a patch")?;
        let (block, _) = block.split_once("```").context("its end")?;
        let patch = documents(&format!("patches:\n{block}"))?.remove(0);
        let fields = json!({ "configMapGenerator": names, "patches": patch["patches"] });
        let objects = install("openshift", &fields)?;
        let cron_job = of_kind(&objects, "CronJob").next().context("a CronJob")?;
        let containers = containers(cron_job);
        let [container] = &containers[..] else {
            anyhow::bail!("the CronJob has {} containers", containers.len());
        };
        assert!(container.variable(variable).is_some(), "{page}: {variable}");
    }
    Ok(())
}
