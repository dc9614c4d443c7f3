//! The results that our Task and StepAction declare.

use ensure_pull_secret::outcome::ResultName;
use serde_json::Value;

use super::super::{
    collect::Manifests,
    object::{OURS, containers, label, list, text},
};

/// How the names of results end that Tekton Chains reads as an image that the task has built (Chains,
/// docs/slsa-provenance.md, "Type hinting"): we verify images, and must not sign for them.
const BUILT: &[&str] = &[
    "IMAGE_URL",
    "IMAGE_DIGEST",
    "ARTIFACT_URI",
    "ARTIFACT_DIGEST",
    "ARTIFACT_OUTPUTS",
];

/// The contract's results, all of them and no other, each a string, and each one's path where the program looks for it.
pub fn results_are_the_contracts(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for object in &manifests.objects {
        let results = match text(object, "kind") {
            "Task" => "results",
            "StepAction" => "step.results",
            _ => continue,
        };
        if object["metadata"]["name"] != OURS {
            continue;
        }
        let declared = list(&object["spec"], "results");
        let names: Vec<&str> = declared.iter().map(|result| text(result, "name")).collect();
        let expected: Vec<&str> = ResultName::ALL.iter().map(|result| result.as_str()).collect();
        if names != expected {
            problems.push(format!(
                "{}: the results are {names:?} instead of {expected:?}",
                label(object)
            ));
        }
        problems.extend(declared.iter().flat_map(|result| declaration(object, result)));
        for container in containers(object) {
            for name in &expected {
                let path = format!("$({results}.{name}.path)");
                if container.variable(&format!("RESULTS_{name}_PATH")) != Some(&path) {
                    problems.push(format!("{}: RESULTS_{name}_PATH is not {path}", label(object)));
                }
            }
        }
    }
    problems
}

fn declaration(object: &Value, result: &Value) -> Vec<String> {
    let name = text(result, "name");
    let mut problems = Vec::new();
    // Tekton parses what is declared otherwise, and a number in TEST_OUTPUT would break the whole of it.
    if result["type"] != "string" {
        problems.push(format!(
            "{}: result {name} is not declared a string",
            label(object)
        ));
    }
    if text(result, "description").is_empty() {
        problems.push(format!("{}: result {name} has no description", label(object)));
    }
    if name == "IMAGES" || BUILT.iter().any(|suffix| name.ends_with(suffix)) {
        problems.push(format!(
            "{}: Chains would take result {name} for an image that was built",
            label(object)
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::fixtures::{Broken, task};
    use super::*;

    #[test]
    fn a_result_that_is_missing_or_no_string_or_undescribed_is_found() {
        let rule = results_are_the_contracts;
        Broken::new(rule, task())
            .without("/spec/results/3")
            .says("the results are");
        Broken::new(rule, task())
            .with("/spec/results/6/type", json!("object"))
            .says("TEST_OUTPUT is not declared a string");
        Broken::new(rule, task())
            .without("/spec/results/6/type")
            .says("TEST_OUTPUT is not declared a string");
        Broken::new(rule, task())
            .without("/spec/results/0/description")
            .says("STATUS has no description");
    }

    #[test]
    fn a_result_that_chains_would_sign_for_is_found() {
        for name in [
            "IMAGE_URL",
            "VERIFIED_IMAGE_DIGEST",
            "IMAGES",
            "MODEL_ARTIFACT_OUTPUTS",
        ] {
            Broken::new(results_are_the_contracts, task())
                .with("/spec/results/0/name", json!(name))
                .says("Chains");
        }
    }

    #[test]
    fn a_result_whose_path_the_program_is_not_given_is_found() {
        let wrong = json!([{ "name": "RESULTS_STATUS_PATH", "value": "$(results.REASON.path)" }]);
        Broken::new(results_are_the_contracts, task())
            .with("/spec/steps/0/env", wrong)
            .says("RESULTS_STATUS_PATH is not $(results.STATUS.path)");
    }
}
