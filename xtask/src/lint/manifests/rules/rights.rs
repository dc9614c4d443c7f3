//! Who may do what: the runner holds the Role of the contract, section 5, the puller none of it.

use anyhow::{Context as _, Result, ensure};
use ensure_pull_secret::kubernetes::rbac_yaml::{self, RoleParams, Subject};
use serde_json::Value;
use test_cluster::manifest::documents;

use super::super::{
    collect::{Form, Manifests},
    object::{OURS, containers, label, list, of_kind, pod_specs, text},
};

/// What a puller may be bound to: pulling, as OpenShift's own role has it.
const PULLING: &[&str] = &["system:image-puller"];

/// In what a user installs, the CronJob's account holds exactly the contract's Role for the CronJob's Secret and puller, and
/// the puller is bound to nothing but pulling (access-to-secrets).
pub fn the_role_is_the_contracts(manifests: &Manifests) -> Vec<String> {
    if manifests.form != Form::Installed {
        return Vec::new();
    }
    of_kind(&manifests.objects, "CronJob")
        .filter_map(|job| {
            compare(job, &manifests.objects)
                .err()
                .map(|error| format!("{}: {error:#}", label(job)))
        })
        .collect()
}

fn compare(job: &Value, objects: &[Value]) -> Result<()> {
    let container = containers(job)
        .into_iter()
        .find(|container| container.name() == OURS);
    let container = container.context("no container of it is ours")?;
    let runner = text(container.pod.unwrap_or(&Value::Null), "serviceAccountName");
    let puller = container.variable("PULL_SECRET_SERVICE_ACCOUNT");
    let namespace = text(&job["metadata"], "namespace");
    let expected = rbac_yaml::role(&RoleParams {
        namespace,
        secret: container
            .variable("PULL_SECRET_NAME")
            .context("PULL_SECRET_NAME is not set")?,
        minted_for: puller,
        runner: Some(Subject {
            namespace,
            name: runner,
        }),
    })
    .context("a name of the CronJob's Role is not valid")?;
    let expected = documents(&expected)?;
    let expected = of_kind(&expected, "Role")
        .next()
        .context("the program prints a Role")?;

    let roles = bound_to(runner, objects);
    let [role] = roles[..] else {
        anyhow::bail!("{runner} is bound to {} roles instead of one", roles.len());
    };
    let rules = of_kind(objects, "Role").find(|object| object["metadata"]["name"] == role["name"]);
    let rules = rules.with_context(|| format!("there is no Role {}", role["name"]))?;
    ensure!(
        rules["rules"] == expected["rules"],
        "{runner} may {} instead of {}",
        rules["rules"],
        expected["rules"]
    );
    for role in puller
        .filter(|puller| *puller != runner)
        .map_or_else(Vec::new, |puller| bound_to(puller, objects))
    {
        ensure!(
            PULLING.contains(&text(role, "name")),
            "the puller is bound to {role}"
        );
    }
    Ok(())
}

/// The `roleRef` of every binding of the account.
fn bound_to<'a>(account: &str, objects: &'a [Value]) -> Vec<&'a Value> {
    let bindings = of_kind(objects, "RoleBinding").chain(of_kind(objects, "ClusterRoleBinding"));
    bindings
        .filter(|binding| {
            list(binding, "subjects")
                .iter()
                .any(|subject| subject["name"] == account)
        })
        .map(|binding| &binding["roleRef"])
        .collect()
}

/// Every account, role and pod's account that is named is in the same install, and none is the namespace's own
/// (non-existent-service-account, default-service-account, dangling role references).
pub fn nothing_dangles(manifests: &Manifests) -> Vec<String> {
    if manifests.form == Form::Sample {
        return Vec::new();
    }
    let named = |kind: &str, name: &str| {
        of_kind(&manifests.objects, kind).any(|object| object["metadata"]["name"] == name)
    };
    let mut problems = Vec::new();
    for object in &manifests.objects {
        for pod in pod_specs(object) {
            let account = text(pod, "serviceAccountName");
            if !named("ServiceAccount", account) {
                problems.push(format!(
                    "{}: there is no ServiceAccount {account:?}",
                    label(object)
                ));
            }
        }
        for container in containers(object)
            .iter()
            .filter(|container| container.pod.is_some())
        {
            let minted_for = container.variable("PULL_SECRET_SERVICE_ACCOUNT");
            if let Some(account) = minted_for.filter(|account| !named("ServiceAccount", account)) {
                problems.push(format!(
                    "{}: there is no ServiceAccount {account:?}",
                    container.label()
                ));
            }
        }
        for subject in list(object, "subjects") {
            let account = text(subject, "name");
            if subject["kind"] == "ServiceAccount" && !named("ServiceAccount", account) {
                problems.push(format!(
                    "{}: there is no ServiceAccount {account:?}",
                    label(object)
                ));
            }
        }
        let role = &object["roleRef"];
        if role["kind"] == "Role" && !named("Role", text(role, "name")) {
            problems.push(format!("{}: there is no Role {}", label(object), role["name"]));
        }
    }
    problems
}

