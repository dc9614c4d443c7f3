//! Params and environment of our Task and StepAction: what a param may set, and what the installer alone sets (contract,
//! section 7).

use std::sync::LazyLock;

use ensure_pull_secret::config::{PREFIX, VARIABLES, Variable};
use regex::Regex;
use serde_json::Value;

use super::{
    super::{
        collect::Manifests,
        object::{Container, OURS, containers, environments, label, list, text},
    },
    token_file::{DESTINATION, TOKEN_FILE},
};

/// Variables of others that decide whom the program trusts or asks.
const FOREIGN: &[&str] = &[
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
];
/// What Kubernetes' own variables for the API server begin with.
const API_SERVER: &str = "KUBERNETES_SERVICE_";
/// Variables of the contract that no version has yet.
const LATER: &[&str] = &["PULL_SECRET_EXCHANGE", "PULL_SECRET_AUDIENCE"];
/// The variable that names the ServiceAccount whose token is stored.
const SERVICE_ACCOUNT: &str = "PULL_SECRET_SERVICE_ACCOUNT";

/// The path of a workspace, which is Tekton's own.
static WORKSPACE_PATH: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\$\(workspaces\.[a-zA-Z0-9_-]+\.path\)").expect("a right pattern"));

/// A variable's param: its name without the prefix.
pub fn param(variable: &Variable) -> &'static str {
    variable.name.trim_start_matches(PREFIX)
}

/// Whether the installer sets it, and nobody else.
fn is_the_installers(name: &str) -> bool {
    let upper = name.to_uppercase();
    is_written(name)
        || FOREIGN.contains(&upper.as_str())
        || upper.starts_with(API_SERVER)
        || LATER.contains(&name)
        || VARIABLES
            .iter()
            .any(|variable| variable.installer_only && variable.name == name)
}

/// Our Task and StepAction.
fn ours(manifests: &Manifests) -> impl Iterator<Item = &Value> {
    manifests.objects.iter().filter(|object| {
        matches!(text(object, "kind"), "Task" | "StepAction") && object["metadata"]["name"] == OURS
    })
}

fn our_containers(object: &Value) -> impl Iterator<Item = Container<'_>> {
    containers(object).into_iter().filter(runs_the_program)
}

