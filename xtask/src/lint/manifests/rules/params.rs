//! The Task's puller, and the params that runs pass to Task and StepAction (contract, section 7).
//!
//! `cargo xtask generate --check` refuses a Task or StepAction whose params are not those of the program's variables.

use ensure_pull_secret::config::{PREFIX, VARIABLES};
use serde_json::Value;

use super::{
    super::{
        collect::Manifests,
        object::{OURS, environments, list, text, values},
    },
    token_file::TOKEN_FILE,
    trust::our_containers,
};

/// The program's Task and StepAction name the ServiceAccount whose token is stored, unless a file's token is stored.
pub fn task_names_a_puller(object: &Value, _: &Manifests) -> Vec<String> {
    let is_ours = matches!(text(object, "kind"), "Task" | "StepAction") && object["metadata"]["name"] == OURS;
    let variable = "PULL_SECRET_SERVICE_ACCOUNT";
    let stores_a_file = environments(object).iter().any(|one| one.sets(TOKEN_FILE));
    let mut ours = our_containers(object);
    if !is_ours
        || stores_a_file
        || ours.all(|one| one.variable(variable).is_some_and(|name| !name.is_empty()))
    {
        return Vec::new();
    }
    vec![format!(
        "{variable} is not set: the token of the runner itself would be stored"
    )]
}

/// Params that are passed to the Task or the StepAction exist. Tekton ignores every other one: a run that seems to set what
/// the installer sets would set nothing.
pub fn params_that_are_passed_exist(object: &Value, _: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for (_, value) in values(object) {
        if !refers_to_ours(&value["taskRef"]) && !refers_to_ours(&value["ref"]) {
            continue;
        }
        let matrix = &value["matrix"];
        let include = list(matrix, "include").iter().flat_map(|one| list(one, "params"));
        let params = list(value, "params").iter().chain(list(matrix, "params"));
        for name in params.chain(include).map(|one| text(one, "name")) {
            let mut variables = VARIABLES.iter();
            match variables.find(|variable| variable.name.strip_prefix(PREFIX) == Some(name)) {
                Some(variable) if !variable.installer_only => {}
                Some(_) => problems.push(format!("param {name} is passed, and the installer alone sets it")),
                None => problems.push(format!("param {name} is passed, and there is no such param")),
            }
        }
    }
    problems
}

/// By name, or by a resolver that takes the name as a param.
fn refers_to_ours(reference: &Value) -> bool {
    let mut resolved = list(reference, "params").iter();
    reference["name"] == OURS || resolved.any(|one| one["name"] == "name" && one["value"] == OURS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::{
            super::fixtures::{Broken, task},
            trust::INSTALLERS,
        },
        *,
    };

    #[test]
    fn s1_a_task_that_names_no_puller_is_refused() {
        Broken::new(task_names_a_puller, task())
            .with("/spec/steps/0/env/2", json!({ "name": "OTHER", "value": "a" }))
            .reports("the token of the runner itself would be stored");
    }

    #[test]
    fn p5_s1_a_run_that_passes_what_the_installer_sets_is_refused() {
        let by_name = json!({ "name": OURS });
        let resolved = json!({ "resolver": "cluster", "params": [{ "name": "name", "value": OURS }] });
        for reference in [by_name, resolved] {
            let forms: [fn(&Value, Value) -> Value; 6] = [
                |task, params| json!({ "taskRef": task, "params": params }),
                |task, params| json!({ "tasks": [{ "taskRef": task, "params": params }] }),
                |task, params| json!({ "pipelineSpec": { "finally": [{ "taskRef": task, "params": params }] } }),
                |task, params| json!({ "tasks": [{ "taskRef": task, "matrix": { "params": params } }] }),
                |task, params| json!({ "tasks": [{ "taskRef": task, "matrix": { "include": [{ "params": params }] } }] }),
                |step, params| json!({ "resourcetemplates": [{ "spec": { "steps": [{ "ref": step, "params": params }] } }] }),
            ];
            for form in forms {
                let passing = |name: &str| {
                    let spec = form(&reference, json!([{ "name": name, "value": "a" }]));
                    json!({ "kind": "a", "metadata": { "name": "a" }, "spec": spec })
                };
                let reports = |name: &str, problem: &str| {
                    Broken::new(params_that_are_passed_exist, passing("IMAGE"))
                        .and(passing(name))
                        .reports(&format!("param {name} is passed, and {problem}"));
                };
                for name in INSTALLERS {
                    reports(name, "the installer");
                }
                reports("IMGE", "there is no such param");
            }
        }
    }
}
