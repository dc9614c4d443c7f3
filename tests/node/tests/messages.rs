//! The status of a TaskRun alone shows what is wrong and what to do.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::{core::v1::ServiceAccount, rbac::v1::RoleBinding};
use kube::api::DeleteParams;
use node_tests::{PULLER, RUNNER, SECRET, World, eventually};
use serde_json::json;
use test_cluster::webhook::mutate;

#[tokio::test]
async fn missing_role_is_reported_with_verb_and_object() -> Result<()> {
    let world = World::new("role-gone").await?;
    world
        .namespace
        .api::<RoleBinding>()
        .delete(RUNNER, &DeleteParams::default())
        .await
        .context("the install binds the Role under the runner's name")?;
    let run = eventually("the API server acts by it", || async {
        let run = world.task_run().run().await?;
        Ok(if run.succeeded() {
            Err("it still succeeds".to_owned())
        } else {
            Ok(run)
        })
    })
    .await?;
    run.assert_results("ERROR", "api-forbidden")?;
    ensure!(run.exit_code() == Some(77), "{:?}", run.exit_code());
    let message = run.result("MESSAGE");
    for part in [SECRET, world.namespace.name(), "get"] {
        ensure!(message.contains(part), "{part} is missing: {message}");
    }
    Ok(())
}

#[tokio::test]
async fn revoked_pull_permission_is_reported_with_account_and_namespace() -> Result<()> {
    let world = World::new("pull-revoked").await?;
    world.revoke_pull().await?;
    let model = world.model("model")?;
    let run = world.task_run().param("IMAGE", model.reference()).run().await?;
    run.assert_results("FAILURE", "pull-forbidden")?;
    ensure!(run.exit_code() == Some(77), "{:?}", run.exit_code());
    let message = run.result("MESSAGE");
    for part in [PULLER, world.namespace.name()] {
        ensure!(message.contains(part), "{part} is missing: {message}");
    }
    Ok(())
}

#[tokio::test]
async fn deleted_service_account_is_reported() -> Result<()> {
    let world = World::new("account-gone").await?;
    world
        .namespace
        .api::<ServiceAccount>()
        .delete(PULLER, &DeleteParams::default())
        .await
        .context("the install has the puller's account")?;
    let run = world.task_run().run().await?;
    run.assert_results("ERROR", "service-account-missing")?;
    ensure!(run.exit_code() == Some(64), "{:?}", run.exit_code());
    ensure!(
        run.result("MESSAGE").contains(PULLER),
        "{}",
        run.result("MESSAGE")
    );
    Ok(())
}

#[tokio::test]
async fn reverting_manager_is_reported() -> Result<()> {
    let world = World::new("put-back").await?;
    let before = br#"{"auths":{}}"#;
    world.namespace.create_docker_config_json(SECRET, before).await?;
    let _manager = mutate(&world.namespace, |review| {
        let old = &review["request"]["oldObject"]["data"];
        json!([{ "op": "replace", "path": "/data", "value": old }])
    })
    .await?;
    let run = world.task_run().run().await?;
    run.assert_results("ERROR", "reverted")?;
    ensure!(run.exit_code() == Some(73), "{:?}", run.exit_code());
    ensure!(
        run.result("MESSAGE").contains(SECRET),
        "{}",
        run.result("MESSAGE")
    );
    ensure!(
        world.document().await? == before,
        "the other manager's value stays"
    );
    Ok(())
}
