//! Metadata that Artifact Hub reads of the Task, the StepAction and the chart. It drops a version whose metadata is wrong.
//!
//! Sources: internal/tracker/source/tekton/tekton.go and docs/helm_annotations.md of artifacthub/hub; its own linter can't
//! be installed as a Go module.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use container_image::project::{REPOSITORY, VERSION};
use serde_json::Value;
use test_cluster::manifest::documents;

use crate::{chart::CHART, project};

/// Repositories of Artifact Hub: the directory, and its package.
const TEKTON: &[&str] = &["tekton/task", "tekton/stepaction"];
const PACKAGE: &str = "ensure-pull-secret";
/// Kinds of changes.
const KINDS: &[&str] = &["added", "changed", "deprecated", "removed", "fixed", "security"];

/// Checks the packages.
///
/// # Errors
/// Where Artifact Hub would refuse a package, or show it incomplete.
pub fn check() -> Result<()> {
    let mut problems = Vec::new();
    for directory in TEKTON {
        let files = project::files(directory)?;
        let manifest = one(&format!("{directory}/{PACKAGE}/{PACKAGE}.yaml"))?;
        problems.extend(of_tekton(directory, &files, &manifest));
        one(&format!("{directory}/artifacthub-repo.yml"))?;
    }
    problems.extend(of_chart(&one(&format!("{CHART}/Chart.yaml"))?));
    ensure!(problems.is_empty(), "Artifact Hub:\n{}", problems.join("\n"));
    Ok(())
}

fn one(name: &str) -> Result<Value> {
    let text = fs::read_to_string(project::file(name)).with_context(|| format!("cannot read {name}"))?;
    let document = documents(&text).with_context(|| format!("cannot read {name}"))?;
    document
        .into_iter()
        .next()
        .with_context(|| format!("{name} is empty"))
}

fn of_tekton(directory: &str, files: &[String], manifest: &Value) -> Vec<String> {
    let base = format!("{directory}/{PACKAGE}");
    let metadata = &manifest["metadata"];
    let annotations = &metadata["annotations"];
    let has = |name: &str| annotations[name].as_str().is_some_and(|text| !text.is_empty());
    let samples = format!("{base}/samples/");
    let mut problems = violations(&[
        (metadata["name"] == PACKAGE, "the name is the directory's"),
        (
            metadata["labels"]["app.kubernetes.io/version"] == VERSION,
            "the version is the program's",
        ),
        (
            manifest["spec"]["description"].is_string(),
            "it has a description",
        ),
        (files.contains(&format!("{base}/README.md")), "it has a README.md"),
        (
            files
                .iter()
                .any(|file| file.starts_with(&samples) && file.ends_with(".yaml")),
            "it has samples",
        ),
        (has("tekton.dev/displayName"), "it has tekton.dev/displayName"),
        (has("tekton.dev/tags"), "it has tekton.dev/tags"),
        (has("tekton.dev/platforms"), "it has tekton.dev/platforms"),
        (
            has("tekton.dev/pipelines.minVersion"),
            "it has tekton.dev/pipelines.minVersion",
        ),
    ]);
    problems.extend(of_annotations(annotations));
    in_place(directory, problems)
}

