//! The strictest of clusters: `restricted` is enforced everywhere here; OpenShift chooses the user as well.

use anyhow::{Result, ensure};
use node_tests::World;

/// A user as OpenShift's `restricted-v2` gives one, of the range of a namespace.
const OPENSHIFT_USER: i64 = 1_000_680_000;

#[tokio::test]
async fn task_run_works_as_any_user_in_a_restricted_namespace() -> Result<()> {
    let world = World::new("any-user").await?;
    let model = world.model("model")?;
    let run = world
        .task_run()
        .run_as(OPENSHIFT_USER)
        .param("IMAGE", model.reference())
        .run()
        .await?;
    run.assert_results("SUCCESS", "ok")?;
    let pod = world.kubectl.get(&format!("pod/{}", run.pod())).await?;
    ensure!(
        pod["spec"]["securityContext"]["runAsUser"] == OPENSHIFT_USER,
        "{pod}"
    );
    let user = &pod["status"]["containerStatuses"][0]["user"]["linux"]["uid"];
    ensure!(user.is_null() || *user == OPENSHIFT_USER, "it ran as {user}");
    Ok(())
}

#[tokio::test]
async fn restricted_namespace_rejects_other_pods() -> Result<()> {
    let world = World::empty("unrestricted").await?;
    let error = world
        .kubectl
        .run(["run", "pod", "--image", world.shell_image()])
        .await
        .expect_err("the namespace enforces `restricted`");
    ensure!(
        error.to_string().contains("violates PodSecurity \"restricted"),
        "{error}"
    );
    Ok(())
}
