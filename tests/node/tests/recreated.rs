//! The Secret is deleted and created again during a run.

use std::net::TcpListener;

use anyhow::{Context as _, Result, ensure};
use node_tests::{SECRET, TaskRunStatus, World, eventually, free_address};
use serde_json::json;
use test_cluster::{access::ClusterAccess, listener::Forwarder, registry::OPENSHIFT};

#[tokio::test]
async fn secret_recreated_during_a_run_is_filled() -> Result<()> {
    let world = World::new("recreated").await?;
    let model = world.model("model")?;
    // The registry keeps its answer back, after the placeholder and before the write, until we are ready.
    let address = free_address()?;
    let (host, port) = OPENSHIFT.rsplit_once(':').context("the registry has a port")?;
    let listener = TcpListener::bind((address, port.parse::<u16>()?))?;
    let run = world
        .task_run()
        .hosts(json!([{ "ip": address, "hostnames": [host] }]))
        .param("IMAGE", model.reference())
        .create()
        .await?;
    let placeholder = eventually("the placeholder is there", || async {
        let secret = world.namespace.secret(SECRET).await?;
        Ok(secret
            .and_then(|secret| secret.metadata.uid)
            .ok_or_else(|| "no Secret".to_owned()))
    })
    .await?;
    world.namespace.delete_secret(SECRET).await?;
    let other = br#"{"auths":{"quay.io":{"auth":"dGVhbTpub3QtYS1zZWNyZXQ="}}}"#;
    world.namespace.create_docker_config_json(SECRET, other).await?;
    let registry = ClusterAccess::shared().registries()?.openshift.host.address;
    let _forwarder = Forwarder::start(listener, registry)?;

    let run = TaskRunStatus::await_end(&world, &run).await?;
    run.assert_results("SUCCESS", "ok")?;
    ensure!(run.result("VERIFIED") == "pull", "{}", run.status);
    let secret = world
        .namespace
        .secret(SECRET)
        .await?
        .context("there is a Secret")?;
    ensure!(
        secret.metadata.uid != Some(placeholder),
        "it is not the one that was made anew"
    );
    ensure!(
        world.stored_pulls(&model.reference()).await? == Ok(()),
        "what is stored doesn't pull"
    );
    let document = String::from_utf8(world.document().await?)?;
    ensure!(
        document.contains("dGVhbTpub3QtYS1zZWNyZXQ="),
        "an unmanaged entry is lost: {}",
        document.len()
    );
    Ok(())
}
