//! The purpose of the program: a model's pod that can't pull its image starts to run without a change.

use anyhow::Result;
use node_tests::{Model, PULLER, SECRET, World, unwrapped};

#[tokio::test]
async fn a_pod_stuck_by_an_unwrapped_secret_runs_after_our_task_run() -> Result<()> {
    let world = World::new("incident").await?;
    // The credential itself is good: it is the wrapping that the kubelet misses.
    let token = world.namespace.token(PULLER, None, 3600).await?;
    world
        .namespace
        .create_docker_config_json(SECRET, &unwrapped(&token))
        .await?;
    let model = world.model("model")?;
    model.assert_out_of_reach().await?;
    world.kubectl.create(&model.pod("model").to_string()).await?;
    let uid = Model::await_back_off(&world.kubectl, "model").await?;
    assert_eq!(model.pulled_by()?, [""; 0], "the image was not pulled");

    let run = world.task_run().param("IMAGE", model.reference()).run().await?;

    run.assert_results("SUCCESS", "ok")?;
    assert_eq!(
        (run.result("ACTION"), run.result("VERIFIED")),
        ("repaired".into(), "pull".into())
    );
    Model::await_running(&world.kubectl, "model", Some(&uid)).await?;
    let users = model.pulled_by()?;
    assert!(
        !users.is_empty() && users.iter().all(|user| *user == world.user(PULLER)),
        "{users:?}"
    );
    Ok(())
}
