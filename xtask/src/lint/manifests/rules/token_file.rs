//! The token of a file, such as a robot account's password, goes to the registry that the install names (contract,
//! section 7).

use serde_json::Value;

use super::{
    super::{
        collect::Manifests,
        object::{Environment, OURS, containers, environments, list, text},
    },
    trust::is_literal,
};

/// The variable that names the file.
pub const TOKEN_FILE: &str = "PULL_SECRET_TOKEN_FILE";
/// The variables that decide where its token is sent, and for which user.
const DESTINATION: &[&str] = &["PULL_SECRET_REGISTRY", "PULL_SECRET_USERNAME"];
/// Their params.
const PARAMS: &[&str] = &["REGISTRY", "USERNAME"];

/// Registry and user name beside a token file are literals in the same list, and no param has their names.
pub fn its_destination_is_literal(object: &Value, _: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    let mut with_file = environments(object);
    with_file.retain(|environment| environment.sets(TOKEN_FILE));
    for environment in &with_file {
        let wrong = wrong(environment).into_iter();
        problems.extend(wrong.map(|problem| format!("{}: {problem}", environment.place)));
    }
    if with_file.is_empty() {
        return problems;
    }
    for spec in [&object["spec"], &object["spec"]["taskSpec"]] {
        let names = list(spec, "params").iter().map(|one| text(one, "name"));
        problems.extend(
            names.filter(|name| PARAMS.contains(name)).map(|name| {
                format!("param {name} beside {TOKEN_FILE}: set its variable to a literal instead")
            }),
        );
    }
    let containers = containers(object).into_iter();
    let references = containers.filter(|step| step.fields["ref"]["name"] == OURS);
    problems.extend(references.map(|step| {
        let name = step.name();
        format!("step {name:?}: the StepAction takes {PARAMS:?} as params: store a token file by the Task")
    }));
    problems
}

/// Violations in a list that sets a token file.
fn wrong(environment: &Environment<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for name in DESTINATION {
        match environment.settings(name)[..] {
            [setting] if is_fixed(setting) => {}
            [setting] => problems.push(format!(
                "{TOKEN_FILE} is set, and {name} is {setting} instead of a literal"
            )),
            [] => problems.push(format!("{TOKEN_FILE} is set, and {name} is not")),
            _ => problems.push(format!("{TOKEN_FILE} is set, and {name} is set twice")),
        }
    }
    if environment.place.ends_with("stepTemplate.env") {
        problems.push(format!(
            "{TOKEN_FILE} is set in a stepTemplate, which a step's own variables replace: set it on the step"
        ));
    }
    problems
}

