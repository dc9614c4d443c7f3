//! What belongs into an install, and what people create one by one.

use super::super::{
    collect::{Form, Manifests},
    object::{label, text},
};

/// A Secret from Git would empty a usable credential each time it is applied again; a run is not part of an install, and
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
                    .reports(&format!("{kind}/a"));
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
        anew.and(run(json!({ "name": "a" }))).reports("TaskRun/a");
    }
}
