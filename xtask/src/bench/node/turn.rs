//! One run of a contender, from its pod's creation to its end.

use std::{pin::pin, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::StreamExt as _;
use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{
    Api,
    api::{
        ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, PostParams, WatchEvent,
        WatchParams,
    },
};
use node_tests::{TaskRunStatus, World};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::container_events::{ContainerEvents, since};

/// How long a run may take, and as long again until it is gone.
const PATIENCE: Duration = Duration::from_secs(120);
/// What the kubelet writes before a container's id.
const RUNTIME: &str = "containerd://";

/// A run that has ended and is gone.
pub struct Turn {
    /// The pod, from created to finished, as somebody sees it who watches.
    pub pod: Duration,
    /// The step's container, from started to ended.
    pub step: Duration,
    /// The step's command, from the moment in which Tekton's entrypoint starts it to the container's end.
    pub command: Duration,
    /// The id of the step's container.
    pub container: String,
    /// What the TaskRun's status said.
    pub status: TaskRunStatus,
}

/// Runs a TaskRun in a namespace without pods, and removes it with its pod.
///
/// # Errors
/// Where it isn't accepted, doesn't end, or doesn't go away.
pub async fn take(world: &World, events: &ContainerEvents, run: Value) -> Result<Turn> {
    let pods: Api<Pod> = world.namespace.api();
    let none = pods.list(&ListParams::default()).await?;
    ensure!(none.items.is_empty(), "a pod of another run is still there");
    let version = none.metadata.resource_version.context("a list has a version")?;
    let mut watch = pin!(pods.watch(&WatchParams::default(), &version).await?);
    let mut next = async || -> Result<(WatchEvent<Pod>, Instant)> {
        let event = timeout(PATIENCE, watch.next())
            .await
            .context("a run's pod does not get any further")?
            .context("the API server ended a watch")??;
        Ok((event, Instant::now()))
    };

    let runs = Api::<DynamicObject>::namespaced_with(
        world.namespace.client(),
        world.namespace.name(),
        &ApiResource::from_gvk(&GroupVersionKind::gvk("tekton.dev", "v1", "TaskRun")),
    );
    let run = runs
        .create(&PostParams::default(), &serde_json::from_value(run)?)
        .await
        .context("cannot create a TaskRun")?;
    let name = run.metadata.name.context("a created TaskRun has a name")?;

    let (WatchEvent::Added(_), created) = next().await? else {
        bail!("the first that is heard of a pod is that it is there");
    };
    let (pod, finished) = loop {
        match next().await? {
            (WatchEvent::Modified(pod), at) if has_ended(&pod) => break (pod, at),
            (WatchEvent::Modified(_) | WatchEvent::Bookmark(_), _) => {}
            (event, _) => bail!("{name}: instead of its pod's end: {event:?}"),
        }
    };
    let status = TaskRunStatus::await_end(world, &format!("taskrun/{name}")).await?;
    let (container, command_started) =
        step(&pod).with_context(|| format!("{name}: what its pod says can't be read: {:?}", pod.status))?;
    let life = events.life_of(&container).await?;

    runs.delete(&name, &DeleteParams::background())
        .await
        .context("cannot delete a TaskRun")?;
    while !matches!(next().await?, (WatchEvent::Deleted(_), _)) {}
    Ok(Turn {
        pod: finished - created,
        step: life.duration(),
        command: since(command_started, life.ended),
        container,
        status,
    })
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// The id of the step's container, and when Tekton's entrypoint started the command, as it says itself
/// (pkg/entrypoint/entrypointer.go, `StartedAt`), in milliseconds.
fn step(pod: &Pod) -> Option<(String, Timestamp)> {
    let containers = pod.status.as_ref()?.container_statuses.as_deref()?;
    let [container] = containers else { return None };
    let id = container.container_id.as_deref()?.strip_prefix(RUNTIME)?;
    let message = container
        .state
        .as_ref()?
        .terminated
        .as_ref()?
        .message
        .as_deref()?;
    Some((id.to_owned(), started_at(message)?))
}

fn started_at(message: &str) -> Option<Timestamp> {
    let results: Vec<Value> = serde_json::from_str(message).ok()?;
    results.iter().find(|result| result["key"] == "StartedAt")?["value"]
        .as_str()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_step_is_the_pods_only_container() -> Result<()> {
        let message = r#"[{"key":"STATUS","value":"SUCCESS","type":1},{"key":"StartedAt","value":"2026-11-25T21:37:25.123Z","type":3}]"#;
        let step_of = |containers: Value| -> Result<Option<(String, Timestamp)>> {
            let pod = json!({ "status": { "phase": "Succeeded", "containerStatuses": containers } });
            Ok(step(&serde_json::from_value(pod)?))
        };
        let container = json!({
            "name": "step-shell", "image": "shell", "imageID": "", "ready": false, "restartCount": 0,
            "containerID": "containerd://ab",
            "state": { "terminated": { "exitCode": 0, "message": message } },
        });
        let expected = ("ab".to_owned(), "2026-11-25T21:37:25.123Z".parse()?);
        assert_eq!(step_of(json!([container.clone()]))?, Some(expected));
        assert_eq!(step_of(json!([container.clone(), container]))?, None);
        Ok(())
    }
}
