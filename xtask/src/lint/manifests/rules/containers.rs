//! Required and forbidden fields of every shipped container, samples included. The names in parentheses are kube-linter's.

use serde_json::Value;

use super::super::{
    collect::Manifests,
    object::{Container, OURS, containers, label, list, text},
};

/// Names of fields that choose a user or a group: under OpenShift's `restricted-v2` each of them refuses the pod
/// (tektoncd/operator#1422), and the image's own user is a number already.
const USERS: &[&str] = &["runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"];

/// Containers that have an image of their own.
fn own_image(manifests: &Manifests) -> impl Iterator<Item = Container<'_>> {
    manifests
        .objects
        .iter()
        .flat_map(containers)
        .filter(|container| !container.is_reference())
}

/// Without a command Tekton asks the image's registry for the entry point, which it may not reach. Ours has one everywhere.
pub fn command_is_set(manifests: &Manifests) -> Vec<String> {
    own_image(manifests)
        .filter(|container| container.pod.is_none() || container.name() == OURS)
        .filter(|container| {
            list(container.fields, "command").is_empty() && container.fields.get("script").is_none()
        })
        .map(|container| format!("{}: command is not set", container.label()))
        .collect()
}

/// A read-only root file system (no-read-only-root-fs). The rest of the security context is checked by a dry run where Pod
/// Security `restricted` is enforced: `tests/api/manifests.rs`.
pub fn root_file_system_is_read_only(manifests: &Manifests) -> Vec<String> {
    let field = "readOnlyRootFilesystem";
    own_image(manifests)
        .filter(|container| container.fields["securityContext"][field] != true)
        .map(|container| format!("{}: {field} is not true", container.label()))
        .collect()
}

/// No user and no group is chosen, anywhere in an object.
pub fn no_user_is_chosen(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for object in &manifests.objects {
        let mut found = Vec::new();
        members(object, &mut |name| {
            if USERS.contains(&name) {
                found.push(name.to_owned());
            }
        });
        problems.extend(
            found
                .iter()
                .map(|name| format!("{}: {name} is set", label(object))),
        );
    }
    problems
}

fn members<'a>(value: &'a Value, visit: &mut impl FnMut(&'a str)) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                visit(name);
                members(value, visit);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| members(value, visit)),
        _ => {}
    }
}

/// Requests, and a limit of memory; no limit of CPU, which only makes a short run long (unset-cpu-requirements,
/// unset-memory-requirements). A StepAction can't say it: the step that refers to it does.
pub fn memory_is_bounded(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    let all = manifests.objects.iter().flat_map(containers);
    for container in all.filter(|container| container.object["kind"] != "StepAction") {
        let resources = if container.pod.is_some() {
            "resources"
        } else {
            "computeResources"
        };
        let of = |kind: &str, resource: &str| &container.fields[resources][kind][resource];
        for (kind, resource) in [("requests", "cpu"), ("requests", "memory"), ("limits", "memory")] {
            if of(kind, resource).is_null() {
                problems.push(format!(
                    "{}: {resources}.{kind}.{resource} is not set",
                    container.label()
                ));
            }
        }
        if !of("limits", "cpu").is_null() {
            problems.push(format!("{}: {resources}.limits.cpu is set", container.label()));
        }
    }
    problems
}

/// No credential in an environment, which every process and every core dump contains (read-secret-from-env-var).
pub fn environment_has_no_credential(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for container in manifests.objects.iter().flat_map(containers) {
        let variables = container.environment().iter();
        let from_secret = variables.filter(|variable| !variable["valueFrom"]["secretKeyRef"].is_null());
        problems.extend(from_secret.map(|variable| {
            format!(
                "{}: {} is read from a Secret",
                container.label(),
                text(variable, "name")
            )
        }));
        let mut sources = list(container.fields, "envFrom").iter();
        if sources.any(|source| !source["secretRef"].is_null()) {
            problems.push(format!("{}: variables are read from a Secret", container.label()));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::fixtures::{Broken, cron_job, task};
    use super::*;

    #[test]
    fn a_container_without_a_command_is_found() {
        Broken::new(command_is_set, cron_job())
            .without("/spec/jobTemplate/spec/template/spec/containers/0/command")
            .reports("command is not set");
        Broken::new(command_is_set, task())
            .without("/spec/steps/0/command")
            .reports("command is not set");
        Broken::new(command_is_set, task())
            .with("/spec/steps/0", json!({ "name": "a", "ref": { "name": "b" } }))
            .says_nothing();
    }

    #[test]
    fn a_writable_root_file_system_is_found() {
        let rule = root_file_system_is_read_only;
        let field = "securityContext/readOnlyRootFilesystem";
        let container = format!("/spec/jobTemplate/spec/template/spec/containers/0/{field}");
        let step = format!("/spec/steps/0/{field}");
        Broken::new(rule, cron_job())
            .without(&container)
            .reports("is not true");
        Broken::new(rule, task())
            .with(&step, json!(false))
            .reports("is not true");
    }

    #[test]
    fn a_chosen_user_or_group_is_found_at_any_depth() {
        for name in USERS {
            let path = format!("/spec/jobTemplate/spec/template/spec/securityContext/{name}");
            Broken::new(no_user_is_chosen, cron_job())
                .with(&path, json!(65532))
                .reports(name);
            Broken::new(no_user_is_chosen, task())
                .with(&format!("/spec/stepTemplate/securityContext/{name}"), json!(1))
                .reports(name);
        }
    }

    #[test]
    fn memory_without_a_bound_and_a_cpu_with_one_are_found() {
        let container = "/spec/jobTemplate/spec/template/spec/containers/0/resources";
        for path in ["/requests/cpu", "/requests/memory", "/limits/memory"] {
            Broken::new(memory_is_bounded, cron_job())
                .without(&format!("{container}{path}"))
                .reports("is not set");
            Broken::new(memory_is_bounded, task())
                .without(&format!("/spec/steps/0/computeResources{path}"))
                .reports("is not set");
        }
        Broken::new(memory_is_bounded, cron_job())
            .with(&format!("{container}/limits/cpu"), json!("1"))
            .reports("limits.cpu is set");
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
            .with("/spec/jobTemplate/spec/template/spec/containers/0/envFrom", from)
            .reports("variables are read");
    }
}
