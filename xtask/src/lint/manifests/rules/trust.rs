//! Params and environment of our Task and StepAction. What a param may say, and what whoever installs says alone: contract,
//! section 7.

use ensure_pull_secret::config::{PREFIX, VARIABLES, Variable};
use serde_json::Value;

use super::super::{
    collect::Manifests,
    object::{Container, OURS, containers, label, list, text},
};

/// Variables of others that decide whom the program trusts or asks, beside our own.
const FOREIGN: &[&str] = &[
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
];

/// A variable's param: its name without the prefix.
fn param(variable: &Variable) -> &'static str {
    variable.name.trim_start_matches(PREFIX)
}

/// Whether whoever installs sets it, and nobody else.
fn decides_trust(name: &str) -> bool {
    FOREIGN.contains(&name.to_uppercase().as_str())
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
    containers(object)
        .into_iter()
        .filter(|container| container.name() == OURS)
}

/// A param is a variable without its prefix, each variable that is anybody's has one, and each one reaches its variable.
pub fn params_are_the_variables(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for object in ours(manifests) {
        let params: Vec<&str> = list(&object["spec"], "params")
            .iter()
            .map(|one| text(one, "name"))
            .collect();
        for name in &params {
            let known = VARIABLES.iter().find(|variable| param(variable) == *name);
            match known {
                None => problems.push(format!(
                    "{}: param {name} is no variable of the program",
                    label(object)
                )),
                Some(variable) if variable.installer_only => problems.push(format!(
                    "{}: param {name} would decide trust, which is for whoever installs",
                    label(object)
                )),
                Some(_) => {}
            }
        }
        for variable in VARIABLES.iter().filter(|variable| !variable.installer_only) {
            let name = param(variable);
            if !params.contains(&name) {
                problems.push(format!("{}: there is no param {name}", label(object)));
            }
            let expected = format!("$(params.{name})");
            for container in our_containers(object) {
                let seen = container.variable(variable.name);
                if seen != Some(&expected) {
                    problems.push(format!(
                        "{}: {} is {seen:?} instead of {expected}",
                        label(object),
                        variable.name
                    ));
                }
            }
        }
    }
    problems
}

/// Whatever decides trust is a literal, wherever the program is run: the variables, the image and its command, the volumes.
/// Kubernetes' own `$(VARIABLE)` is refused too, since that variable may come from a param.
pub fn what_decides_trust_is_literal(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for container in manifests.objects.iter().flat_map(containers) {
        let label = container.label();
        for variable in container.environment() {
            let name = text(variable, "name");
            if decides_trust(name) && is_substituted(&variable["value"]) {
                problems.push(format!(
                    "{label}: {name} is {} instead of a literal",
                    variable["value"]
                ));
            }
        }
        if container.name() == OURS {
            let fields = ["image", "command", "args", "volumeMounts", "envFrom"];
            let substituted = fields
                .iter()
                .filter(|field| is_substituted(&container.fields[**field]));
            problems.extend(substituted.map(|field| format!("{label}: {field} is not literal")));
        }
    }
    for object in ours(manifests) {
        if is_substituted(&object["spec"]["volumes"]) {
            problems.push(format!("{}: volumes are not literal", label(object)));
        }
    }
    problems
}

/// Whether anything of it is replaced later; where a workspace is mounted is Tekton's own to say.
fn is_substituted(value: &Value) -> bool {
    match value {
        Value::String(text) => text.replace("$(workspaces.", "").contains("$("),
        Value::Array(values) => values.iter().any(is_substituted),
        Value::Object(members) => members.values().any(is_substituted),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::fixtures::{Broken, task};
    use super::*;

    #[test]
    fn a_param_that_is_no_variable_or_decides_trust_or_is_missing_or_goes_nowhere_is_found() {
        let rule = params_are_the_variables;
        let first = "/spec/params/0/name";
        Broken::new(rule, task())
            .with(first, json!("NONE"))
            .says("param NONE is no variable");
        Broken::new(rule, task())
            .with(first, json!("NONE"))
            .says("there is no param NAME");
        for trusted in [
            "TRUSTED_HOSTS",
            "CONNECT_TO",
            "REGISTRY_CA_FILE",
            "TOKEN_FILE",
            "SERVICE_ACCOUNT_DIR",
        ] {
            Broken::new(rule, task())
                .with(first, json!(trusted))
                .says("would decide trust");
        }
        let environment = json!([{ "name": "PULL_SECRET_NAME", "value": "$(params.IMAGE)" }]);
        Broken::new(rule, task())
            .with("/spec/steps/0/env", environment)
            .says("instead of $(params.NAME)");
    }

    #[test]
    fn a_variable_that_decides_trust_is_found_where_a_param_reaches_it() {
        let rule = what_decides_trust_is_literal;
        for name in [
            "PULL_SECRET_TRUSTED_HOSTS",
            "PULL_SECRET_TOKEN_FILE",
            "SSL_CERT_DIR",
            "https_proxy",
        ] {
            for value in [
                "$(params.IMAGE)",
                "a/$(params[\"IMAGE\"])",
                "$(PULL_SECRET_IMAGE)",
                "$(context.taskRun.name)",
            ] {
                let variable = json!({ "name": name, "value": value });
                Broken::new(rule, task())
                    .with("/spec/steps/0/env/0", variable)
                    .says(name);
            }
            let literal = json!({ "name": name, "value": "literal" });
            Broken::new(rule, task())
                .with("/spec/steps/0/env/0", literal)
                .says_nothing();
        }
    }

    #[test]
    fn an_image_a_command_or_a_volume_from_a_param_is_found() {
        let rule = what_decides_trust_is_literal;
        let image = "/spec/steps/0/image";
        Broken::new(rule, task())
            .with(image, json!("$(params.IMAGE)"))
            .says("image is not literal");
        Broken::new(rule, task())
            .with("/spec/steps/0/command/0", json!("$(params.MODE)"))
            .says("command is not literal");
        let volume = json!([{ "name": "trusted-ca", "configMap": { "name": "$(params.DISPLAY_NAME)" } }]);
        Broken::new(rule, task())
            .with("/spec/volumes", volume)
            .says("volumes are not literal");
    }
}
