//! Runners: the admission policy restricts each of them, its name is used for nothing else, and no Service of its namespace
//! can take the place of the API server.

use serde_json::Value;

use super::super::{
    collect::Manifests,
    object::{OURS, containers, label, list, of_kind, text},
};

/// ServiceAccounts that platforms create in every namespace for other work, which the policy would deny: OpenShift
/// Pipelines', Kubernetes' and OpenShift's.
const SHARED: &[&str] = &["pipeline", "default", "builder", "deployer"];

/// The runner of a policy: the eighth part of its match condition, where apostrophes part it.
fn runner(policy: &Value) -> &str {
    let conditions = list(&policy["spec"], "matchConditions");
    let condition = conditions.iter().find(|one| one["name"] == "runner");
    condition.map_or("", |one| {
        text(one, "expression").split('\'').nth(7).unwrap_or_default()
    })
}

/// The ServiceAccounts that may create Secrets, each with the binding that permits it.
fn creators(objects: &[Value]) -> Vec<(&Value, &str)> {
    let creates = |rule: &Value| {
        let has = |member: &str, one: &str| {
            list(rule, member)
                .iter()
                .any(|value| value == one || value == "*")
        };
        has("resources", "secrets") && has("verbs", "create")
    };
    let bindings = of_kind(objects, "RoleBinding").chain(of_kind(objects, "ClusterRoleBinding"));
    bindings
        .filter(|binding| {
            let role = &binding["roleRef"];
            of_kind(objects, text(role, "kind"))
                .filter(|one| one["metadata"]["name"] == role["name"])
                .any(|role| list(role, "rules").iter().any(creates))
        })
        .flat_map(|binding| {
            let subjects = list(binding, "subjects").iter();
            subjects
                .filter(|subject| subject["kind"] == "ServiceAccount")
                .map(move |subject| (binding, text(subject, "name")))
        })
        .collect()
}

/// Each ServiceAccount that may create Secrets has a runner's name: the policy beside it or, where there is none, the
/// shipped one restricts it.
pub fn the_policy_restricts_whoever_creates_secrets(manifests: &Manifests) -> Vec<String> {
    let mut runners: Vec<&str> = of_kind(&manifests.objects, "ValidatingAdmissionPolicy")
        .map(runner)
        .collect();
    if runners.is_empty() {
        runners.push(OURS);
    }
    let is_restricted = |account: &str| {
        runners
            .iter()
            .any(|runner| format!("{account}-").starts_with(&format!("{runner}-")))
    };
    creators(&manifests.objects)
        .into_iter()
        .filter(|(_, account)| !is_restricted(account))
        .map(|(binding, account)| {
            format!(
                "{}: {account} may create secrets, and the admission policy of {runners:?} doesn't restrict it",
                label(binding)
            )
        })
        .collect()
}

/// No runner has the name of a ServiceAccount that platforms create for other work.
pub fn the_runner_has_a_name_of_its_own(manifests: &Manifests) -> Vec<String> {
    let policies =
        of_kind(&manifests.objects, "ValidatingAdmissionPolicy").map(|policy| (policy, runner(policy)));
    let mut found: Vec<(&Value, &str)> = policies.chain(creators(&manifests.objects)).collect();
    for object in &manifests.objects {
        let pods = containers(object).into_iter().filter(|one| one.name() == OURS);
        let accounts = pods.filter_map(|one| Some(text(one.pod?, "serviceAccountName")));
        found.extend(accounts.map(|account| (object, account)));
        if runs_ours(object) {
            let spec = &object["spec"];
            let template = &spec["taskRunTemplate"];
            let others = list(spec, "taskRunSpecs").iter().chain([spec, template]);
            found.extend(others.map(|one| (object, text(one, "serviceAccountName"))));
        }
    }
    found
        .into_iter()
        .filter(|(_, account)| SHARED.contains(account))
        .map(|(object, account)| format!("{}: the runner is {account}, which has other work", label(object)))
        .collect()
}

/// A TaskRun, or a PipelineRun, which names the Pipeline and not our Task.
fn runs_ours(object: &Value) -> bool {
    match text(object, "kind") {
        "TaskRun" => object["spec"]["taskRef"]["name"] == OURS || object["spec"].get("taskSpec").is_some(),
        "PipelineRun" => true,
        _ => false,
    }
}

