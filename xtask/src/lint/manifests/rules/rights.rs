//! Permissions: the runner holds the Role of the contract, section 5, the puller none of it.

use anyhow::{Context as _, Result, ensure};
use ensure_pull_secret::kubernetes::rbac_yaml::{self, RoleParams, Subject};
use serde_json::Value;
use test_cluster::manifest::documents;

use super::super::{
    collect::{Form, Manifests},
    object::{containers, list, of_kind, our_container, text},
};

/// Roles that a puller may have: pulling, as OpenShift's own role has it.
const PULLING: &[&str] = &["system:image-puller"];

/// In what a user installs, the CronJob's account holds exactly the contract's Role for the CronJob's Secret and puller, and
/// the puller is bound to nothing but pulling (access-to-secrets).
pub fn the_role_is_the_contracts(object: &Value, manifests: &Manifests) -> Vec<String> {
    if manifests.form != Form::Installed || object["kind"] != "CronJob" {
        return Vec::new();
    }
    let compared = compare(object, &manifests.objects).err();
    compared.map(|error| format!("{error:#}")).into_iter().collect()
}

fn compare(job: &Value, objects: &[Value]) -> Result<()> {
    let container = our_container(job).context("no container of it is ours")?;
    let runner = text(container.pod.unwrap_or(&Value::Null), "serviceAccountName");
    let puller = container.variable("PULL_SECRET_SERVICE_ACCOUNT");
    let namespace = text(&job["metadata"], "namespace");
    let secret = container.variable("PULL_SECRET_NAME");
    let expected = rbac_yaml::role(&RoleParams {
        namespace,
        secret: secret.context("PULL_SECRET_NAME is not set")?,
        token_account: puller,
        runner: Some(Subject {
            namespace,
            name: runner,
        }),
    })
    .context("a name of the CronJob's Role is not valid")?;
    let expected = documents(&expected)?;
    let mut expected = of_kind(&expected, "Role");
    let expected = &expected.next().context("the program prints a Role")?["rules"];

    let roles = bound_to(runner, objects);
    let [role] = roles[..] else {
        anyhow::bail!("{runner} is bound to {} roles instead of one", roles.len());
    };
    let mut named = of_kind(objects, "Role").filter(|object| object["metadata"]["name"] == role["name"]);
    let rules = &named
        .next()
        .with_context(|| format!("there is no Role {}", role["name"]))?["rules"];
    ensure!(rules == expected, "{runner} may {rules} instead of {expected}");
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
    let of_account = |binding: &&Value| list(binding, "subjects").iter().any(|one| one["name"] == account);
    bindings
        .filter(of_account)
        .map(|binding| &binding["roleRef"])
        .collect()
}

/// Accounts and roles that an object refers to are in the same install, and no pod runs as the namespace's own account
/// (non-existent-service-account, default-service-account, dangling role references).
pub fn references_exist(object: &Value, manifests: &Manifests) -> Vec<String> {
    if manifests.form == Form::Sample {
        return Vec::new();
    }
    let mut references = Vec::new();
    for container in containers(object) {
        let Some(pod) = container.pod else { continue };
        references.push(("ServiceAccount", text(pod, "serviceAccountName")));
        let puller = container.variable("PULL_SECRET_SERVICE_ACCOUNT");
        references.extend(puller.map(|account| ("ServiceAccount", account)));
    }
    for reference in list(object, "subjects").iter().chain([&object["roleRef"]]) {
        let kinds = ["ServiceAccount", "Role"].into_iter();
        let kind = kinds.filter(|kind| reference["kind"] == *kind);
        references.extend(kind.map(|kind| (kind, text(reference, "name"))));
    }
    let exists = |kind, name| of_kind(&manifests.objects, kind).any(|one| one["metadata"]["name"] == name);
    references.retain(|(kind, name)| !exists(kind, *name));
    let problem = |(kind, name): &(&str, &str)| format!("there is no {kind} {name:?}");
    references.iter().map(problem).collect()
}

/// No rule has `*` (wildcard-in-rules).
pub fn no_rule_has_a_wildcard(object: &Value, _: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for rule in list(object, "rules") {
        let members = ["apiGroups", "resources", "verbs"].into_iter();
        let wild = members.filter(|member| list(rule, member).iter().any(|value| value == "*"));
        problems.extend(wild.map(|member| format!("{member} has \"*\"")));
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{
        super::{
            fixtures::{Broken, installed},
            object::OURS,
        },
        Rule,
    };
    use super::*;

    fn broken(rule: Rule, kind: &str) -> Broken {
        Broken::among(rule, Form::Installed, installed(kind))
    }

    const ACCOUNT: &str = "/spec/jobTemplate/spec/template/spec/serviceAccountName";

    #[test]
    fn a_role_with_more_or_less_or_for_another_name_is_found() {
        let rule = the_role_is_the_contracts;
        for (field, value) in [
            ("0/verbs", json!(["get", "create", "patch", "delete"])),
            ("0/resourceNames", Value::Null),
            ("1", Value::Null),
            ("1/resourceNames", json!(["another"])),
        ] {
            broken(rule, "Role")
                .with(&format!("/rules/{field}"), value)
                .reports("may");
        }
        broken(rule, "CronJob")
            .with(ACCOUNT, json!("another"))
            .reports("bound to 0 roles");
    }

    #[test]
    fn s8_a_second_role_of_the_runner_or_one_of_the_puller_is_found() {
        let with_binding = |role: &str, account: &str| {
            broken(the_role_is_the_contracts, "Role").and(json!({
                "kind": "RoleBinding", "metadata": { "name": "more" },
                "roleRef": { "kind": "ClusterRole", "name": role },
                "subjects": [{ "kind": "ServiceAccount", "name": account }],
            }))
        };
        with_binding("edit", OURS).reports("bound to 2 roles");
        with_binding("edit", "model-puller").reports("the puller is bound to");
        with_binding("system:image-puller", "model-puller").reports_nothing();
    }

    #[test]
    fn a_reference_to_a_missing_account_or_role_is_found() {
        for (kind, pointer, value, problem) in [
            ("ServiceAccount", "/metadata/name", "another", "no ServiceAccount"),
            (
                "RoleBinding",
                "/subjects/0/name",
                "another",
                "no ServiceAccount \"another\"",
            ),
            ("RoleBinding", "/roleRef/name", "another", "no Role \"another\""),
            ("CronJob", ACCOUNT, "", "no ServiceAccount \"\""),
        ] {
            broken(references_exist, kind)
                .with(pointer, json!(value))
                .reports(problem);
        }
    }

    #[test]
    fn a_rule_with_a_wildcard_is_found() {
        for member in ["apiGroups", "resources", "verbs"] {
            broken(no_rule_has_a_wildcard, "Role")
                .with(&format!("/rules/0/{member}"), json!(["*"]))
                .reports(member);
        }
    }
}
