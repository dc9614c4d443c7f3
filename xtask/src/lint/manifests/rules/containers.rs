//! What every container of ours, samples included, must and must not have. The names in parentheses are kube-linter's.

use serde_json::{Value, json};

use super::super::{
    collect::Manifests,
    object::{Container, OURS, containers, label, list, pod_specs, text},
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

/// Pod Security `restricted`, and a read-only root file system (run-as-non-root, privilege-escalation-container,
/// privileged-container, drop-net-raw-capability, no-read-only-root-fs).
pub fn security_context_is_restricted(manifests: &Manifests) -> Vec<String> {
    let demands: &[(&str, Value, bool)] = &[
        ("runAsNonRoot", json!(true), true),
        ("seccompProfile", json!({ "type": "RuntimeDefault" }), true),
        ("allowPrivilegeEscalation", json!(false), false),
        ("readOnlyRootFilesystem", json!(true), false),
        ("capabilities", json!({ "drop": ["ALL"] }), false),
    ];
    let mut problems = Vec::new();
    for container in own_image(manifests) {
        let own = &container.fields["securityContext"];
        let pods = container.pod.map(|pod| &pod["securityContext"]);
        for (field, value, may_be_the_pods) in demands {
            let inherited = pods.filter(|_| *may_be_the_pods).map(|pod| &pod[*field]);
            let seen = if own[*field].is_null() {
                inherited.unwrap_or(&Value::Null)
            } else {
                &own[*field]
            };
            if seen != value {
                problems.push(format!(
                    "{}: securityContext.{field} is {seen} instead of {value}",
                    container.label()
                ));
            }
        }
        if own["privileged"] == true {
            problems.push(format!("{}: it is privileged", container.label()));
        }
    }
    problems
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

/// Nothing of the node's (host-network, host-pid, host-ipc, sensitive-host-mounts).
pub fn nothing_of_the_nodes_is_used(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for object in &manifests.objects {
        for pod in pod_specs(object) {
            let host = ["hostNetwork", "hostPID", "hostIPC"]
                .into_iter()
                .filter(|name| pod[*name] == true);
            problems.extend(host.map(|name| format!("{}: {name} is set", label(object))));
        }
        let mut host_paths = 0;
        members(object, &mut |name| host_paths += usize::from(name == "hostPath"));
        if host_paths > 0 {
            problems.push(format!("{}: a hostPath is mounted", label(object)));
        }
    }
    problems
}

/// No credential in an environment, where every process and every dump has it, and no variable twice
/// (read-secret-from-env-var, duplicate-env-var).
pub fn environment_is_clean(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for container in manifests.objects.iter().flat_map(containers) {
        let mut seen = Vec::new();
        for variable in container.environment() {
            let name = text(variable, "name");
            if seen.contains(&name) {
                problems.push(format!("{}: {name} is set twice", container.label()));
            }
            seen.push(name);
            if !variable["valueFrom"]["secretKeyRef"].is_null() {
                problems.push(format!("{}: {name} is read from a Secret", container.label()));
            }
        }
        if list(container.fields, "envFrom")
            .iter()
            .any(|from| !from["secretRef"].is_null())
        {
            problems.push(format!("{}: variables are read from a Secret", container.label()));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::{Broken, cron_job, task};
    use super::*;

    #[test]
    fn a_container_without_a_command_is_found() {
        Broken::new(command_is_set, cron_job())
            .without("/spec/jobTemplate/spec/template/spec/containers/0/command")
            .says("command is not set");
        Broken::new(command_is_set, task())
            .without("/spec/steps/0/command")
            .says("command is not set");
        Broken::new(command_is_set, task())
            .with("/spec/steps/0", json!({ "name": "a", "ref": { "name": "b" } }))
            .says_nothing();
    }

    #[test]
    fn an_incomplete_security_context_is_found_wherever_it_stands() {
        let rule = security_context_is_restricted;
        let pod = "/spec/jobTemplate/spec/template/spec";
        for field in [
            "allowPrivilegeEscalation",
            "readOnlyRootFilesystem",
            "capabilities",
        ] {
            let path = format!("{pod}/containers/0/securityContext/{field}");
            Broken::new(rule, cron_job()).without(&path).says(field);
            Broken::new(rule, task())
                .without(&format!("/spec/steps/0/securityContext/{field}"))
                .says(field);
        }
        for field in ["runAsNonRoot", "seccompProfile"] {
            Broken::new(rule, cron_job())
                .without(&format!("{pod}/securityContext/{field}"))
                .says(field);
            Broken::new(rule, task())
                .without(&format!("/spec/steps/0/securityContext/{field}"))
                .says(field);
        }
        let own = format!("{pod}/containers/0/securityContext");
        Broken::new(rule, cron_job())
            .with(&format!("{own}/runAsNonRoot"), json!(false))
            .says("runAsNonRoot is false");
        Broken::new(rule, cron_job())
            .with(&format!("{own}/privileged"), json!(true))
            .says("privileged");
        Broken::new(rule, cron_job())
            .with(
                &format!("{own}/capabilities"),
                json!({ "drop": ["ALL"], "add": ["NET_RAW"] }),
            )
            .says("capabilities");
    }

    #[test]
    fn a_chosen_user_or_group_is_found_at_any_depth() {
        for name in USERS {
            let path = format!("/spec/jobTemplate/spec/template/spec/securityContext/{name}");
            Broken::new(no_user_is_chosen, cron_job())
                .with(&path, json!(65532))
                .says(name);
            Broken::new(no_user_is_chosen, task())
                .with(&format!("/spec/stepTemplate/securityContext/{name}"), json!(1))
                .says(name);
        }
    }

    #[test]
    fn memory_without_a_bound_and_a_cpu_with_one_are_found() {
        let container = "/spec/jobTemplate/spec/template/spec/containers/0/resources";
        for path in ["/requests/cpu", "/requests/memory", "/limits/memory"] {
            Broken::new(memory_is_bounded, cron_job())
                .without(&format!("{container}{path}"))
                .says("is not set");
            Broken::new(memory_is_bounded, task())
                .without(&format!("/spec/steps/0/computeResources{path}"))
                .says("is not set");
        }
        Broken::new(memory_is_bounded, cron_job())
            .with(&format!("{container}/limits/cpu"), json!("1"))
            .says("limits.cpu is set");
    }

    #[test]
    fn what_is_the_nodes_is_found() {
        let pod = "/spec/jobTemplate/spec/template/spec";
        for name in ["hostNetwork", "hostPID", "hostIPC"] {
            Broken::new(nothing_of_the_nodes_is_used, cron_job())
                .with(&format!("{pod}/{name}"), json!(true))
                .says(name);
        }
        let volumes = json!([{ "name": "a", "hostPath": { "path": "/" } }]);
        Broken::new(nothing_of_the_nodes_is_used, task())
            .with("/spec/volumes", volumes)
            .says("hostPath");
    }

    #[test]
    fn a_credential_in_the_environment_and_a_variable_set_twice_are_found() {
        let secret = json!({ "name": "TOKEN", "valueFrom": { "secretKeyRef": { "name": "a", "key": "b" } } });
        Broken::new(environment_is_clean, task())
            .with("/spec/steps/0/env/0", secret)
            .says("TOKEN is read from a Secret");
        let twice = json!([{ "name": "A", "value": "1" }, { "name": "A", "value": "2" }]);
        Broken::new(environment_is_clean, task())
            .with("/spec/steps/0/env", twice)
            .says("A is set twice");
        let from = json!([{ "secretRef": { "name": "a" } }]);
        Broken::new(environment_is_clean, cron_job())
            .with("/spec/jobTemplate/spec/template/spec/containers/0/envFrom", from)
            .says("variables are read");
    }
}