/// A literal that isn't empty and has no path of a workspace.
fn is_fixed(setting: &Value) -> bool {
    let value = text(setting, "value");
    is_literal(setting) && !value.is_empty() && !value.contains("$(")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{
        super::{
            fixtures::{Broken, all, cron_job, robot_task, task},
            object::our_container,
        },
        judge,
    };
    use super::*;

    fn run(spec: Value) -> Value {
        json!({ "kind": "TaskRun", "metadata": { "generateName": "a-" }, "spec": spec })
    }

    fn variable(name: &str, value: &str) -> Value {
        json!({ "name": name, "value": value })
    }

    /// A token file with its destination.
    fn right() -> Vec<Value> {
        vec![
            variable(TOKEN_FILE, "/robot/token"),
            variable("PULL_SECRET_REGISTRY", "quay.io/team"),
            variable("PULL_SECRET_USERNAME", "team+robot"),
        ]
    }

    /// Objects in which a list of variables can be set.
    fn places(env: &[Value]) -> [Value; 6] {
        [
            json!({ "podTemplate": { "env": env } }),
            json!({ "taskRunTemplate": { "podTemplate": { "env": env } } }),
            json!({ "taskRunSpecs": [{ "podTemplate": { "env": env } }] }),
            json!({ "taskSpec": { "steps": [{ "env": env }] } }),
            json!({ "template": { "spec": { "containers": [{ "env": env }] } } }),
            json!({ "resourcetemplates": [{ "spec": { "podTemplate": { "env": env } } }] }),
        ]
        .map(run)
    }

    #[test]
    fn s1_a_token_file_beside_a_registry_or_user_name_from_outside_is_refused() {
        let from_outside = [
            "",
            "$(params.REGISTRY)",
            "$(params.REGISTRIES[*])",
            "$(params.REGISTRIES[0])",
            "quay.io,$(params[\"REGISTRY\"])",
            "$(workspaces.config.path)",
            "$(context.pipelineRun.name)",
            "$(PULL_SECRET_IMAGE)",
            "$(tt.params.registry)",
            "{{ registry }}",
        ];
        for (index, name) in [(1, "PULL_SECRET_REGISTRY"), (2, "PULL_SECRET_USERNAME")] {
            let reference = json!({ "configMapKeyRef": { "name": "a", "key": "b" } });
            let values = from_outside.map(|value| variable(name, value));
            let mut wrong: Vec<_> = [&values[..], &[json!({ "name": name, "valueFrom": reference })]]
                .concat()
                .into_iter()
                .map(|variable| {
                    let mut env = right();
                    env[index] = variable;
                    (env, name.to_owned())
                })
                .collect();
            let mut without = right();
            without.remove(index);
            wrong.push((without, format!("{name} is not")));
            wrong.push((
                [right(), vec![variable(name, "evil.example")]].concat(),
                "set twice".to_owned(),
            ));
            for (env, problem) in wrong {
                for (right, wrong) in places(&right()).into_iter().zip(places(&env)) {
                    Broken::new(its_destination_is_literal, right)
                        .and(wrong)
                        .reports(&problem);
                }
            }
        }
    }

    #[test]
    fn s1_a_stand_alone_list_and_a_step_template_are_judged_too() {
        for (object, problem) in [
            (
                json!([variable(TOKEN_FILE, "/robot/token")]),
                "PULL_SECRET_REGISTRY is not",
            ),
            (
                run(json!({ "taskSpec": { "stepTemplate": { "env": right() } } })),
                "stepTemplate",
            ),
        ] {
            Broken::new(its_destination_is_literal, Value::from(right()))
                .and(object)
                .reports(problem);
        }
    }

    #[test]
    fn s1_a_task_with_a_token_file_and_a_param_for_its_registry_is_refused() {
        let rule = its_destination_is_literal;
        // As it was shipped: the file was added, and the Task kept its params.
        let mut env = task()["spec"]["steps"][0]["env"]
            .as_array()
            .cloned()
            .expect("a list");
        env.push(variable(TOKEN_FILE, "/robot/token"));
        let broken = Broken::new(rule, task()).with("/spec/steps/0/env", env.into());
        for name in PARAMS {
            broken.reports(&format!("PULL_SECRET_{name}"));
            broken.reports(&format!("param {name}"));
            Broken::new(rule, robot_task())
                .with("/spec/params/0/name", json!(name))
                .reports(&format!("param {name}"));
            let params = json!([{ "name": name, "value": "evil.example" }]);
            Broken::new(rule, run(json!({ "podTemplate": { "env": right() } })))
                .with("/spec/params", params)
                .reports(&format!("param {name}"));
        }
    }

    #[test]
    fn s1_a_token_file_for_the_step_action_is_refused() {
        let task = json!({ "kind": "Task", "metadata": { "name": "a" }, "spec": {
            "stepTemplate": { "env": right() }, "steps": [{ "name": "a", "ref": { "name": OURS } }],
        } });
        Broken::new(its_destination_is_literal, run(json!({})))
            .and(task)
            .reports("the StepAction takes");
    }

    #[test]
    fn s1_a_cron_job_with_a_token_file_names_its_registry() {
        let path = "/spec/jobTemplate/spec/template/spec/containers/0/env";
        Broken::new(its_destination_is_literal, cron_job())
            .with(path, json!([variable(TOKEN_FILE, "/robot/token")]))
            .reports("PULL_SECRET_REGISTRY is not");
    }

    #[test]
    fn s1_everything_shipped_with_a_token_file_has_literals() {
        let with_file = all().iter().filter(|one| {
            let mut environments = one.objects.iter().flat_map(environments);
            environments.any(|environment| environment.sets(TOKEN_FILE))
        });
        let all: Vec<_> = with_file.collect();
        for origin in [
            "tekton/overlays/kubernetes, installed",
            "tekton/overlays/several-secrets/quay, installed",
            "components/cronjob components/token-file components/names, installed",
            "tekton/samples/robot-account.yaml",
            "README.md",
            "docs/how-to/quay-robot.md",
            "docs/how-to/several-secrets.md",
        ] {
            assert!(
                all.iter().any(|one| one.origin == origin),
                "{origin} sets no token file"
            );
        }
        for one in all {
            assert_eq!(judge(its_destination_is_literal, one), [""; 0], "{}", one.origin);
        }
    }

    #[test]
    fn s1_the_names_of_an_install_reach_the_task_with_a_token_file() {
        let task = robot_task();
        let container = our_container(&task).expect("the program's step");
        for (name, value) in [
            ("SERVICE_ACCOUNT", None),
            (
                "REGISTRY",
                Some("image-registry.openshift-image-registry.svc:5000"),
            ),
            ("USERNAME", Some("<token>")),
        ] {
            assert_eq!(
                container.variable(&format!("PULL_SECRET_{name}")),
                value,
                "{name}"
            );
        }
    }
}
