//! Objects as JSON, and the containers in them: a pod's, a step of Tekton's, a StepAction as a whole.

use ensure_pull_secret::config::PREFIX;
use serde_json::Value;

/// The name of the container, the step, the Task and the StepAction that run the program.
pub const OURS: &str = "ensure-pull-secret";

/// `Kind/name`, to be told to people.
pub fn label(object: &Value) -> String {
    let metadata = &object["metadata"];
    let name = text(metadata, "name");
    let name = if name.is_empty() {
        text(metadata, "generateName")
    } else {
        name
    };
    format!("{}/{name}", text(object, "kind"))
}

/// A string member; empty where it is absent or something else.
pub fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// A list member; empty where it is absent or something else.
pub fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().map_or(&[], Vec::as_slice)
}

/// Those of a kind.
pub fn of_kind<'a>(objects: &'a [Value], kind: &str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

/// What runs an image, or a StepAction's.
#[derive(Clone, Copy, Debug)]
pub struct Container<'a> {
    /// The object it is in.
    pub object: &'a Value,
    /// Its own fields.
    pub fields: &'a Value,
    /// The pod's fields that hold for it; none for Tekton's steps, whose pod is made later.
    pub pod: Option<&'a Value>,
}

impl Container<'_> {
    /// `Kind/name, container name`, to be told to people.
    pub fn label(&self) -> String {
        format!("{}, container {:?}", label(self.object), self.name())
    }

    /// Its name; a StepAction's own.
    pub fn name(&self) -> &str {
        if self.object["kind"] == "StepAction" {
            return text(&self.object["metadata"], "name");
        }
        text(self.fields, "name")
    }

    /// Whether it is a step that takes everything from a StepAction.
    pub fn is_reference(&self) -> bool {
        self.fields.get("ref").is_some()
    }

    /// Its environment.
    pub fn environment(&self) -> &[Value] {
        list(self.fields, "env")
    }

    /// A variable's value, where it is set to a literal.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment()
            .iter()
            .find(|variable| variable["name"] == name)
            .and_then(|variable| variable["value"].as_str())
    }
}

/// Every container, init container, step and sidecar of an object, those of Tasks that are embedded in runs and Pipelines
/// included.
pub fn containers(object: &Value) -> Vec<Container<'_>> {
    let mut found = Vec::new();
    for pod in pod_specs(object) {
        for fields in list(pod, "containers").iter().chain(list(pod, "initContainers")) {
            found.push(Container {
                object,
                fields,
                pod: Some(pod),
            });
        }
    }
    if object["kind"] == "StepAction" {
        found.push(Container {
            object,
            fields: &object["spec"],
            pod: None,
        });
    }
    for task in task_specs(object) {
        for fields in list(task, "steps").iter().chain(list(task, "sidecars")) {
            found.push(Container {
                object,
                fields,
                pod: None,
            });
        }
    }
    found
}

/// A list of environment variables.
#[derive(Clone, Debug)]
pub struct Environment<'a> {
    /// The members that lead to it, joined by dots.
    pub place: String,
    /// As they are written.
    pub variables: &'a [Value],
}

impl<'a> Environment<'a> {
    /// Every setting of a variable: Kubernetes takes the last of several.
    pub fn settings(&self, name: &str) -> Vec<&'a Value> {
        self.variables
            .iter()
            .filter(|variable| variable["name"] == name)
            .collect()
    }

    /// Whether it sets a variable to anything but nothing.
    pub fn sets(&self, name: &str) -> bool {
        self.settings(name)
            .iter()
            .any(|setting| setting["value"] != "" && (setting["value"].is_string() || is_from(setting)))
    }
}

fn is_from(setting: &Value) -> bool {
    setting.get("valueFrom").is_some()
}

/// Every list of environment variables in a value: those of containers and steps, of a stepTemplate or podTemplate, of
/// the objects in a TriggerTemplate; also a list that stands alone, as documents show it.
pub fn environments(value: &Value) -> Vec<Environment<'_>> {
    let mut found = Vec::new();
    collect_environments(value, &mut Vec::new(), &mut found);
    found
}