fn of_chart(chart: &Value) -> Vec<String> {
    let annotations = &chart["annotations"];
    let entries = |name: &str| list(&annotations[format!("artifacthub.io/{name}")]);
    let (images, changes) = (entries("images"), entries("changes"));
    let is_change = |change: &Value| {
        let is_known = KINDS.iter().any(|kind| change["kind"] == *kind);
        is_known
            && change["description"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
    };
    let tag = format!(":{VERSION}");
    let is_image = |image: &Value| image["image"].as_str().is_some_and(|image| image.ends_with(&tag));
    let mut problems = violations(&[
        (chart["version"] == VERSION, "the version is the program's"),
        (chart["appVersion"] == VERSION, "appVersion is the program's"),
        (
            images
                .as_deref()
                .is_some_and(|all| all.len() == 1 && all.iter().all(is_image)),
            "artifacthub.io/images has the image with the program's version",
        ),
        (
            changes
                .as_deref()
                .is_some_and(|all| !all.is_empty() && all.iter().all(is_change)),
            "artifacthub.io/changes has entries with a known kind and a description",
        ),
        (
            annotations
                .as_object()
                .is_some_and(|all| all.values().all(Value::is_string)),
            "each annotation is a string",
        ),
    ]);
    problems.extend(of_annotations(annotations));
    in_place(CHART, problems)
}

/// Annotations of both kinds.
fn of_annotations(annotations: &Value) -> Vec<String> {
    let links = list(&annotations["artifacthub.io/links"]);
    let is_link = |link: &Value| {
        let own = link["url"]
            .as_str()
            .is_some_and(|url| url.starts_with(REPOSITORY));
        own && link["name"].is_string()
    };
    violations(&[
        (
            annotations["artifacthub.io/category"] == "security",
            "artifacthub.io/category is security",
        ),
        (
            annotations["artifacthub.io/license"] == env!("CARGO_PKG_LICENSE"),
            "artifacthub.io/license is the project's",
        ),
        (
            links.is_some_and(|all| !all.is_empty() && all.iter().all(is_link)),
            "artifacthub.io/links has names and URLs of the project",
        ),
    ])
}

/// The list in an annotation's text.
fn list(annotation: &Value) -> Option<Vec<Value>> {
    let document = documents(annotation.as_str()?).ok()?.into_iter().next()?;
    document.as_array().cloned()
}

/// Requirements that aren't met.
fn violations(requirements: &[(bool, &str)]) -> Vec<String> {
    let unmet = requirements.iter().filter(|(is_met, _)| !is_met);
    unmet
        .map(|(_, requirement)| format!("not true: {requirement}"))
        .collect()
}

fn in_place(place: &str, problems: Vec<String>) -> Vec<String> {
    let problems = problems.into_iter();
    problems.map(|problem| format!("{place}: {problem}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_for_artifact_hub_is_complete() -> Result<()> {
        check()
    }

    /// A value at a pointer, or nothing there.
    fn changed(document: &Value, pointer: &str, value: Value) -> Value {
        let mut document = document.clone();
        *document.pointer_mut(pointer).expect("a place") = value;
        document
    }

    #[test]
    fn a_tekton_package_that_would_be_dropped_is_found() -> Result<()> {
        let directory = TEKTON[0];
        let files = project::files(directory)?;
        let manifest = one(&format!("{directory}/{PACKAGE}/{PACKAGE}.yaml"))?;
        assert_eq!(of_tekton(directory, &files, &manifest), [""; 0]);
        let annotation = |name: &str| format!("/metadata/annotations/{}", name.replace('/', "~1"));
        for (pointer, value) in [
            ("/metadata/name".to_owned(), json!("another")),
            (
                "/metadata/labels/app.kubernetes.io~1version".to_owned(),
                json!("9.9.9"),
            ),
            ("/spec/description".to_owned(), Value::Null),
            (annotation("tekton.dev/tags"), json!("")),
            (annotation("artifacthub.io/category"), json!("other")),
            (annotation("artifacthub.io/license"), json!("MIT")),
            (annotation("artifacthub.io/links"), json!("- a\n- b\n")),
            (
                annotation("artifacthub.io/links"),
                json!("- name: support\n  url: https://example.com\n"),
            ),
            (annotation("artifacthub.io/links"), json!("a: [")),
        ] {
            let found = of_tekton(directory, &files, &changed(&manifest, &pointer, value.clone()));
            assert_eq!(found.len(), 1, "{pointer} {value}: {found:?}");
        }
        for missing in ["README.md", "samples/taskrun.yaml"] {
            let mut files = files.clone();
            files.retain(|file| !file.ends_with(missing));
            assert_eq!(of_tekton(directory, &files, &manifest).len(), 1, "{missing}");
        }
        Ok(())
    }

    #[test]
    fn a_chart_that_would_be_shown_incomplete_is_found() -> Result<()> {
        let chart = one(&format!("{CHART}/Chart.yaml"))?;
        assert_eq!(of_chart(&chart), [""; 0]);
        let annotation = |name: &str| format!("/annotations/artifacthub.io~1{name}");
        for (pointer, value) in [
            ("/version".to_owned(), json!("9.9.9")),
            ("/appVersion".to_owned(), json!("9.9.9")),
            (annotation("changes"), json!("")),
            (annotation("changes"), json!("- kind: new\n  description: a\n")),
            (annotation("changes"), json!("- kind: added\n")),
            (annotation("images"), json!("- name: a\n  image: b:latest\n")),
            (annotation("prerelease"), json!(false)),
        ] {
            let found = of_chart(&changed(&chart, &pointer, value.clone()));
            assert_eq!(found.len(), 1, "{pointer} {value}: {found:?}");
        }
        Ok(())
    }
}