/// By its name, its image or its variables.
fn runs_the_program(container: &Container<'_>) -> bool {
    container.name() == OURS
        || text(container.fields, "image").contains(OURS)
        || container
            .environment()
            .iter()
            .any(|variable| text(variable, "name").starts_with(PREFIX))
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

/// What the installer sets is a literal, wherever a variable, an image, a command or a volume is set. Kubernetes' own
/// `$(VARIABLE)` is refused too, since that variable may come from a param, and so is `valueFrom`.
pub fn what_the_installer_sets_is_literal(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for object in &manifests.objects {
        let label = label(object);
        for environment in environments(object) {
            for variable in environment.variables {
                let name = text(variable, "name");
                let free = is_results_path(variable) || !is_the_installers(name);
                if !free && !is_literal(variable) {
                    problems.push(format!(
                        "{label}: {}: {name} is {variable} instead of a literal",
                        environment.place
                    ));
                }
            }
        }
        for container in our_containers(object) {
            let fields = [
                "image",
                "command",
                "args",
                "script",
                "workingDir",
                "volumeMounts",
                "envFrom",
            ];
            let substituted = fields
                .iter()
                .filter(|field| is_substituted(&container.fields[**field]));
            problems
                .extend(substituted.map(|field| format!("{}: {field} is not literal", container.label())));
        }
        if our_containers(object).next().is_some() && is_substituted(&object["spec"]["volumes"]) {
            problems.push(format!("{label}: volumes are not literal"));
        }
    }
    problems
}

/// Tekton's own path of a result, which no param can change.
fn is_results_path(variable: &Value) -> bool {
    let value = text(variable, "value");
    let name = ["$(results.", "$(step.results."]
        .iter()
        .find_map(|begin| value.strip_prefix(begin)?.strip_suffix(".path)"));
    let is_name = |name: &str| {
        name.chars()
            .all(|one| one.is_ascii_alphanumeric() || "_-".contains(one))
    };
    is_written(text(variable, "name")) && name.is_some_and(is_name)
}

/// Whether the program writes to the file that it names.
fn is_written(name: &str) -> bool {
    name.starts_with("RESULTS_") && name.ends_with("_PATH")
}

/// Whether a variable's value is the one that is written there.
pub fn is_literal(variable: &Value) -> bool {
    let value = variable.get("value").unwrap_or(&Value::Null);
    let absent = value.is_null() && variable.get("valueFrom").is_none();
    absent || value.is_string() && variable.get("valueFrom").is_none() && !is_substituted(value)
}

/// Whether anything of it is replaced later: by Tekton, Kubernetes or Pipelines as Code.
fn is_substituted(value: &Value) -> bool {
    match value {
        Value::String(text) => {
            let text = WORKSPACE_PATH.replace_all(text, "");
            text.contains("$(") || text.contains("{{")
        }
        Value::Array(values) => values.iter().any(is_substituted),
        Value::Object(members) => members.values().any(is_substituted),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::{
        collect::Form,
        fixtures::{Broken, task},
    };
    use super::*;

    /// Contract, section 7: all that has a variable today.
    const INSTALLERS: &[&str] = &[
        "TRUSTED_HOSTS",
        "CONNECT_TO",
        "REGISTRY_CA_FILE",
        "TOKEN_FILE",
        "VERIFY",
        "SERVICE_ACCOUNT",
        "SERVICE_ACCOUNT_DIR",
        "TERMINATION_MESSAGE_FILE",
    ];

    #[test]
    fn a_param_that_is_unknown_missing_or_unused_is_found() {
        let rule = params_are_the_variables;
        let first = "/spec/params/0/name";
        Broken::new(rule, task())
            .with(first, json!("NONE"))
            .says("param NONE is not a variable");
        Broken::new(rule, task())
            .with(first, json!("NONE"))
            .says("there is no param NAME");
        let environment = json!([{ "name": "PULL_SECRET_NAME", "value": "$(params.IMAGE)" }]);
        Broken::new(rule, task())
            .with("/spec/steps/0/env", environment)
            .says("instead of $(params.NAME)");
    }

    #[test]
    fn p5_s1_a_param_for_what_the_installer_sets_is_refused() {
        for name in INSTALLERS {
            Broken::new(params_are_the_variables, task())
                .with("/spec/params/0/name", json!(name))
                .says(&format!("param {name} is for the installer alone"));
        }
    }

    #[test]
    fn s1_a_task_that_names_no_puller_is_refused() {
        Broken::new(params_are_the_variables, task())
            .with("/spec/steps/0/env/2", json!({ "name": "OTHER", "value": "a" }))
            .says("the token of the runner itself would be stored");
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
                        .says(&format!("param {name} is passed, and the installer"));
                }
                Broken::new(rule, passed("IMAGE"))
                    .and(passed("IMGE"))
                    .says("there is no such param");
            }
        }
    }

    #[test]
    fn p5_s1_what_the_installer_sets_is_refused_from_a_param() {
        let own = INSTALLERS.iter().map(|name| format!("{PREFIX}{name}"));
        let others = [
            "PULL_SECRET_EXCHANGE",
            "PULL_SECRET_AUDIENCE",
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
            "https_proxy",
            "ALL_PROXY",
            "no_proxy",
            "KUBERNETES_SERVICE_HOST",
            "KUBERNETES_SERVICE_PORT",
            "RESULTS_STATUS_PATH",
        ];
        let rule = what_the_installer_sets_is_literal;
        for name in own.chain(others.map(str::to_owned)) {
            let wrong = [
                "$(params.IMAGE)",
                "$(params.IMAGE[*])",
                "a/$(params[\"IMAGE\"])",
                "$(PULL_SECRET_IMAGE)",
                "$(context.taskRun.name)",
                "$(workspaces.robot-account.claim)",
                "{{ trusted }}",
            ];
            let wrong = wrong.map(|value| json!({ "name": name, "value": value }));
            let from = ["configMapKeyRef", "fieldRef"]
                .map(|source| json!({ "name": name, "valueFrom": { source: { "name": "a", "key": "b" } } }));
            for variable in wrong.iter().chain(&from) {
                Broken::new(rule, task())
                    .with("/spec/steps/0/env/0", variable.clone())
                    .says(&name);
                for place in [
                    json!({ "stepTemplate": { "env": [variable] } }),
                    json!({ "podTemplate": { "env": [variable] } }),
                    json!({ "taskRunSpecs": [{ "podTemplate": { "env": [variable] } }] }),
                    json!({ "resourcetemplates": [{ "spec": { "podTemplate": { "env": [variable] } } }] }),
                ] {
                    Broken::new(rule, task())
                        .and(json!({ "kind": "a", "metadata": { "name": "a" }, "spec": place }))
                        .says(&name);
                }
            }
            let literal = json!({ "name": name, "value": "literal" });
            Broken::new(rule, task())
                .with("/spec/steps/0/env/0", literal)
                .says_nothing();
        }
        let path =
            json!({ "name": "PULL_SECRET_TOKEN_FILE", "value": "$(workspaces.robot-account.path)/token" });
        Broken::new(rule, task())
            .with("/spec/steps/0/env/0", path)
            .says_nothing();
    }

    #[test]
    fn s1_a_program_from_a_param_is_refused_whatever_its_step_is_called() {
        let rule = what_the_installer_sets_is_literal;
        for (field, value) in [
            ("image", json!("$(params.IMAGE)")),
            ("command", json!(["$(params.MODE)"])),
            ("args", json!(["$(params.MODE)"])),
            ("script", json!("$(params.MODE)")),
            ("workingDir", json!("$(params.MODE)")),
            (
                "envFrom",
                json!([{ "configMapRef": { "name": "$(params.MODE)" } }]),
            ),
        ] {
            Broken::new(rule, task())
                .with("/spec/steps/0/name", json!("another"))
                .with(&format!("/spec/steps/0/{field}"), value)
                .says(&format!("{field} is not literal"));
        }
        let volume = json!([{ "name": "trusted-ca", "configMap": { "name": "$(params.DISPLAY_NAME)" } }]);
        Broken::new(rule, task())
            .with("/spec/volumes", volume)
            .says("volumes are not literal");
    }
}
