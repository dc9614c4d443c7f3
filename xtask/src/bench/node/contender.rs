//! Contenders on a node: a step with the program, from the shipped Task, and a step with the script.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use node_tests::{Model, PULLER, RUNNER, SECRET, TaskRunStatus, World, push_layout};
use serde_json::{Value, json};
use test_cluster::{access::ClusterAccess, registry::OPENSHIFT};

use super::{container_events::ContainerEvents, memory};
use crate::bench::{
    contender::{allow_create, ensure_it_did},
    contest,
    figures::State,
    stored::{NEXT_RUN_WITHIN, Stored},
};

const PROGRAM_TASK: &str = "ensure-pull-secret";
const SHELL_TASK: &str = "shell";
/// Repository of the script's image.
const REPOSITORY: &str = "tools/shell";

/// A contender on a node.
pub struct Contender {
    world: World,
    stored: Stored,
    events: ContainerEvents,
    /// Image to verify the pull with; only the program does.
    model: Option<Model>,
}

impl Contender {
    /// The contenders of the contest on a node, in the order of the tables; `shell` is the OCI layout of the script's
    /// image.
    ///
    /// # Errors
    /// When the API server or the registry refuses a part of the setup.
    pub async fn all(access: &ClusterAccess, shell: &Path) -> Result<[Self; 2]> {
        let mut program = Self::new(access).await?;
        program.model = Some(program.world.model("granite")?);
        let shell_image = tokio::task::block_in_place(|| push_layout(shell, REPOSITORY))?;
        let shell = Self::new(access).await?;
        let namespace = &shell.world.namespace;
        let task = shell_task(&shell_image.reference());
        namespace.apply(&task.to_string()).await?;
        allow_create(namespace, RUNNER).await?;
        Ok([program, shell])
    }

    async fn new(access: &ClusterAccess) -> Result<Self> {
        let world = World::new("bench").await?;
        // Nothing else may start during a run.
        world.kubectl.run(["delete", "cronjob", PROGRAM_TASK]).await?;
        Ok(Self {
            stored: Stored::new(&world.namespace, SECRET, PULLER),
            events: ContainerEvents::listen(&access.node()?.container_runtime)?,
            world,
            model: None,
        })
    }

    /// Memory limit of the step in the installed Task, in MiB.
    ///
    /// # Errors
    /// When it has no limit in MiB.
    pub async fn memory_limit(&self) -> Result<u64> {
        let task = self.world.kubectl.get(&format!("task/{PROGRAM_TASK}")).await?;
        let limit = &task["spec"]["steps"][0]["computeResources"]["limits"]["memory"];
        let mebibytes = limit.as_str().and_then(|limit| limit.strip_suffix("Mi"));
        let mebibytes = mebibytes.with_context(|| format!("{limit} is no limit in MiB"))?;
        Ok(mebibytes.parse()?)
    }

    /// Runs a TaskRun and deletes it with its pod. Gives the id of the step's container.
    async fn once(&mut self, state: State) -> Result<String> {
        self.stored.prepare(state).await?;
        let name = self.world.kubectl.create(&self.task_run().to_string()).await?;
        let run = TaskRunStatus::await_end(&self.world, &name).await?;
        ensure!(run.succeeded(), "{}: {name} failed: {}", state.name(), run.status);
        if self.model.is_some() {
            ensure_it_did(state, |result| run.result(result))?;
        }
        let pod = self.world.kubectl.get(&format!("pod/{}", run.pod())).await?;
        let container = &pod["status"]["containerStatuses"][0]["containerID"];
        let container = container.as_str().and_then(|id| id.strip_prefix("containerd://"));
        let container = container.with_context(|| format!("{name} has no container"))?;
        let delete = ["delete", &name, "--cascade=foreground"];
        self.world.kubectl.run(delete).await?;
        Ok(container.to_owned())
    }

    fn task_run(&self) -> Value {
        let (task, params) = match &self.model {
            Some(model) => (
                PROGRAM_TASK,
                json!([
                    { "name": "IMAGE", "value": model.reference() },
                    { "name": "NEXT_RUN_WITHIN", "value": NEXT_RUN_WITHIN },
                ]),
            ),
            None => (SHELL_TASK, json!([])),
        };
        json!({
            "apiVersion": "tekton.dev/v1",
            "kind": "TaskRun",
            "metadata": { "generateName": "bench-" },
            "spec": {
                "serviceAccountName": RUNNER,
                "taskRef": { "name": task },
                "params": params,
                "podTemplate": { "hostAliases": self.world.host_aliases() },
            },
        })
    }
}

impl contest::Contender for Contender {
    async fn enter(&mut self, _: State) -> Result<()> {
        Ok(())
    }

    async fn run(&mut self, state: State) -> Result<Duration> {
        let container = self.once(state).await?;
        self.events.lifetime_of(&container).await
    }

    async fn peak_memory(&mut self, state: State) -> Result<u64> {
        let control_group = self.world.control_group().to_owned();
        let (container, peaks) = memory::peaks_during(&control_group, self.once(state)).await?;
        let peak = peaks.get(&container).copied();
        peak.context("the step has no control group that accounts for memory")
    }
}

/// A Task with the same kind of step as the program's.
fn shell_task(image: &str) -> Value {
    json!({
        "apiVersion": "tekton.dev/v1",
        "kind": "Task",
        "metadata": { "name": SHELL_TASK },
        "spec": { "steps": [{
            "name": "shell",
            "image": image,
            "command": ["/bin/busybox", "sh", "/bin/shell.sh"],
            "env": [
                { "name": "HOME", "value": "/tekton/home" },
                { "name": "SECRET", "value": SECRET },
                { "name": "ACCOUNT", "value": PULLER },
                { "name": "REGISTRY", "value": OPENSHIFT },
            ],
            "computeResources": { "requests": { "cpu": "10m", "memory": "16Mi" } },
            "securityContext": {
                "runAsNonRoot": true,
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"] },
                "seccompProfile": { "type": "RuntimeDefault" },
            },
        }] },
    })
}
