//! Params of our Task and StepAction, and those that runs pass to them (contract, section 7).

use ensure_pull_secret::config::{PREFIX, VARIABLES, Variable};
use serde_json::Value;

use super::{
    super::{
        collect::Manifests,
        object::{OURS, environments, label, list, text},
    },
    token_file::{DESTINATION, TOKEN_FILE},
    trust::our_containers,
};

/// The variable that names the ServiceAccount whose token is stored.
const SERVICE_ACCOUNT: &str = "PULL_SECRET_SERVICE_ACCOUNT";

/// A variable's param: its name without the prefix.
fn param(variable: &Variable) -> &'static str {
    variable.name.trim_start_matches(PREFIX)
}

/// Our Task and StepAction.
fn ours(manifests: &Manifests) -> impl Iterator<Item = &Value> {
    manifests.objects.iter().filter(|object| {
        matches!(text(object, "kind"), "Task" | "StepAction") && object["metadata"]["name"] == OURS
    })
}

/// A param is a variable without its prefix, each variable that a pipeline may set has one, and each one reaches its
/// variable. The account whose token is stored is a literal.
pub fn params_are_the_variables(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for object in ours(manifests) {
        let label = label(object);
        let params: Vec<&str> = list(&object["spec"], "params")
            .iter()
            .map(|one| text(one, "name"))
            .collect();
        let stores_a_file = environments(object).iter().any(|one| one.sets(TOKEN_FILE));
        let is_reserved = |variable: &Variable| {
            variable.installer_only || stores_a_file && DESTINATION.contains(&variable.name)
        };
        for name in &params {
            let known = VARIABLES.iter().find(|variable| param(variable) == *name);
            match known {
                None => problems.push(format!("{label}: param {name} is not a variable of the program")),
                Some(variable) if is_reserved(variable) => {
                    problems.push(format!("{label}: param {name} is for the installer alone"));
                }
                Some(_) => {}
            }
        }
        for variable in VARIABLES.iter().filter(|variable| !is_reserved(variable)) {
            let name = param(variable);
            if !params.contains(&name) {
                problems.push(format!("{label}: there is no param {name}"));
            }
            let expected = format!("$(params.{name})");
            for container in our_containers(object) {
                let seen = container.variable(variable.name);
                if seen != Some(&expected) {
                    problems.push(format!(
                        "{label}: {} is {seen:?} instead of {expected}",
                        variable.name
                    ));
                }
            }
        }
        let named = our_containers(object)
            .all(|one| one.variable(SERVICE_ACCOUNT).is_some_and(|name| !name.is_empty()));
        if !stores_a_file && !named {
            problems.push(format!(
                "{label}: {SERVICE_ACCOUNT} is not set: the token of the runner itself would be stored"
            ));
        }
    }
    problems
}

/// Whoever passes params to our Task or StepAction passes those that it has. Tekton ignores every other one: a run that
/// seems to set what the installer sets would set nothing.
pub fn params_that_are_passed_exist(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for object in &manifests.objects {
        let mut passed = Vec::new();
        passed_params(object, &mut passed);
        for name in passed {
            let variable = VARIABLES.iter().find(|variable| param(variable) == name);
            match variable {
                Some(variable) if !variable.installer_only => {}
                Some(_) => problems.push(format!(
                    "{}: param {name} is passed, and the installer alone sets it",
                    label(object)
                )),
                None => problems.push(format!(
                    "{}: param {name} is passed, and there is no such param",
                    label(object)
                )),
            }
        }
    }
    problems
}

/// The names of all params that a value passes to our Task or StepAction, at any depth, those of a matrix included.
fn passed_params<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            if refers_to_ours(&value["taskRef"]) || refers_to_ours(&value["ref"]) {
                let matrix = &value["matrix"];
                let include = list(matrix, "include").iter().flat_map(|one| list(one, "params"));
                let params = list(value, "params").iter().chain(list(matrix, "params"));
                found.extend(params.chain(include).map(|one| text(one, "name")));
            }
            for member in members.values() {
                passed_params(member, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| passed_params(value, found)),
        _ => {}
    }
}

/// By name, or by a resolver that takes the name as a param.
fn refers_to_ours(reference: &Value) -> bool {
    let resolved = list(reference, "params");
    reference["name"] == OURS
        || resolved
            .iter()
            .any(|one| one["name"] == "name" && one["value"] == OURS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::{
            super::{
                collect::Form,
                fixtures::{Broken, task},
            },
            trust::INSTALLERS,
        },
        *,
    };

    #[test]
    fn a_param_that_is_unknown_missing_or_unused_is_found() {
        let rule = params_are_the_variables;
        let first = "/spec/params/0/name";
        Broken::new(rule, task())
            .with(first, json!("NONE"))
            .reports("param NONE is not a variable");
        Broken::new(rule, task())
            .with(first, json!("NONE"))
            .reports("there is no param NAME");
        let environment = json!([{ "name": "PULL_SECRET_NAME", "value": "$(params.IMAGE)" }]);
        Broken::new(rule, task())
            .with("/spec/steps/0/env", environment)
            .reports("instead of $(params.NAME)");
    }

    #[test]
    fn p5_s1_a_param_for_what_the_installer_sets_is_refused() {
        for name in INSTALLERS {
            Broken::new(params_are_the_variables, task())
                .with("/spec/params/0/name", json!(name))
                .reports(&format!("param {name} is for the installer alone"));
        }
    }

    #[test]
    fn s1_a_task_that_names_no_puller_is_refused() {
        Broken::new(params_are_the_variables, task())
            .with("/spec/steps/0/env/2", json!({ "name": "OTHER", "value": "a" }))
            .reports("the token of the runner itself would be stored");
    }

    #[test]
    fn p5_s1_a_run_that_passes_what_the_installer_sets_is_refused() {
        let passing = |name: &str| json!([{ "name": name, "value": "a" }]);
        let by_name = json!({ "name": OURS });
        let resolved = json!({ "resolver": "cluster", "params": [{ "name": "name", "value": OURS }] });
        for reference in [by_name, resolved] {
            let run = |spec: Value| json!({ "kind": "a", "metadata": { "name": "a" }, "spec": spec });
            let forms: [fn(&Value, Value) -> Value; 6] = [
                |task, params| json!({ "taskRef": task, "params": params }),
                |task, params| json!({ "tasks": [{ "taskRef": task, "params": params }] }),
                |task, params| json!({ "pipelineSpec": { "finally": [{ "taskRef": task, "params": params }] } }),
                |task, params| json!({ "tasks": [{ "taskRef": task, "matrix": { "params": params } }] }),
                |task, params| json!({ "tasks": [{ "taskRef": task, "matrix": { "include": [{ "params": params }] } }] }),
                |step, params| json!({ "resourcetemplates": [{ "spec": { "steps": [{ "ref": step, "params": params }] } }] }),
            ];
            for form in forms {
                let passed = |name: &str| run(form(&reference, passing(name)));
                let rule = params_that_are_passed_exist;
                for name in INSTALLERS {
                    Broken::among(rule, Form::Sample, vec![passed("IMAGE")])
                        .and(passed(name))
                        .reports(&format!("param {name} is passed, and the installer"));
                }
                Broken::new(rule, passed("IMAGE"))
                    .and(passed("IMGE"))
                    .reports("there is no such param");
            }
        }
    }
}
