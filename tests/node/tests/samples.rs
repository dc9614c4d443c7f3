//! The samples run as they are, but for the names of images.

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use node_tests::{
    ALL, Model, PULLER, SECRET, TaskRunStatus, World, eventually, install, manifests, program_image, pull,
    set_param, set_variable,
};
use serde_json::json;
use test_cluster::{access::ClusterAccess, namespace::TestNamespace};

#[tokio::test]
async fn task_run_is_started_by_hand() -> Result<()> {
    let world = World::new("sample-taskrun").await?;
    Model::push(world.namespace.name(), "granite:1.0")?;
    let run = world.run_of_sample("taskrun.yaml").await?;
    let name = world.kubectl.create(&run.to_string()).await?;
    TaskRunStatus::await_end(&world, &name)
        .await?
        .assert_results("SUCCESS", "ok")?;
    Ok(())
}

#[tokio::test]
async fn t6_doctor_and_plan_run_in_the_cluster() -> Result<()> {
    let world = World::new("sample-doctor").await?;
    world.task_run().run().await?.assert_results("SUCCESS", "ok")?;
    Model::push(world.namespace.name(), "granite:1.0")?;
    let image = program_image().await?;
    for mode in ["doctor", "plan"] {
        let mut job = world
            .sample(&format!("{mode}.yaml"))
            .await?
            .pop()
            .context("a Job")?;
        let pod = &mut job["spec"]["template"]["spec"];
        pod["hostAliases"] = world.host_aliases();
        pod["containers"][0]["image"] = json!(format!("{}@{}", image.name, image.digest));
        let name = world.kubectl.create(&job.to_string()).await?;
        eventually(&format!("{name} ends well"), || async {
            let job = world.kubectl.get(&name).await?;
            Ok(if job["status"]["succeeded"] == 1 {
                Ok(())
            } else {
                Err(job["status"].to_string())
            })
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn two_manifests_repair_the_incident() -> Result<()> {
    let world = World::new("sample-incident").await?;
    Model::push(world.namespace.name(), "granite:1.0")?;
    world.create_sample("incident/secret-and-pod.yaml").await?;
    let uid = Model::await_back_off(&world.kubectl, "model").await?;
    let run = world.run_of_sample("incident/taskrun.yaml").await?;
    let name = world.kubectl.create(&run.to_string()).await?;
    let run = TaskRunStatus::await_end(&world, &name).await?;
    run.assert_results("SUCCESS", "ok")?;
    ensure!(run.result("ACTION") == "repaired", "{}", run.status);
    Model::await_running(&world.kubectl, "model", Some(&uid)).await
}

#[tokio::test]
async fn step_action_runs_in_another_task() -> Result<()> {
    let world = World::new("sample-stepaction").await?;
    let model = Model::push(world.namespace.name(), "granite:1.0")?;
    // A StepAction can't mount the authority of this cluster's registry; OpenShift's own is beside the account's token.
    world.create_sample("stepaction.yaml").await?;
    let mut run = json!({
        "apiVersion": "tekton.dev/v1", "kind": "TaskRun",
        "metadata": { "generateName": "push-and-ensure-" },
        "spec": {
            "serviceAccountName": "ensure-pull-secret",
            "taskRef": { "name": "push-and-ensure" },
            "params": [{ "name": "IMAGE", "value": model.reference() }],
            "podTemplate": { "hostAliases": world.host_aliases() },
        },
    });
    set_variable(&mut run, "PULL_SECRET_VERIFY", "api");
    let name = world.kubectl.create(&run.to_string()).await?;
    let run = TaskRunStatus::await_end(&world, &name).await?;
    ensure!(
        run.succeeded() && run.result("STATUS") == "SUCCESS",
        "{}",
        run.status
    );
    ensure!(
        world.stored_pulls(&model.reference()).await? == Ok(()),
        "what is stored doesn't pull"
    );
    Ok(())
}

#[tokio::test]
async fn robot_account_is_read_from_a_workspace() -> Result<()> {
    let world = World::new("sample-robot").await?;
    world
        .name_to_policy("internal-registry,quay", "model-puller")
        .await?;
    let registry = &ClusterAccess::shared().registries()?.basic;
    let account = registry.account("robot").context("the registry has a robot")?;
    world
        .namespace
        .create_secret("quay-robot", "Opaque", [("token", account.password.as_bytes())])
        .await?;
    world
        .install(&json!({ "resources": ["tekton/overlays/several-secrets/quay"] }))
        .await?;
    let model = Model::push(world.namespace.name(), "granite:1.0")?;
    // Every registry here is a door to one store.
    let image = model
        .reference()
        .replace(node_tests::OPENSHIFT, &registry.host.name);
    let mut run = world.run_of_sample("robot-account.yaml").await?;
    set_variable(&mut run, "PULL_SECRET_REGISTRY", &registry.host.name);
    set_variable(&mut run, "PULL_SECRET_USERNAME", &account.name);
    set_param(&mut run, "IMAGE", &image);
    let name = world.kubectl.create(&run.to_string()).await?;
    let run = TaskRunStatus::await_end(&world, &name).await?;
    run.assert_results("SUCCESS", "ok")?;
    let document = world.namespace.docker_config_json("quay").await?;
    ensure!(
        pull(Some(&document), &image) == Ok(()),
        "what is stored doesn't pull"
    );
    Ok(())
}

#[tokio::test]
async fn script_reads_the_result_and_decides_whether_to_continue() -> Result<()> {
    let world = World::new("sample-script").await?;
    let model = Model::push(world.namespace.name(), "granite:1.0")?;
    let deploy = |image: String| {
        let world = &world;
        async move {
            let mut command = World::command_with_kubectl("bash")?;
            let output = command
                .arg(manifests().join("samples/deploy.sh"))
                .args([world.namespace.name(), &image])
                .stdin(Stdio::null())
                .output()
                .await
                .context("cannot run the script")?;
            anyhow::Ok((
                output.status.code(),
                String::from_utf8_lossy(&output.stdout).into_owned(),
            ))
        }
    };
    let (code, message) = deploy(model.reference()).await?;
    // No DNS: the registry can't be found, which is a warning, and the script goes on.
    ensure!(
        code == Some(0) && message.starts_with("WARNING registry-unavailable: "),
        "{code:?} {message}"
    );
    let (code, message) = deploy(format!("{}@", model.repository)).await?;
    ensure!(
        code == Some(1) && message.starts_with("ERROR invalid-configuration: "),
        "{code:?} {message}"
    );
    Ok(())
}

#[tokio::test]
async fn the_first_run_creates_the_secret_and_a_second_sync_changes_nothing() -> Result<()> {
    let world = World::empty("sample-gitops").await?;
    world.grant_pull().await?;
    let aliases =
        json!([{ "op": "add", "path": "/spec/template/spec/hostAliases", "value": world.host_aliases() }]);
    let mut own = install(
        &[ALL, &["components/first-run", "components/argocd"]].concat(),
        &[],
    );
    own["patches"] = json!([{ "target": { "kind": "Job" }, "patch": aliases.to_string() }]);
    world.install(&own).await?;
    eventually("the hook is complete", || async {
        let job = world.kubectl.get("job/ensure-pull-secret-first").await?;
        Ok(if job["status"]["succeeded"] == 1 {
            Ok(())
        } else {
            Err(job["status"].to_string())
        })
    })
    .await?;
    let before = world.document().await?;
    ensure!(
        world.namespace.secret(SECRET).await?.is_some(),
        "there is no Secret"
    );
    // Argo CD deletes the hook before it creates it again.
    world
        .kubectl
        .run(["delete", "job", "ensure-pull-secret-first"])
        .await?;
    world.install(&own).await?;
    ensure!(
        world.document().await? == before,
        "the second sync changed the Secret"
    );
    Ok(())
}

#[tokio::test]
async fn the_demo_pipeline_pushes_with_the_authfile_and_verifies_the_pull() -> Result<()> {
    let world = World::new("sample-push").await?;
    world.create_sample("push-and-pull/pipeline.yaml").await?;
    let pusher = json!([{ "apiGroups": ["image.openshift.io"], "resources": ["imagestreams/layers"], "verbs": ["get", "update"] }]);
    world.namespace.grant(PULLER, "image-pusher", pusher).await?;
    let model = Model::push(world.namespace.name(), "granite:1.0")?;
    let mut run = world.run_of_sample("push-and-pull/pipelinerun.yaml").await?;
    set_param(&mut run, "DIGEST", &model.digest);
    let name = world.kubectl.create(&run.to_string()).await?;
    let run = eventually(&format!("{name} ends"), || async {
        let run = world.kubectl.get(&name).await?;
        let condition = &run["status"]["conditions"][0];
        Ok(if condition["status"] == "Unknown" || condition.is_null() {
            Err(condition.to_string())
        } else {
            Ok(run)
        })
    })
    .await?;
    ensure!(
        run["status"]["conditions"][0]["status"] == "True",
        "{}",
        run["status"]
    );
    let secret = world
        .namespace
        .secret(SECRET)
        .await?
        .context("there is a Secret")?;
    let access = secret
        .data
        .and_then(|mut data| data.remove("ACCESS_TYPE"))
        .context("it has the rules")?;
    ensure!(
        String::from_utf8_lossy(&access.0).contains("Push"),
        "ACCESS_TYPE is {:?}",
        access.0
    );
    Ok(())
}

#[tokio::test]
async fn grant_in_another_namespace_lets_the_puller_pull() -> Result<()> {
    let world = World::new("sample-grant").await?;
    let shared = TestNamespace::within(ClusterAccess::shared(), "shared-images").await?;
    let model = Model::push(shared.name(), "granite:1.0")?;
    let run = world.task_run().param("IMAGE", model.reference()).run().await?;
    run.assert_results("FAILURE", "pull-forbidden")?;
    for part in [PULLER, shared.name()] {
        ensure!(
            run.result("MESSAGE").contains(part),
            "{part} is missing: {}",
            run.result("MESSAGE")
        );
    }
    // OpenShift has the role; it has the permission that its registry reviews.
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": { "name": "system:image-puller" },
        "rules": [{ "apiGroups": ["image.openshift.io"], "resources": ["imagestreams/layers"], "verbs": ["get"] }],
    });
    world.namespace.apply(&role.to_string()).await?;
    let path = manifests().join("samples/grant-other-namespace.yaml");
    let grant = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    shared
        .apply(&grant.replace("my-models", world.namespace.name()))
        .await?;
    let run = world.task_run().param("IMAGE", model.reference()).run().await?;
    run.assert_results("SUCCESS", "ok")?;
    ensure!(
        world.stored_pulls(&model.reference()).await? == Ok(()),
        "what is stored doesn't pull"
    );
    Ok(())
}

#[tokio::test]
async fn demo_names_reach_the_secret_and_the_puller() -> Result<()> {
    let world = World::empty("demo-names").await?;
    world
        .name_to_policy("internal-registry-private-ai", "granite-puller")
        .await?;
    let names = ["secret=internal-registry-private-ai", "puller=granite-puller"];
    world.install(&install(ALL, &names)).await?;
    let puller = json!([{ "apiGroups": ["image.openshift.io"], "resources": ["imagestreams/layers"], "verbs": ["get"] }]);
    world
        .namespace
        .grant("granite-puller", "image-puller", puller)
        .await?;
    let model = Model::push(world.namespace.name(), "granite:1.0")?;
    let run = world.task_run().param("IMAGE", model.reference()).run().await?;
    run.assert_results("SUCCESS", "ok")?;
    let document = world
        .namespace
        .docker_config_json("internal-registry-private-ai")
        .await?;
    ensure!(
        pull(Some(&document), &model.reference()) == Ok(()),
        "what is stored doesn't pull"
    );
    ensure!(
        world.namespace.secret(SECRET).await?.is_none(),
        "there is a second Secret"
    );
    Ok(())
}
