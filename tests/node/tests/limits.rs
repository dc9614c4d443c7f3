//! Results and termination message keep within Tekton's and the kubelet's limits, with the longest values there are.

use anyhow::{Result, ensure};
use node_tests::{World, eventually};

/// The kubelet's limit for the message of one container without others (pkg/kubelet/container,
/// `MaxContainerTerminationMessageLength`).
const KUBELET_LIMIT: usize = 4096;

/// The longest name that a Secret may have.
fn long_name() -> String {
    let label = "a".repeat(63);
    [label.as_str(); 4].join(".")[..253].to_owned()
}

#[tokio::test]
async fn a_task_run_with_the_longest_values_keeps_all_its_results() -> Result<()> {
    let world = World::new(&"long".repeat(12)).await?;
    let images: Vec<String> = (0..40)
        .map(|index| {
            format!(
                "{}/{}:{}",
                world.model_repository(),
                "m".repeat(40),
                format!("{index}").repeat(60)
            )
        })
        .collect();
    let run = world
        .task_run()
        .param("NAME", long_name())
        .param("IMAGE", images.join(","))
        .run()
        .await?;
    // It may not access a Secret of that name: the message has both long names.
    run.assert_results("ERROR", "api-forbidden")?;
    Ok(())
}

#[tokio::test]
async fn job_with_the_longest_values_has_a_termination_message() -> Result<()> {
    let world = World::new("long-job").await?;
    world
        .kubectl
        .run([
            "create",
            "job",
            "long",
            "--from=cronjob/ensure-pull-secret",
            "--dry-run=client",
            "--output=json",
        ])
        .await
        .map(drop)?;
    let job = world
        .job_from_cron_job("long", &[("PULL_SECRET_NAME", &long_name())])
        .await?;
    world.kubectl.create(&job.to_string()).await?;
    let message = eventually("the Job's pod ends", || async {
        let pods = world.kubectl.list("pods", "job-name=long").await?;
        let terminated = pods
            .first()
            .map(|pod| pod["status"]["containerStatuses"][0]["state"]["terminated"].clone());
        Ok(match terminated {
            Some(state) if state.is_object() => Ok(state["message"].as_str().unwrap_or_default().to_owned()),
            other => Err(format!("{other:?}")),
        })
    })
    .await?;
    ensure!(
        message.contains("api-forbidden") && message.len() < KUBELET_LIMIT,
        "{message}"
    );
    Ok(())
}