/// Pods of the runner get no Service's variables: one named `kubernetes` would name another API server. A Task can't say
/// so, its runs can.
pub fn no_service_names_the_api_server(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for object in &manifests.objects {
        let has_links = |pod: &Value| pod["enableServiceLinks"] != false;
        let spec = &object["spec"];
        let linked = match text(object, "kind") {
            "TaskRun" => has_links(&spec["podTemplate"]),
            "PipelineRun" => {
                has_links(&spec["taskRunTemplate"]["podTemplate"])
                    || list(spec, "taskRunSpecs")
                        .iter()
                        .any(|one| one["podTemplate"]["enableServiceLinks"] == true)
            }
            _ => containers(object)
                .iter()
                .any(|one| one.name() == OURS && one.pod.is_some_and(has_links)),
        };
        if linked {
            problems.push(format!("{}: enableServiceLinks is not false", label(object)));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::{
        collect::{Form, manifests},
        fixtures::{Broken, cron_job, installed},
    };
    use super::*;

    fn first(kind: &str) -> Vec<Value> {
        let mut objects = installed();
        let index = objects
            .iter()
            .position(|object| object["kind"] == kind && object["metadata"]["name"] == OURS);
        objects.swap(0, index.expect("an install has it"));
        objects
    }

    fn task_run(spec: &Value) -> Value {
        let mut run = json!({ "kind": "TaskRun", "metadata": { "generateName": "a-" }, "spec": {
            "taskRef": { "name": OURS }, "serviceAccountName": OURS, "podTemplate": { "enableServiceLinks": false },
        } });
        let members = spec.as_object().expect("an object").clone();
        run["spec"].as_object_mut().expect("an object").extend(members);
        run
    }

    #[test]
    fn s7_a_creator_of_secrets_that_no_policy_restricts_is_refused() {
        let rule = the_policy_restricts_whoever_creates_secrets;
        for (account, restricted) in [
            ("ensure-pull-secret", true),
            ("ensure-pull-secret-quay", true),
            ("ensure-pull-secret2", false),
            ("quay", false),
            ("model-pipeline-sa", false),
        ] {
            let broken = Broken::among(rule, Form::Installed, first("RoleBinding"))
                .with("/subjects/0/name", json!(account));
            if restricted {
                broken.says_nothing();
            } else {
                broken.reports(&format!("{account} may create secrets"));
            }
        }
        // Without a policy beside it, the shipped one counts.
        let mut objects = first("RoleBinding");
        objects.retain(|object| !text(object, "kind").starts_with("Validating"));
        Broken::among(rule, Form::Sample, objects)
            .with("/subjects/0/name", json!("quay"))
            .reports("quay may create secrets");
        // Beside another policy, its runner counts.
        let condition = "/spec/matchConditions/0/expression";
        let mut objects = installed();
        let index = objects
            .iter()
            .position(|one| one["kind"] == "ValidatingAdmissionPolicy");
        objects.swap(0, index.expect("an install has a policy"));
        let expression = objects[0]
            .pointer(condition)
            .and_then(Value::as_str)
            .expect("an expression");
        let other = expression.replace(OURS, "other");
        Broken::among(rule, Form::Installed, objects)
            .with(condition, json!(other))
            .reports("ensure-pull-secret may create secrets");
    }

    #[test]
    fn s7_every_creator_of_secrets_below_tekton_is_restricted() {
        let all = manifests().expect("the manifests can be rendered");
        let with_creators = all.iter().filter(|one| !creators(&one.objects).is_empty());
        let origins: Vec<&str> = with_creators.map(|one| one.origin.as_str()).collect();
        for origin in [
            "tekton/samples/robot-account/role.yaml",
            "tekton",
            "tekton/overlays/demo-names",
        ] {
            assert!(origins.contains(&origin), "{origin} is not judged: {origins:?}");
        }
        for one in &all {
            assert_eq!(
                the_policy_restricts_whoever_creates_secrets(one),
                [""; 0],
                "{}",
                one.origin
            );
        }
        let docs = include_str!("../../../../../docs/role.yaml");
        let objects = test_cluster::manifest::documents(docs).expect("YAML");
        assert_eq!(creators(&objects).len(), 1);
        let role = Manifests {
            origin: "docs/role.yaml".to_owned(),
            form: Form::Document,
            objects,
        };
        assert_eq!(the_policy_restricts_whoever_creates_secrets(&role), [""; 0]);
    }

    #[test]
    fn s10_a_runner_with_a_name_that_platforms_use_is_refused() {
        let rule = the_runner_has_a_name_of_its_own;
        for account in SHARED {
            let said = format!("the runner is {account}");
            Broken::among(rule, Form::Installed, first("RoleBinding"))
                .with("/subjects/0/name", json!(account))
                .reports(&said);
            Broken::new(rule, cron_job())
                .with(
                    "/spec/jobTemplate/spec/template/spec/serviceAccountName",
                    json!(account),
                )
                .reports(&said);
            let runs = [
                task_run(&json!({ "serviceAccountName": account })),
                json!({ "kind": "PipelineRun", "spec": { "taskRunTemplate": { "serviceAccountName": account } } }),
                json!({ "kind": "PipelineRun", "spec": { "taskRunSpecs": [{ "serviceAccountName": account }] } }),
            ];
            for run in runs {
                Broken::new(rule, task_run(&json!({}))).and(run).reports(&said);
            }
            let policy = of_kind(&installed(), "ValidatingAdmissionPolicy")
                .next()
                .expect("a policy")
                .clone();
            let condition = "/spec/matchConditions/0/expression";
            let expression = policy
                .pointer(condition)
                .and_then(Value::as_str)
                .expect("an expression");
            let shared = expression.replace(OURS, account);
            Broken::new(rule, policy)
                .with(condition, json!(shared))
                .reports(&said);
        }
        Broken::new(
            rule,
            task_run(&json!({ "serviceAccountName": "ensure-pull-secret-quay" })),
        )
        .says_nothing();
    }

    #[test]
    fn s17_a_run_with_service_links_is_refused() {
        let rule = no_service_names_the_api_server;
        for template in [json!({}), json!({ "enableServiceLinks": true }), Value::Null] {
            Broken::new(rule, task_run(&json!({})))
                .with("/spec/podTemplate", template)
                .reports("enableServiceLinks");
        }
        let run = |spec: Value| json!({ "kind": "PipelineRun", "metadata": { "generateName": "a-" }, "spec": spec });
        let off = json!({ "podTemplate": { "enableServiceLinks": false } });
        let right = run(json!({ "taskRunTemplate": off, "taskRunSpecs": [{ "serviceAccountName": OURS }] }));
        Broken::new(rule, right.clone())
            .without("/spec/taskRunTemplate")
            .reports("enableServiceLinks");
        Broken::new(rule, right)
            .with(
                "/spec/taskRunSpecs/0/podTemplate",
                json!({ "enableServiceLinks": true }),
            )
            .reports("enableServiceLinks");
        Broken::new(rule, cron_job())
            .without("/spec/jobTemplate/spec/template/spec/enableServiceLinks")
            .reports("CronJob");
    }
}
