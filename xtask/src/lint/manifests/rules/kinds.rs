//! What belongs into an install, and what people create one by one.

use super::super::{
    collect::{Form, Manifests, Text, is_yaml},
    object::{label, text},
};

/// A Secret from Git would blank a live credential each time it is applied again; a run belongs to nobody's install, and
/// has a name of its own each time.
const NEVER_INSTALLED: &[&str] = &["Secret", "TaskRun", "PipelineRun", "Pod"];

/// No install has one of them.
pub fn nothing_is_installed_that_runs_or_is_a_secret(manifests: &Manifests) -> Vec<String> {
    let installed = manifests
        .objects
        .iter()
        .filter(|_| manifests.form != Form::Sample);
    installed
        .filter(|object| NEVER_INSTALLED.contains(&text(object, "kind")))
        .map(|object| format!("{}: it must not be in an install", label(object)))
        .collect()
}

/// A run in a sample has a new name each time, so that `kubectl create -f` works twice.
pub fn sample_runs_are_created_anew(manifests: &Manifests) -> Vec<String> {
    let runs = manifests
        .objects
        .iter()
        .filter(|object| matches!(text(object, "kind"), "TaskRun" | "PipelineRun"));
    runs.filter(|run| text(&run["metadata"], "generateName").is_empty())
        .map(|run| format!("{}: it has a name instead of generateName", label(run)))
        .collect()
}

/// The samples are in no kustomization, neither as one of their own nor as another's resource.
pub fn samples_are_in_no_kustomization(texts: &[Text]) -> Vec<String> {
    let mut problems = Vec::new();
    for Text { path, text } in texts.iter().filter(|text| is_yaml(&text.path)) {
        if !path.ends_with("/kustomization.yaml") {
            continue;
        }
        if path.starts_with("tekton/samples/") {
            problems.push(format!("{path}: samples are created one by one"));
        }
        let uncommented = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        if uncommented.into_iter().any(|line| line.contains("samples/")) {
            problems.push(format!("{path}: it takes a sample in"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::fixtures::{Broken, task};
    use super::*;

    #[test]
    fn a_secret_or_a_run_in_an_install_is_found_and_in_a_sample_it_is_not() {
        for kind in NEVER_INSTALLED {
            let object = json!({ "kind": kind, "metadata": { "name": "a" } });
            let rule = nothing_is_installed_that_runs_or_is_a_secret;
            for form in [Form::Installed, Form::Shipped] {
                Broken::among(rule, form, vec![task()])
                    .and(object.clone())
                    .says(&format!("{kind}/a"));
            }
            Broken::among(rule, Form::Sample, vec![task()])
                .and(object)
                .says_nothing();
        }
    }

    #[test]
    fn a_run_that_can_be_created_once_is_found() {
        let run = |metadata| json!({ "kind": "TaskRun", "metadata": metadata });
        let anew = Broken::among(
            sample_runs_are_created_anew,
            Form::Sample,
            vec![run(json!({ "generateName": "a-" }))],
        );
        anew.says_nothing();
        anew.and(run(json!({ "name": "a" }))).says("TaskRun/a");
    }

    #[test]
    fn a_sample_in_a_kustomization_is_found() {
        let text = |path: &str, text: &str| Text {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let said = |path: &str, content: &str| samples_are_in_no_kustomization(&[text(path, content)]).len();
        assert_eq!(
            said(
                "tekton/base/kustomization.yaml",
                "# samples/a.yaml\nresources: [b.yaml]\n"
            ),
            0
        );
        assert_eq!(
            said(
                "tekton/base/kustomization.yaml",
                "resources: [../samples/a.yaml]\n"
            ),
            1
        );
        assert_eq!(
            said("tekton/samples/kustomization.yaml", "resources: [a.yaml]\n"),
            1
        );
        assert_eq!(said("tekton/samples/a.yaml", "see samples/b.yaml\n"), 0);
    }
}
