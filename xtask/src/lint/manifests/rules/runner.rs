//! Runners: the admission policy restricts each of them, its name is used for nothing else, and no Service of its namespace
//! can take the place of the API server.

use serde_json::Value;

use super::super::{
    collect::Manifests,
    object::{OURS, containers, list, of_kind, text, values},
};

/// ServiceAccounts that platforms create in every namespace for other work, which the policy would deny: OpenShift
/// Pipelines', Kubernetes' and OpenShift's.
const SHARED: &[&str] = &["pipeline", "default", "builder", "deployer"];

/// The runner of a policy: the eighth part of its match condition, where apostrophes part it.
fn runner(policy: &Value) -> Option<&str> {
    let mut conditions = list(&policy["spec"], "matchConditions").iter();
    let condition = conditions.find(|one| one["name"] == "runner")?;
    text(condition, "expression").split('\'').nth(7)
}

/// The ServiceAccounts that may create Secrets by a binding.
fn creators<'a>(binding: &'a Value, objects: &'a [Value]) -> Vec<&'a str> {
    let creates = |rule: &Value| {
        let has = |member, one: &str| {
            list(rule, member)
                .iter()
                .any(|value| value == one || value == "*")
        };
        has("resources", "secrets") && has("verbs", "create")
    };
    let role = &binding["roleRef"];
    let mut roles =
        of_kind(objects, text(role, "kind")).filter(|one| one["metadata"]["name"] == role["name"]);
    if !roles.any(|role| list(role, "rules").iter().any(creates)) {
        return Vec::new();
    }
    let subjects = list(binding, "subjects").iter();
    let accounts = subjects.filter(|subject| subject["kind"] == "ServiceAccount");
    accounts.map(|subject| text(subject, "name")).collect()
}

/// A ServiceAccount that may create Secrets has a runner's name: the policy beside it or, where there is none, the shipped
/// one restricts it.
pub fn the_policy_restricts_whoever_creates_secrets(object: &Value, manifests: &Manifests) -> Vec<String> {
    let policies = of_kind(&manifests.objects, "ValidatingAdmissionPolicy");
    let mut runners: Vec<&str> = policies.filter_map(runner).collect();
    if runners.is_empty() {
        runners.push(OURS);
    }
    let begins = |account: &str, runner: &str| format!("{account}-").starts_with(&format!("{runner}-"));
    let mut accounts = creators(object, &manifests.objects);
    accounts.retain(|account| !runners.iter().any(|runner| begins(account, runner)));
    let problem = |account: &&str| {
        format!("{account} may create secrets, and the policy of {runners:?} doesn't restrict it")
    };
    accounts.iter().map(problem).collect()
}

/// No runner has the name of a ServiceAccount that platforms create for other work.
pub fn the_runner_has_a_name_of_its_own(object: &Value, manifests: &Manifests) -> Vec<String> {
    let mut accounts = creators(object, &manifests.objects);
    accounts.extend(runner(object));
    let ours = containers(object).into_iter().filter(|one| one.name() == OURS);
    accounts.extend(ours.filter_map(|one| Some(text(one.pod?, "serviceAccountName"))));
    if ["TaskRun", "PipelineRun"].contains(&text(object, "kind")) {
        let spec = &object["spec"];
        let parts = list(spec, "taskRunSpecs")
            .iter()
            .chain([spec, &spec["taskRunTemplate"]]);
        accounts.extend(parts.map(|part| text(part, "serviceAccountName")));
    }
    accounts.retain(|account| SHARED.contains(account));
    let problem = |account: &&str| format!("the runner is {account}, which has other work");
    accounts.iter().map(problem).collect()
}

/// Pods of the runner get no Service's variables: one named `kubernetes` would name another API server. A Task can't say
/// so, its runs can, also those in a TriggerTemplate.
pub fn no_service_names_the_api_server(object: &Value, _: &Manifests) -> Vec<String> {
    let has_links = |pod: &Value| pod["enableServiceLinks"] != false;
    let run_has_links = |run: &Value| {
        let spec = &run["spec"];
        let mut tasks = list(spec, "taskRunSpecs").iter();
        match text(run, "kind") {
            "TaskRun" => has_links(&spec["podTemplate"]),
            "PipelineRun" => {
                has_links(&spec["taskRunTemplate"]["podTemplate"])
                    || tasks.any(|task| task["podTemplate"]["enableServiceLinks"] == true)
            }
            _ => false,
        }
    };
    let mut ours = containers(object).into_iter().filter(|one| one.name() == OURS);
    // A document may show a part of a pod.
    let is_whole = object.get("kind").is_some();
    let linked = values(object).iter().any(|(_, value)| run_has_links(value))
        || is_whole && ours.any(|one| one.pod.is_some_and(has_links));
    let problem = linked.then(|| "enableServiceLinks is not false".to_owned());
    problem.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{
        super::{
            collect::Form,
            fixtures::{Broken, all, cron_job, installed},
        },
        judge,
    };
    use super::*;

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
            let broken = Broken::among(rule, Form::Installed, installed("RoleBinding"))
                .with("/subjects/0/name", json!(account));
            if restricted {
                broken.reports_nothing();
            } else {
                broken.reports(&format!("{account} may create secrets"));
            }
        }
        // Without a policy beside it, the shipped one counts.
        let mut objects = installed("RoleBinding");
        objects.retain(|object| !text(object, "kind").starts_with("Validating"));
        Broken::among(rule, Form::Sample, objects)
            .with("/subjects/0/name", json!("quay"))
            .reports("quay may create secrets");
        // Beside another policy, its runner counts.
        let condition = "/spec/matchConditions/0/expression";
        let objects = installed("ValidatingAdmissionPolicy");
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
        let judged: Vec<_> = all()
            .iter()
            .filter(|one| {
                one.objects
                    .iter()
                    .any(|object| !creators(object, &one.objects).is_empty())
            })
            .map(|one| one.origin.as_str())
            .collect();
        for origin in [
            "tekton/overlays/several-secrets, installed",
            "tekton/overlays/openshift, installed",
        ] {
            assert!(judged.contains(&origin), "{origin} is not judged: {judged:?}");
        }
        let rule = the_policy_restricts_whoever_creates_secrets;
        for one in all() {
            assert_eq!(judge(rule, one), [""; 0], "{}", one.origin);
        }
        let docs = include_str!("../../../../../docs/role.yaml");
        let objects = test_cluster::manifest::documents(docs).expect("YAML");
        assert!(objects.iter().any(|object| creators(object, &objects) == [OURS]));
        let role = Manifests {
            origin: "docs/role.yaml".to_owned(),
            form: Form::Document,
            objects,
        };
        assert_eq!(judge(rule, &role), [""; 0]);
    }

    #[test]
    fn s10_a_runner_with_a_name_that_platforms_use_is_refused() {
        let rule = the_runner_has_a_name_of_its_own;
        for account in SHARED {
            let said = format!("the runner is {account}");
            Broken::among(rule, Form::Installed, installed("RoleBinding"))
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
            let policy = installed("ValidatingAdmissionPolicy").remove(0);
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
        .reports_nothing();
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
        let template = json!({ "kind": "TriggerTemplate", "metadata": { "name": "a" }, "spec": {
            "resourcetemplates": [task_run(&json!({ "podTemplate": {} }))],
        } });
        Broken::new(rule, task_run(&json!({})))
            .and(template)
            .reports("TriggerTemplate/a: enableServiceLinks");
        Broken::new(rule, cron_job())
            .without("/spec/jobTemplate/spec/template/spec/enableServiceLinks")
            .reports("enableServiceLinks");
    }
}
