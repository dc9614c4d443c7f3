//! Missing permissions are reported, and the printed Role grants them.

use anyhow::{Context as _, Result};
use ensure_pull_secret::kubernetes::rbac_yaml::{self, RoleParams, Subject};
use k8s_openapi::api::rbac::v1::Role;
use serde_json::{Value, json};
use test_cluster::{namespace::TestNamespace, program::Program};

use crate::{
    registries::with_robot,
    world::{PULLER, RUNNER, SECRET, World, registries, renewing, short_lived},
};

/// The name of the shipped Role.
const ROLE: &str = "ensure-pull-secret-internal-registry-private-ai";

/// One verb of one rule of the shipped Role.
#[derive(Clone, Debug)]
struct Permission {
    rule: usize,
    verb: String,
    resource: String,
}

/// Every verb of every rule, read from the shipped Role itself, so that none is forgotten.
async fn permissions(world: &World) -> Result<Vec<Permission>> {
    let mut permissions = Vec::new();
    for (rule, content) in role(world).await?["rules"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let [resource] = content["resources"].as_array().context("resources")?.as_slice() else {
            anyhow::bail!("a rule of several resources: {content}");
        };
        for verb in content["verbs"].as_array().context("verbs")? {
            permissions.push(Permission {
                rule,
                verb: verb.as_str().context("a verb")?.to_owned(),
                resource: resource.as_str().context("a resource")?.to_owned(),
            });
        }
    }
    Ok(permissions)
}

async fn role(world: &World) -> Result<Value> {
    let role = world.namespace.api::<Role>().get(ROLE).await?;
    Ok(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": ROLE}, "rules": role.rules,
    }))
}

/// The shipped Role without one verb; the rule goes with its last one.
async fn take_away(world: &World, permission: &Permission) -> Result<()> {
    let mut role = role(world).await?;
    let rules = role["rules"].as_array_mut().context("rules")?;
    let verbs = rules[permission.rule]["verbs"].as_array_mut().context("verbs")?;
    verbs.retain(|verb| *verb != permission.verb.as_str());
    if verbs.is_empty() {
        rules.remove(permission.rule);
    }
    world.namespace.apply(&role.to_string()).await
}

#[tokio::test]
async fn each_missing_verb_is_reported_and_the_printed_role_repairs_it() -> Result<()> {
    let all = permissions(&World::new("verbs").await?).await?;
    let named: Vec<_> = all
        .iter()
        .map(|one| format!("{} {}", one.verb, one.resource))
        .collect();
    assert_eq!(
        named,
        [
            "get secrets",
            "create secrets",
            "patch secrets",
            "create serviceaccounts/token"
        ]
    );
    for permission in all {
        let world = World::new("verb").await?;
        take_away(&world, &permission).await?;
        let action = if permission.resource == "secrets" {
            "none"
        } else {
            "created"
        };
        repairs(&world, &world.program(), &permission, action).await?;
    }
    Ok(())
}

#[tokio::test]
async fn refresh_needs_no_create_on_secrets_and_reports_each_missing_verb() -> Result<()> {
    for permission in permissions(&World::new("refresh-verbs").await?).await? {
        let world = World::new("refresh-verb").await?;
        short_lived(&world.program())
            .expect("SUCCESS", "created", "ok", 0)
            .await?;
        let before = world.secret().await?;
        take_away(&world, &permission).await?;
        let renew = renewing(&world.program());
        if (permission.verb.as_str(), permission.resource.as_str()) == ("create", "secrets") {
            renew.expect("SUCCESS", "refreshed", "ok", 0).await?;
            continue;
        }
        repairs(&world, &renew, &permission, "none").await?;
        assert_eq!(world.secret().await?.metadata.uid, before.metadata.uid);
    }
    Ok(())
}

/// The run ends with 77 and reports the missing permission; with the printed YAML applied, the next run succeeds.
async fn repairs(world: &World, run: &Program, permission: &Permission, action: &str) -> Result<()> {
    let outcome = run.run().await?;
    outcome.expect("ERROR", action, "api-forbidden", 77);
    let call = format!("{} {} ", permission.verb, permission.resource);
    outcome
        .expect_message(&call)
        .expect_message(world.namespace.name())
        .expect_message(RUNNER);
    let remedy = outcome.report["remedy"].as_str().context("a remedy")?;
    world.namespace.apply(remedy).await?;
    let repaired = run.run().await?;
    assert_eq!(
        (repaired.result("STATUS"), repaired.result("REASON")),
        ("SUCCESS", "ok"),
        "{permission:?}: {repaired}"
    );
    assert_ne!(repaired.result("ACTION"), "none");
    Ok(())
}

