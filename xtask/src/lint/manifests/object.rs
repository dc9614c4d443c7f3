//! Objects as JSON, and the containers in them: a pod's, a step of Tekton's, a StepAction as a whole.

use ensure_pull_secret::config::PREFIX;
use serde_json::Value;

/// The name of the container, the step, the Task and the StepAction that run the program.
pub const OURS: &str = "ensure-pull-secret";

/// `Kind/name`, for messages.
pub fn label(object: &Value) -> String {
    let metadata = &object["metadata"];
    let names = ["name", "generateName"].map(|member| text(metadata, member));
    let name = names.into_iter().find(|name| !name.is_empty());
    format!("{}/{}", text(object, "kind"), name.unwrap_or_default())
}

/// A string member; empty where it is absent or something else.
pub fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// A list member; empty where it is absent or something else.
pub fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().map_or(&[], Vec::as_slice)
}

/// Objects of a kind.
pub fn of_kind<'a>(objects: &'a [Value], kind: &str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

/// Every value in `value`, itself included, with the names of the members that lead to it, joined by dots.
pub fn values(value: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    collect_values(value, String::new(), &mut found);
    found
}

fn collect_values<'a>(value: &'a Value, place: String, found: &mut Vec<(String, &'a Value)>) {
    found.push((place.clone(), value));
    let separator = if place.is_empty() { "" } else { "." };
    for (name, member) in value.as_object().into_iter().flatten() {
        collect_values(member, format!("{place}{separator}{name}"), found);
    }
    for one in value.as_array().into_iter().flatten() {
        collect_values(one, place.clone(), found);
    }
}

/// The last member of a place.
pub fn last(place: &str) -> &str {
    place.rsplit('.').next().unwrap_or_default()
}

/// A container, a step, or a StepAction.
#[derive(Clone, Copy, Debug)]
pub struct Container<'a> {
    /// The object it is in.
    pub object: &'a Value,
    /// Its own fields.
    pub fields: &'a Value,
    /// Its pod; `None` for Tekton's steps, whose pod is created later.
    pub pod: Option<&'a Value>,
}

impl<'a> Container<'a> {
    /// Its name; a StepAction's own.
    pub fn name(&self) -> &'a str {
        if self.object["kind"] == "StepAction" {
            return text(&self.object["metadata"], "name");
        }
        text(self.fields, "name")
    }

    /// Its environment.
    pub fn environment(&self) -> &'a [Value] {
        list(self.fields, "env")
    }

    /// A variable's value, where it is set to a literal.
    pub fn variable(&self, name: &str) -> Option<&'a str> {
        let mut variables = self.environment().iter();
        variables.find(|one| one["name"] == name)?["value"].as_str()
    }
}

/// Every container, init container, step and sidecar of an object, at any depth: of pods, of Tasks that are embedded in
/// runs and Pipelines, and of the objects in a TriggerTemplate.
pub fn containers(object: &Value) -> Vec<Container<'_>> {
    let mut found = Vec::new();
    if object["kind"] == "StepAction" {
        let fields = &object["spec"];
        found.push(Container {
            object,
            fields,
            pod: None,
        });
    }
    for (_, parent) in values(object) {
        for (members, pod) in [
            (["containers", "initContainers"], Some(parent)),
            (["steps", "sidecars"], None),
        ] {
            let all = members.into_iter().flat_map(|member| list(parent, member));
            found.extend(all.map(|fields| Container { object, fields, pod }));
        }
    }
    found
}

/// The container of an object that has the program's name.
pub fn our_container(object: &Value) -> Option<Container<'_>> {
    containers(object).into_iter().find(|one| one.name() == OURS)
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
        let variables = self.variables.iter();
        variables.filter(|variable| variable["name"] == name).collect()
    }

    /// Whether it sets a variable to a value that is not empty.
    pub fn sets(&self, name: &str) -> bool {
        self.settings(name)
            .iter()
            .any(|setting| setting.get("valueFrom").is_some() || !text(setting, "value").is_empty())
    }
}

/// Every list of environment variables in a value: those of containers and steps, of a stepTemplate or podTemplate, of
/// the objects in a TriggerTemplate; also a list that stands alone, as documents show it.
pub fn environments(value: &Value) -> Vec<Environment<'_>> {
    let ours = |variable: &Value| text(variable, "name").starts_with(PREFIX);
    let mut found = Vec::new();
    for (place, value) in values(value) {
        let variables = value.as_array().map_or(&[][..], Vec::as_slice);
        if value.is_array() && last(&place) == "env" || variables.iter().any(ours) {
            found.push(Environment { place, variables });
        }
    }
    found
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
    fn containers_are_found_wherever_an_object_has_them() {
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
            (json!({ "kind": "Task", "spec": task }), &["a", "b"]),
            (json!({ "kind": "TaskRun", "spec": { "taskRef": {} } }), &[]),
            (
                json!({ "kind": "PipelineRun", "spec": { "pipelineSpec": tasks } }),
                &["a", "b", "a", "b"],
            ),
            (
                json!({ "kind": "StepAction", "metadata": { "name": "s" }, "spec": {} }),
                &["s"],
            ),
        ] {
            let found: Vec<_> = containers(&object)
                .iter()
                .map(|one| one.name().to_owned())
                .collect();
            assert_eq!(found, names, "{object}");
        }
    }
}
