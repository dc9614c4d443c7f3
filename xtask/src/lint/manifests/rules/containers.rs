//! Required and forbidden fields of every shipped container, samples included. The names in parentheses are kube-linter's.
//!
//! The rest of the security context is checked by a dry run where Pod Security `restricted` is enforced:
//! `tests/api/manifests.rs`.

use serde_json::Value;

use super::{
    super::{
        collect::Manifests,
        object::{OURS, containers, last, list, text, values},
    },
    violations,
};

/// Fields that choose a user or a group: OpenShift's `restricted-v2` refuses a pod with one of them
/// (tektoncd/operator#1422), and the image's own user is a number already.
const USERS: &[&str] = &["runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"];

/// A command, a read-only root file system (no-read-only-root-fs), requests, a limit of memory, and no limit of CPU,
/// which would only slow a short run down (unset-cpu-requirements, unset-memory-requirements).
pub fn fields_are_set(object: &Value, _: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for container in containers(object) {
        let (fields, is_step) = (container.fields, container.pod.is_none());
        let resources = if is_step { "computeResources" } else { "resources" };
        let is_set = |kind: &str, resource: &str| !fields[resources][kind][resource].is_null();
        // A StepAction can't have resources: the step that refers to it has them.
        let is_action = object["kind"] == "StepAction";
        let own_image = fields.get("ref").is_none();
        let has_command = !list(fields, "command").is_empty() || fields.get("script").is_some();
        let violations = violations([
            // Without a command Tekton asks the image's registry for the entry point, which it may not reach.
            (
                own_image && (is_step || container.name() == OURS) && !has_command,
                "command is not set",
            ),
            (
                own_image && fields["securityContext"]["readOnlyRootFilesystem"] != true,
                "readOnlyRootFilesystem is not true",
            ),
            (
                !is_action && !is_set("requests", "cpu"),
                "requests.cpu is not set",
            ),
            (
                !is_action && !is_set("requests", "memory"),
                "requests.memory is not set",
            ),
            (
                !is_action && !is_set("limits", "memory"),
                "limits.memory is not set",
            ),
            (is_set("limits", "cpu"), "limits.cpu is set"),
        ]);
        let name = container.name();
        problems.extend(
            violations
                .iter()
                .map(|problem| format!("container {name:?}: {problem}")),
        );
    }
    problems
}

/// No user and no group is chosen, anywhere in an object.
pub fn no_user_is_chosen(object: &Value, _: &Manifests) -> Vec<String> {
    let places = values(object).into_iter().map(|(place, _)| place);
    places
        .filter(|place| USERS.contains(&last(place)))
        .map(|place| format!("{place} is set"))
        .collect()
}

/// No credential in an environment, which every process and every core dump contains (read-secret-from-env-var).
pub fn environment_has_no_credential(object: &Value, _: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for container in containers(object) {
        let variables = container.environment().iter();
        let from_secret = variables.filter(|variable| !variable["valueFrom"]["secretKeyRef"].is_null());
        let mut names: Vec<_> = from_secret.map(|variable| text(variable, "name")).collect();
        let sources = list(container.fields, "envFrom").iter();
        names.extend(
            sources
                .filter(|source| !source["secretRef"].is_null())
                .map(|_| "envFrom"),
        );
        problems.extend(names.iter().map(|name| format!("{name} is read from a Secret")));
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::fixtures::{Broken, cron_job, task};
    use super::*;

    const CONTAINER: &str = "/spec/jobTemplate/spec/template/spec/containers/0";
    const STEP: &str = "/spec/steps/0";

    #[test]
    fn a_field_that_is_missing_or_wrong_is_found() {
        let rule = fields_are_set;
        for (object, container, resources) in [
            (cron_job(), CONTAINER, "resources"),
            (task(), STEP, "computeResources"),
        ] {
            for (field, value, problem) in [
                ("command", json!([]), "command is not set"),
                (
                    "securityContext/readOnlyRootFilesystem",
                    json!(false),
                    "is not true",
                ),
                (
                    "securityContext/readOnlyRootFilesystem",
                    Value::Null,
                    "is not true",
                ),
                ("resources/requests/cpu", Value::Null, "requests.cpu is not set"),
                (
                    "resources/requests/memory",
                    Value::Null,
                    "requests.memory is not set",
                ),
                ("resources/limits/memory", Value::Null, "limits.memory is not set"),
                ("resources/limits/cpu", json!("1"), "limits.cpu is set"),
            ] {
                let field = field.replace("resources", resources);
                Broken::new(rule, object.clone())
                    .with(&format!("{container}/{field}"), value)
                    .reports(problem);
            }
        }
    }

    #[test]
    fn a_chosen_user_or_group_is_found_at_any_depth() {
        for name in USERS {
            let path = format!("/spec/jobTemplate/spec/template/spec/securityContext/{name}");
            Broken::new(no_user_is_chosen, cron_job())
                .with(&path, json!(65532))
                .reports(name);
        }
    }

    #[test]
    fn a_credential_in_the_environment_is_found() {
        let rule = environment_has_no_credential;
        let secret = json!({ "name": "TOKEN", "valueFrom": { "secretKeyRef": { "name": "a", "key": "b" } } });
        Broken::new(rule, task())
            .with("/spec/steps/0/env/0", secret)
            .reports("TOKEN is read from a Secret");
        let from = json!([{ "secretRef": { "name": "a" } }]);
        Broken::new(rule, cron_job())
            .with(&format!("{CONTAINER}/envFrom"), from)
            .reports("envFrom is read from a Secret");
    }
}
