//! Settings of the installer, never of a param: variables, image, command and volumes (contract, section 7).

use std::sync::LazyLock;

use ensure_pull_secret::config::{PREFIX, VARIABLES};
use regex::Regex;
use serde_json::Value;

use super::super::{
    collect::Manifests,
    object::{Container, OURS, containers, environments, text, values},
};

/// Variables of other programs that set trusted certificates, proxies and servers.
const FOREIGN: &[&str] = &[
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
];
/// Prefix of Kubernetes' variables for the API server.
const API_SERVER: &str = "KUBERNETES_SERVICE_";
/// Variables of the contract that no version has yet.
const LATER: &[&str] = &["PULL_SECRET_EXCHANGE", "PULL_SECRET_AUDIENCE"];
/// The path of a workspace, which is Tekton's own.
static WORKSPACE_PATH: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\$\(workspaces\.[a-zA-Z0-9_-]+\.path\)").expect("a valid pattern"));

/// Whether the variable is the installer's alone.
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

/// The containers that run the program.
pub fn our_containers(object: &Value) -> impl Iterator<Item = Container<'_>> {
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

/// Settings of the installer are literals: variables, image, command and volumes. Kubernetes' own
/// `$(VARIABLE)` is refused too, since that variable may come from a param, and so is `valueFrom`.
pub fn what_the_installer_sets_is_literal(object: &Value, _: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for environment in environments(object) {
        let set = environment.variables.iter();
        let wrong = set.filter(|variable| {
            is_the_installers(text(variable, "name")) && !is_results_path(variable) && !is_literal(variable)
        });
        problems.extend(wrong.map(|variable| format!("{}: {variable} is not literal", environment.place)));
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
        let name = container.name();
        problems.extend(substituted.map(|field| format!("container {name:?}: {field} is not literal")));
    }
    if our_containers(object).next().is_some() && is_substituted(&object["spec"]["volumes"]) {
        problems.push("volumes are not literal".to_owned());
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

/// Whether a variable's value is used as it is written.
pub fn is_literal(variable: &Value) -> bool {
    variable.get("valueFrom").is_none() && !is_substituted(&variable["value"])
}

/// Whether any text in it is replaced later: by Tekton, Kubernetes or Pipelines as Code.
fn is_substituted(value: &Value) -> bool {
    let values = values(value).into_iter();
    values.filter_map(|(_, value)| value.as_str()).any(|text| {
        let text = WORKSPACE_PATH.replace_all(text, "");
        text.contains("$(") || text.contains("{{")
    })
}

/// Names of contract, section 7, that have a variable today.
#[cfg(test)]
pub const INSTALLERS: &[&str] = &[
    "TRUSTED_HOSTS",
    "CONNECT_TO",
    "REGISTRY_CA_FILE",
    "TOKEN_FILE",
    "VERIFY",
    "SERVICE_ACCOUNT",
    "SERVICE_ACCOUNT_DIR",
    "TERMINATION_MESSAGE_FILE",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::fixtures::{Broken, task};
    use super::*;

    #[test]
    fn p5_s1_what_the_installer_sets_is_refused_from_a_param() {
        let rule = what_the_installer_sets_is_literal;
        let own = INSTALLERS.iter().chain(&["EXCHANGE", "AUDIENCE"]);
        let own = own.map(|name| format!("{PREFIX}{name}"));
        let others = "SSL_CERT_FILE SSL_CERT_DIR https_proxy ALL_PROXY no_proxy KUBERNETES_SERVICE_HOST \
                      KUBERNETES_SERVICE_PORT RESULTS_STATUS_PATH";
        for name in own.chain(others.split_whitespace().map(str::to_owned)) {
            let values = [
                "$(params.IMAGE)",
                "$(params.IMAGE[*])",
                "a/$(params[\"IMAGE\"])",
                "$(PULL_SECRET_IMAGE)",
                "$(context.taskRun.name)",
                "$(workspaces.robot-account.claim)",
                "{{ trusted }}",
            ];
            let values = values.map(|value| json!({ "name": name, "value": value }));
            let from = ["configMapKeyRef", "fieldRef"]
                .map(|source| json!({ "name": name, "valueFrom": { source: { "name": "a", "key": "b" } } }));
            for variable in values.iter().chain(&from) {
                Broken::new(rule, task())
                    .with("/spec/steps/0/env/0", variable.clone())
                    .reports(&name);
                for spec in [
                    json!({ "stepTemplate": { "env": [variable] } }),
                    json!({ "podTemplate": { "env": [variable] } }),
                    json!({ "taskRunSpecs": [{ "podTemplate": { "env": [variable] } }] }),
                    json!({ "resourcetemplates": [{ "spec": { "podTemplate": { "env": [variable] } } }] }),
                ] {
                    Broken::new(rule, json!({ "spec": {} }))
                        .with("/spec", spec)
                        .reports(&name);
                }
            }
        }
        let literals = INSTALLERS.iter().map(|name| (*name, "literal"));
        for (name, value) in literals.chain([("TOKEN_FILE", "$(workspaces.robot-account.path)/token")]) {
            let variable = json!({ "name": format!("{PREFIX}{name}"), "value": value });
            Broken::new(rule, task())
                .with("/spec/steps/0/env/0", variable)
                .reports_nothing();
        }
    }

    #[test]
    fn s1_a_program_from_a_param_is_refused_whatever_its_step_is_called() {
        let renamed = || Broken::new(what_the_installer_sets_is_literal, task());
        let renamed = || renamed().with("/spec/steps/0/name", json!("another"));
        let param = json!("$(params.MODE)");
        for field in ["image", "command", "args", "script", "workingDir", "envFrom"] {
            renamed()
                .with(
                    &format!("/spec/steps/0/{field}"),
                    json!([{ "configMapRef": { "name": param } }]),
                )
                .reports(&format!("{field} is not literal"));
        }
        renamed()
            .with("/spec/volumes/0/configMap/name", param)
            .reports("volumes are not literal");
    }
}