#[tokio::test]
async fn verify_needs_only_get() -> Result<()> {
    let world = World::new("verify-verbs").await?;
    world.program().expect("SUCCESS", "created", "ok", 0).await?;
    let verify = world.program().env("PULL_SECRET_MODE", "verify");
    for permission in permissions(&world).await?.iter().rev() {
        take_away(&world, permission).await?;
        let outcome = verify.run().await?;
        if permission.verb == "get" {
            outcome
                .expect("ERROR", "none", "api-forbidden", 77)
                .expect_message("get secrets ");
            let remedy = outcome.report["remedy"].as_str().context("a remedy")?;
            world.namespace.apply(remedy).await?;
            verify.expect("SUCCESS", "none", "ok", 0).await?;
        } else {
            outcome.expect("SUCCESS", "none", "ok", 0);
        }
    }
    Ok(())
}

#[tokio::test]
async fn role_in_the_first_report_repairs_a_missing_role() -> Result<()> {
    let world = World::new("no-role").await?;
    let fresh = TestNamespace::new("no-role-else").await?;
    fresh.service_account(RUNNER).await?;
    fresh.service_account(PULLER).await?;
    let identity = fresh.identity(RUNNER).await?;
    let program = world.program().within(&identity);
    let outcome = program.run().await?;
    outcome
        .expect("ERROR", "none", "api-forbidden", 77)
        .expect_message("get secrets ");
    let needs = RoleParams {
        namespace: fresh.name(),
        secret: SECRET,
        token_account: Some(PULLER),
        runner: Some(Subject {
            namespace: fresh.name(),
            name: RUNNER,
        }),
    };
    assert_eq!(
        outcome.report["remedy"],
        json!(rbac_yaml::role(&needs)),
        "the shipped one"
    );
    fresh
        .apply(outcome.report["remedy"].as_str().context("a remedy")?)
        .await?;
    program.expect("SUCCESS", "created", "ok", 0).await?;
    Ok(())
}

#[tokio::test]
async fn reported_role_removes_no_permission_of_other_runs() -> Result<()> {
    let world = World::new("two-secrets").await?;
    short_lived(&world.program())
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    // Secret of a robot, whose Role has no rule for token requests.
    let robot = with_robot(&world, &registries().basic, "robot")?.env("PULL_SECRET_NAME", "robot");
    let verify = robot.clone().env("PULL_SECRET_MODE", "verify");
    for (run, status, reason) in [
        (&verify, "FAILURE", "secret-missing"),
        (&robot, "SUCCESS", "ok"),
        (&verify, "SUCCESS", "ok"),
    ] {
        let outcome = run.run().await?;
        if outcome.result("REASON") == "api-forbidden" {
            let remedy = outcome.report["remedy"].as_str().context("a remedy")?;
            world.namespace.apply(remedy).await?;
        }
        let outcome = run.run().await?;
        assert_eq!(
            (outcome.result("STATUS"), outcome.result("REASON")),
            (status, reason),
            "{outcome}"
        );
    }
    renewing(&world.program())
        .expect("SUCCESS", "refreshed", "ok", 0)
        .await?;
    Ok(())
}

#[tokio::test]
async fn missing_namespace_is_reported_only_to_cluster_wide_runners() -> Result<()> {
    let world = World::new("namespaces").await?;
    let missing = format!("{}-missing", world.namespace.name());
    let elsewhere = world.program().env("PULL_SECRET_NAMESPACE", &missing);
    elsewhere
        .expect("ERROR", "none", "api-forbidden", 77)
        .await?
        .expect_message(&missing);

    let cluster_role = format!("everywhere-{}", world.namespace.name());
    let rbac = "rbac.authorization.k8s.io";
    let manifests = [
        json!({
            "apiVersion": format!("{rbac}/v1"), "kind": "ClusterRole", "metadata": {"name": cluster_role},
            "rules": role(&world).await?["rules"],
        }),
        json!({
            "apiVersion": format!("{rbac}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": cluster_role},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": cluster_role},
            "subjects": [{"kind": "ServiceAccount", "name": RUNNER, "namespace": world.namespace.name()}],
        }),
    ];
    world
        .namespace
        .apply(&manifests.map(|manifest| manifest.to_string()).join("\n---\n"))
        .await?;
    elsewhere
        .expect("ERROR", "none", "namespace-missing", 64)
        .await?
        .expect_message(&missing);

    // The namespace exists, but the ServiceAccount of the token request doesn't.
    let there = TestNamespace::new("namespaces-there").await?;
    let no_account = world.program().env("PULL_SECRET_NAMESPACE", there.name());
    let outcome = no_account.run().await?;
    outcome
        .expect("ERROR", "created", "service-account-missing", 64)
        .expect_message(PULLER);
    there.service_account(PULLER).await?;
    no_account.expect("SUCCESS", "refreshed", "ok", 0).await?;
    Ok(())
}

#[tokio::test]
async fn expired_pod_token_is_not_reported_as_a_missing_role() -> Result<()> {
    let world = World::new("dead-pod").await?;
    let mut claims = crate::first_run::claims(world.runner.token())?;
    claims["exp"] = json!(1);
    let expired = test_cluster::control_plane::SigningKey::generate()?.sign(&claims)?;
    std::fs::write(world.runner.file("token"), expired)?;
    let outcome = world.program().run().await?;
    outcome
        .expect("ERROR", "none", "api-forbidden", 77)
        .expect_message("does not accept this pod's token");
    Ok(())
}
