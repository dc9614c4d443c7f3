//! The manifests to judge: samples, rendered installs, and what documents show.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use test_cluster::{
    kustomize::{self, UserKustomization},
    manifest::documents,
};

use crate::project;

/// The name and the digest that a user's kustomization sets.
const INSTALLED_IMAGE: &str = "registry.example.com/tools/ensure-pull-secret";
const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// The component that copies names to where they are used: the last of every list.
const NAMES: &str = "components/names";
/// The component that the policy's own overlay has too.
const POLICY: &str = "components/admission-policy";
/// Components of which an install has one list each, in this order.
const PLATFORMS: &[&[&str]] = &[&[], &["components/openshift", POLICY]];
const CREDENTIALS: &[&str] = &["components/requested-token", "components/token-file"];
const CRON_JOB: &str = "components/cronjob";
const MONITORING: &str = "components/monitoring";
const TASK: &str = "task/ensure-pull-secret";
/// Not with a token file, which it can't mount.
const STEP_ACTION: &str = "stepaction/ensure-pull-secret";
const DELIVERIES: &[&[&str]] = &[&[CRON_JOB], &[CRON_JOB, TASK, STEP_ACTION], &[TASK, STEP_ACTION]];
/// What is added to a CronJob.
const ADDITIONS: &[&[&str]] = &[
    &[],
    &["components/first-run", MONITORING],
    &["components/first-run", "components/argocd"],
    &[MONITORING],
];
/// Directories of files that belong to no install: people create their objects one by one.
const CREATED_BY_HAND: &[&str] = &["tekton/samples/", "tekton/build/"];

/// Source of objects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// A block of YAML in a document: an object, a kustomization's objects, or a part of an object.
    Document,
    /// A file for `kubectl create`.
    Sample,
    /// The objects of a user's kustomization that sets namespace and image.
    Installed,
}

/// Objects that belong together.
#[derive(Clone, Debug)]
pub struct Manifests {
    /// Their file or kustomization, for messages.
    pub origin: String,
    /// The form that decides which rules apply.
    pub form: Form,
    /// In the order of their file, or of `kustomize build`.
    pub objects: Vec<Value>,
}

/// A file.
#[derive(Clone, Debug)]
pub struct Text {
    /// Its path from the top of the clone.
    pub path: String,
    /// All of it.
    pub text: String,
}

/// Every file below `tekton/`, samples and documents included.
///
/// # Errors
/// Where one can't be read.
pub fn texts() -> Result<Vec<Text>> {
    project::files("tekton")?.iter().map(|path| read(path)).collect()
}

/// The documents for people: those at the top of the clone, and below `docs/` and `tekton/`.
///
/// # Errors
/// Where one can't be read.
pub fn pages() -> Result<Vec<Text>> {
    let mut paths = project::files("docs")?;
    paths.extend(project::files("tekton")?);
    paths.extend(["README.md", "SECURITY.md"].map(str::to_owned));
    paths.retain(|path| path.ends_with(".md"));
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &str) -> Result<Text> {
    let text = fs::read_to_string(project::file(path)).with_context(|| format!("cannot read {path}"))?;
    let path = path.to_owned();
    Ok(Text { path, text })
}

/// Every block of YAML of a page: fenced as such, or the input of a command between `<<'END'` and `END`.
fn blocks(page: &str) -> impl Iterator<Item = &str> {
    let between = |begin: &'static str, end: &'static str| {
        let rests = page.split(begin).skip(1);
        rests.filter_map(move |rest| rest.split_once(end).map(|(block, _)| block))
    };
    between("```yaml\n", "```").chain(between("<<'END'\n", "\nEND\n"))
}

/// Whether a document of a block is a kustomization, or a part to add to one.
fn is_kustomization(document: &Value) -> bool {
    let members = [
        "resources",
        "components",
        "patches",
        "configMapGenerator",
        "images",
    ];
    let has_one = || members.iter().any(|member| document.get(*member).is_some());
    document["kind"] == "Kustomization" || document.get("kind").is_none() && has_one()
}

/// A kustomization that a page shows, completed with what the page leaves out.
fn shown_kustomization(mut document: Value) -> Result<UserKustomization> {
    let fields = document.as_object_mut().context("a kustomization is an object")?;
    fields
        .entry("resources")
        .or_insert(json!(["../tekton/overlays/openshift"]));
    fields.entry("namespace").or_insert(json!("my-models"));
    UserKustomization::new(&document.to_string())
}