/// No rule says "any" (wildcard-in-rules).
pub fn no_rule_says_any(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for role in of_kind(&manifests.objects, "Role").chain(of_kind(&manifests.objects, "ClusterRole")) {
        for rule in list(role, "rules") {
            for member in ["apiGroups", "resources", "verbs"] {
                if list(rule, member).iter().any(|value| value == "*") {
                    problems.push(format!("{}: {member} has \"*\"", label(role)));
                }
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::fixtures::{Broken, installed};
    use super::*;

    /// An install whose first object is of `kind`, and named as the program.
    fn install(kind: &str) -> Vec<Value> {
        let mut objects = installed();
        let index = objects
            .iter()
            .position(|object| object["kind"] == kind && object["metadata"]["name"] == OURS);
        objects.swap(0, index.expect("an install has it"));
        objects
    }

    fn broken(rule: fn(&Manifests) -> Vec<String>, kind: &str) -> Broken {
        Broken::among(rule, Form::Installed, install(kind))
    }

    #[test]
    fn a_role_with_more_or_less_or_for_another_name_is_found() {
        let rule = the_role_is_the_contracts;
        broken(rule, "Role")
            .with("/rules/0/verbs", json!(["get", "create", "patch", "delete"]))
            .reports("may");
        broken(rule, "Role")
            .without("/rules/0/resourceNames")
            .reports("may");
        broken(rule, "Role").without("/rules/1").reports("may");
        broken(rule, "Role")
            .with("/rules/1/resourceNames", json!(["another"]))
            .reports("may");
        broken(rule, "CronJob")
            .with(
                "/spec/jobTemplate/spec/template/spec/serviceAccountName",
                json!("another"),
            )
            .reports("bound to 0 roles");
    }

    #[test]
    fn a_second_role_of_the_runner_and_any_role_of_the_puller_are_found() {
        let binding = |role: &str, account: &str| {
            json!({
                "kind": "RoleBinding", "metadata": { "name": "more" },
                "roleRef": { "kind": "ClusterRole", "name": role },
                "subjects": [{ "kind": "ServiceAccount", "name": account }],
            })
        };
        let rule = the_role_is_the_contracts;
        broken(rule, "Role")
            .and(binding("edit", OURS))
            .reports("bound to 2 roles");
        broken(rule, "Role")
            .and(binding("edit", "model-puller"))
            .reports("the puller is bound to");
        broken(rule, "Role")
            .and(binding("system:image-puller", "model-puller"))
            .says_nothing();
    }

    #[test]
    fn an_account_or_a_role_that_is_not_there_is_found() {
        let rule = nothing_dangles;
        broken(rule, "ServiceAccount")
            .with("/metadata/name", json!("another"))
            .reports("no ServiceAccount");
        broken(rule, "RoleBinding")
            .with("/subjects/0/name", json!("another"))
            .reports("no ServiceAccount \"another\"");
        broken(rule, "RoleBinding")
            .with("/roleRef/name", json!("another"))
            .reports("no Role \"another\"");
        broken(rule, "CronJob")
            .without("/spec/jobTemplate/spec/template/spec/serviceAccountName")
            .reports("no ServiceAccount \"\"");
    }

    #[test]
    fn a_rule_that_says_any_is_found() {
        for member in ["apiGroups", "resources", "verbs"] {
            broken(no_rule_says_any, "Role")
                .with(&format!("/rules/0/{member}"), json!(["*"]))
                .reports(member);
        }
    }
}
