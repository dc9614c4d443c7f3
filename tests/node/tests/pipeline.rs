//! The sample Pipeline: the build's image goes in, the results decide whether the model is deployed.

use anyhow::{Context as _, Result, ensure};
use node_tests::{TaskRunStatus, World, eventually, set_param};
use serde_json::{Value, json};

/// A PipelineRun of the sample that has ended.
struct Ended<'a> {
    world: &'a World,
    run: Value,
}

impl<'a> Ended<'a> {
    /// Runs the sample Pipeline for an image as the build's stand-in names it, with further parameters and variables of
    /// the pods of the project's task.
    async fn run(
        world: &'a World,
        image: (&str, &str),
        params: &[(&str, &str)],
        hosts: Option<Value>,
        environment: &[(&str, &str)],
    ) -> Result<Ended<'a>> {
        let mut run = world.run_of_sample("pipeline/pipelinerun.yaml").await?;
        set_param(&mut run, "IMAGE", image.0);
        set_param(&mut run, "DIGEST", image.1);
        for (name, value) in params {
            set_param(&mut run, name, value);
        }
        let template = &mut run["spec"]["taskRunSpecs"][0]["podTemplate"];
        if let Some(hosts) = hosts {
            template["hostAliases"] = hosts;
        }
        template["env"] = environment
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        let name = world.kubectl.create(&run.to_string()).await?;
        let run = eventually(&format!("{name} ends"), || async {
            let run = world.kubectl.get(&name).await?;
            let condition = &run["status"]["conditions"][0];
            Ok(
                if condition["status"] == "True" || condition["status"] == "False" {
                    Ok(run)
                } else {
                    Err(condition.to_string())
                },
            )
        })
        .await?;
        Ok(Ended { world, run })
    }

    fn succeeded(&self) -> bool {
        self.run["status"]["conditions"][0]["status"] == "True"
    }

    /// The TaskRun of a task; none where it was skipped.
    async fn task(&self, task: &str) -> Result<Option<TaskRunStatus>> {
        let children = self.run["status"]["childReferences"].as_array();
        let child = children
            .into_iter()
            .flatten()
            .find(|child| child["pipelineTaskName"] == task);
        let Some(name) = child.and_then(|child| child["name"].as_str()) else {
            return Ok(None);
        };
        TaskRunStatus::await_end(self.world, &format!("taskrun/{name}"))
            .await
            .map(Some)
    }

    async fn ensure_task(&self) -> Result<TaskRunStatus> {
        self.task("ensure-pull-secret")
            .await?
            .context("the task was skipped")
    }

    /// Output of the step of a task.
    async fn log_of(&self, task: &str) -> Result<String> {
        let run = self
            .task(task)
            .await?
            .with_context(|| format!("{task} was skipped"))?;
        self.world
            .kubectl
            .run(["logs", &run.pod(), "--container", &format!("step-{task}")])
            .await
    }
}

async fn world(name: &str) -> Result<World> {
    let world = World::new(name).await?;
    world.create_sample("pipeline/pipeline.yaml").await?;
    Ok(world)
}

#[tokio::test]
async fn success_deploys_the_model_by_its_verified_digest() -> Result<()> {
    let world = world("pipeline-success").await?;
    let model = world.model("model")?;
    // The stand-in's `echo` ends both results with a newline, as buildah's tasks do.
    let ended = Ended::run(&world, (&model.repository, &model.digest), &[], None, &[]).await?;
    ensure!(ended.succeeded(), "{}", ended.run["status"]);
    let ensured = ended.ensure_task().await?;
    ensured.assert_results("SUCCESS", "ok")?;
    ensure!(ensured.result("VERIFIED") == "pull", "{}", ensured.status);
    let build = ended.task("build").await?.context("it has a build")?;
    ensure!(
        build.result("IMAGE_DIGEST").ends_with('\n'),
        "the stand-in writes no line end"
    );
    let deployed = ended.log_of("deploy").await?;
    ensure!(deployed.contains(&model.digest), "{deployed}");
    let report = ended.log_of("report").await?;
    ensure!(report.starts_with("ok\n"), "{report}");
    Ok(())
}

#[tokio::test]
async fn warning_deploys_the_model() -> Result<()> {
    let world = world("pipeline-warning").await?;
    let model = world.model("model")?;
    // The configured registry has no listener.
    let nowhere = json!([{ "ip": node_tests::free_address()?, "hostnames": ["image-registry.openshift-image-registry.svc"] }]);
    let ended = Ended::run(
        &world,
        (&model.repository, &model.digest),
        &[],
        Some(nowhere),
        &[("PULL_SECRET_LOG_FORMAT", "json")],
    )
    .await?;
    ensure!(ended.succeeded(), "{}", ended.run["status"]);
    let ensured = ended.ensure_task().await?;
    ensured.assert_results("WARNING", "registry-unavailable")?;
    ensure!(ended.task("deploy").await?.is_some(), "deploy was skipped");
    // A variable that is no parameter came through podTemplate.env.
    let log = world.kubectl.run(["logs", &ensured.pod()]).await?;
    let last = log.trim_end().lines().last().unwrap_or_default();
    ensure!(
        serde_json::from_str::<Value>(last).is_ok(),
        "the log is not JSON: {last}"
    );
    Ok(())
}

#[tokio::test]
async fn failure_without_strict_skips_deploy_and_the_run_succeeds() -> Result<()> {
    let world = world("pipeline-lenient").await?;
    world.revoke_pull().await?;
    let model = world.model("model")?;
    let ended = Ended::run(
        &world,
        (&model.repository, &model.digest),
        &[("STRICT", "false")],
        None,
        &[],
    )
    .await?;
    ensure!(ended.succeeded(), "{}", ended.run["status"]);
    ended
        .ensure_task()
        .await?
        .assert_results("FAILURE", "pull-forbidden")?;
    ensure!(ended.task("deploy").await?.is_none(), "deploy was not skipped");
    Ok(())
}

#[tokio::test]
async fn pipeline_run_fails_with_the_message_of_the_step() -> Result<()> {
    let world = world("pipeline-strict").await?;
    world.revoke_pull().await?;
    let model = world.model("model")?;
    let ended = Ended::run(&world, (&model.repository, &model.digest), &[], None, &[]).await?;
    ensure!(!ended.succeeded(), "{}", ended.run["status"]);
    let ensured = ended.ensure_task().await?;
    ensured.assert_results("FAILURE", "pull-forbidden")?;
    ensure!(ensured.exit_code() == Some(77), "{}", ensured.status);
    ensure!(ended.task("deploy").await?.is_none(), "deploy was not skipped");
    let report = ended.log_of("report").await?;
    ensure!(
        report.starts_with("pull-forbidden\n") && report.contains(&ensured.result("MESSAGE")),
        "{report}"
    );
    Ok(())
}

#[tokio::test]
async fn build_without_a_digest_is_reported_as_the_cause() -> Result<()> {
    let world = world("pipeline-no-digest").await?;
    let model = world.model("model")?;
    let ended = Ended::run(&world, (&model.repository, ""), &[], None, &[]).await?;
    ensure!(!ended.succeeded(), "{}", ended.run["status"]);
    let ensured = ended.ensure_task().await?;
    ensured.assert_results("ERROR", "invalid-configuration")?;
    ensure!(
        ensured.result("MESSAGE").contains("digest"),
        "{}",
        ensured.result("MESSAGE")
    );
    Ok(())
}