/// The samples, everything as users install it, and what documents show.
///
/// # Errors
/// Where a file is no YAML, or kustomize refuses a kustomization.
pub fn manifests() -> Result<Vec<Manifests>> {
    let mut found = Vec::new();
    for Text { path, text } in texts()? {
        if path.ends_with(".yaml")
            && CREATED_BY_HAND
                .iter()
                .any(|directory| path.starts_with(directory))
        {
            found.push(Manifests {
                objects: documents(&text).with_context(|| format!("cannot read {path}"))?,
                origin: path,
                form: Form::Sample,
            });
        }
    }
    let mut users = installed()?;
    for Text { path, text } in pages()? {
        for block in blocks(&text) {
            for document in documents(block).with_context(|| format!("cannot read in {path}:\n{block}"))? {
                if is_kustomization(&document) {
                    users.push((path.clone(), Form::Document, shown_kustomization(document)?));
                } else {
                    found.push(Manifests {
                        origin: path.clone(),
                        form: Form::Document,
                        objects: vec![document],
                    });
                }
            }
        }
    }
    let directories: Vec<_> = users.iter().map(|(.., user)| user.path()).collect();
    let directories: Vec<&Path> = directories.iter().map(|path| path.as_path()).collect();
    let rendered = kustomize::render_all(&directories)?;
    for ((origin, form, _), objects) in users.iter().zip(rendered) {
        found.push(Manifests {
            objects: objects.with_context(|| format!("a kustomization of {origin}"))?,
            origin: origin.clone(),
            form: *form,
        });
    }
    Ok(found)
}

/// Every kustomization as a user's resource, and every combination of components.
fn installed() -> Result<Vec<(String, Form, UserKustomization)>> {
    let (kustomizations, _) = kustomize::directories()?;
    let alone = kustomizations.into_iter().map(|name| {
        let text = users_kustomization(&name, &[]);
        (name, text)
    });
    let combined = combinations().into_iter().map(|components| {
        let text = users_kustomization("tekton/base", &components);
        (components.join(" "), text)
    });
    alone
        .chain(combined)
        .map(|(name, text)| {
            Ok((
                format!("{name}, installed"),
                Form::Installed,
                UserKustomization::new(&text)?,
            ))
        })
        .collect()
}

/// Platform, delivery, credential and additions, in the order of tekton/base.
pub fn combinations() -> Vec<Vec<&'static str>> {
    let mut combinations = Vec::new();
    for platform in PLATFORMS {
        for credential in CREDENTIALS {
            for delivery in DELIVERIES {
                for additions in ADDITIONS {
                    if !additions.is_empty() && !delivery.contains(&CRON_JOB) {
                        continue;
                    }
                    let mut delivery = delivery.to_vec();
                    delivery.retain(|one| *one != STEP_ACTION || *credential == CREDENTIALS[0]);
                    combinations
                        .push([platform, &delivery[..], &[*credential], additions, &[NAMES]].concat());
                }
            }
        }
    }
    combinations
}

/// A user's kustomization: resource, components, namespace and image.
fn users_kustomization(resource: &str, components: &[&str]) -> String {
    let components: Vec<_> = components.iter().map(|one| format!("../tekton/{one}")).collect();
    json!({
        "namespace": "my-models",
        "resources": [format!("../{resource}")],
        "components": components,
        "images": kustomize::images(INSTALLED_IMAGE, DIGEST),
    })
    .to_string()
}

/// The image of every container of an install.
pub fn installed_image() -> String {
    format!("{INSTALLED_IMAGE}@{DIGEST}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_kustomization_and_component_is_collected_and_has_objects() -> Result<()> {
        let all = super::super::fixtures::all();
        for (form, origin) in [
            (Form::Sample, "tekton/samples/taskrun.yaml"),
            (Form::Sample, "tekton/samples/pipeline/pipeline.yaml"),
            (Form::Installed, "tekton/overlays/openshift, installed"),
        ] {
            let one = all.iter().find(|one| one.form == form && one.origin == origin);
            let one = one.with_context(|| format!("{origin} is not collected as {form:?}"))?;
            assert!(!one.objects.is_empty(), "{origin} has no objects");
        }
        let (kustomizations, mut components) = kustomize::directories()?;
        let combinations = combinations();
        let installed = all.iter().filter(|one| one.form == Form::Installed);
        assert_eq!(installed.count(), kustomizations.len() + combinations.len());
        let combined = combinations.concat();
        components.retain(|name| !combined.iter().any(|one| *name == format!("tekton/{one}")));
        assert_eq!(components, [""; 0], "components in no combination");
        Ok(())
    }
}