fn collect_environments<'a>(value: &'a Value, path: &mut Vec<String>, found: &mut Vec<Environment<'a>>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                path.push(name.clone());
                collect_environments(member, path, found);
                path.pop();
            }
        }
        Value::Array(values) => {
            let ours = |variable: &Value| text(variable, "name").starts_with(PREFIX);
            if path.last().is_some_and(|name| name == "env") || values.iter().any(ours) {
                found.push(Environment {
                    place: path.join("."),
                    variables: values,
                });
            }
            for value in values {
                collect_environments(value, path, found);
            }
        }
        _ => {}
    }
}

/// The pods that an object is or makes.
pub fn pod_specs(object: &Value) -> Vec<&Value> {
    let path = match text(object, "kind") {
        "Pod" => "/spec",
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        "Job" | "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => "/spec/template/spec",
        _ => return Vec::new(),
    };
    object.pointer(path).into_iter().collect()
}

/// The Tasks that an object is or has in it.
fn task_specs(object: &Value) -> Vec<&Value> {
    let spec = &object["spec"];
    let pipeline = match text(object, "kind") {
        "Task" => return vec![spec],
        "TaskRun" => return spec.get("taskSpec").into_iter().collect(),
        "Pipeline" => spec,
        "PipelineRun" => &spec["pipelineSpec"],
        _ => return Vec::new(),
    };
    list(pipeline, "tasks")
        .iter()
        .chain(list(pipeline, "finally"))
        .filter_map(|task| task.get("taskSpec"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn environments_are_found_at_any_depth_and_alone() {
        let list = json!([{ "name": "PULL_SECRET_NAME", "value": "a" }]);
        for (value, place) in [
            (list.clone(), ""),
            (json!({ "env": [{ "name": "A", "value": "b" }] }), "env"),
            (
                json!({ "spec": { "podTemplate": { "env": list } } }),
                "spec.podTemplate.env",
            ),
            (
                json!({ "spec": { "taskRunSpecs": [{ "podTemplate": { "env": list } }] } }),
                "spec.taskRunSpecs.podTemplate.env",
            ),
            (
                json!({ "spec": { "resourcetemplates": [{ "spec": { "env": list } }] } }),
                "spec.resourcetemplates.spec.env",
            ),
        ] {
            let found = environments(&value);
            let places: Vec<_> = found.iter().map(|one| one.place.as_str()).collect();
            assert_eq!(places, [place], "{value}");
        }
        assert!(environments(&json!({ "params": [{ "name": "NAME", "value": "a" }] })).is_empty());
    }

    #[test]
    fn containers_are_found_wherever_an_object_keeps_them() {
        let pod = json!({ "containers": [{ "name": "a" }], "initContainers": [{ "name": "b" }] });
        let task = json!({ "steps": [{ "name": "a" }], "sidecars": [{ "name": "b" }] });
        let tasks =
            json!({ "tasks": [{ "taskSpec": task }, { "taskRef": {} }], "finally": [{ "taskSpec": task }] });
        for (object, names) in [
            (json!({ "kind": "Pod", "spec": pod }), &["a", "b"][..]),
            (
                json!({ "kind": "Job", "spec": { "template": { "spec": pod } } }),
                &["a", "b"],
            ),
            (
                json!({ "kind": "CronJob", "spec": { "jobTemplate": { "spec": { "template": { "spec": pod } } } } }),
                &["a", "b"],
            ),
            (json!({ "kind": "Task", "spec": task }), &["a", "b"]),
            (
                json!({ "kind": "TaskRun", "spec": { "taskSpec": task } }),
                &["a", "b"],
            ),
            (json!({ "kind": "TaskRun", "spec": { "taskRef": {} } }), &[]),
            (
                json!({ "kind": "Pipeline", "spec": tasks }),
                &["a", "b", "a", "b"],
            ),
            (
                json!({ "kind": "PipelineRun", "spec": { "pipelineSpec": tasks } }),
                &["a", "b", "a", "b"],
            ),
            (
                json!({ "kind": "StepAction", "metadata": { "name": "s" }, "spec": {} }),
                &["s"],
            ),
            (json!({ "kind": "ConfigMap" }), &[]),
        ] {
            let found: Vec<_> = containers(&object)
                .iter()
                .map(|one| one.name().to_owned())
                .collect();
            assert_eq!(found, names, "{object}");
        }
    }
}
