//! Who does the work on a node: a step with the program as its Task is shipped, or a step with the script.

use anyhow::{Context as _, Result, ensure};
use node_tests::{Model, PULLER, RUNNER, SECRET, TaskRunStatus, World};
use serde_json::{Value, json};
use test_cluster::registry::OPENSHIFT;

use super::shell_image::SCRIPT_PATH;
use crate::bench::{
    state::State,
    stored::{NEXT_RUN_WITHIN, Stored},
};

/// The script's Task.
const SHELL_TASK: &str = "shell";
/// The program's Task, as it is shipped.
const PROGRAM_TASK: &str = "ensure-pull-secret";

/// One contender, in a namespace of its own.
pub struct Contender {
    world: World,
    stored: Stored,
    kind: Kind,
}

enum Kind {
    Program { model: Model },
    Shell,
}

impl Contender {
    /// The program, with an image to prove that it pulls.
    ///
    /// # Errors
    /// Where the install fails.
    pub async fn program() -> Result<Self> {
        let world = world("bench-program").await?;
        let model = world.model("granite")?;
        Ok(Self::of(world, Kind::Program { model }))
    }

    /// The script, in `image`.
    ///
    /// # Errors
    /// Where the API server refuses anything of it.
    pub async fn shell(image: &str) -> Result<Self> {
        let world = world("bench-shell").await?;
        world.namespace.apply(&shell_task(image).to_string()).await?;
        // `kubectl apply` creates by POST, where the Role's names don't count; the program doesn't need it.
        let create = json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["create"] }]);
        world.namespace.grant(RUNNER, "create-secrets", create).await?;
        Ok(Self::of(world, Kind::Shell))
    }

    fn of(world: World, kind: Kind) -> Self {
        Self {
            stored: Stored::new(&world.namespace, SECRET, PULLER),
            world,
            kind,
        }
    }

    /// Where it is.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Brings the Secret into the state before a run. The script does the same whatever it finds but a missing Secret.
    ///
    /// # Errors
    /// Where the API server refuses it.
    pub async fn prepare(&mut self, state: State) -> Result<()> {
        match (&self.kind, state) {
            (Kind::Shell, State::Refresh) => Ok(()),
            _ => self.stored.prepare(state).await,
        }
    }

    /// Its next TaskRun.
    pub fn task_run(&self) -> Value {
        let (task, params) = match &self.kind {
            Kind::Program { model } => (
                PROGRAM_TASK,
                json!([
                    { "name": "IMAGE", "value": model.reference() },
                    { "name": "NEXT_RUN_WITHIN", "value": NEXT_RUN_WITHIN },
                ]),
            ),
            Kind::Shell => (SHELL_TASK, json!([])),
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

    /// Fails where the run did something else than it should have.
    ///
    /// # Errors
    /// What it did.
    pub fn check(&self, state: State, run: &TaskRunStatus) -> Result<()> {
        ensure!(
            run.succeeded(),
            "{} failed at the {}: {}",
            run.name,
            state.name(),
            run.status
        );
        if matches!(self.kind, Kind::Program { .. }) {
            let (action, verified) = (run.result("ACTION"), run.result("VERIFIED"));
            ensure!(
                action == state.action() && verified == "pull",
                "at the {} the program ended with {action} {verified}: {}",
                state.name(),
                run.result("MESSAGE")
            );
        }
        Ok(())
    }
}

/// A namespace as a user has it, but that nothing is started at its own time.
async fn world(prefix: &str) -> Result<World> {
    let world = World::new(prefix).await?;
    world
        .kubectl
        .run(["delete", "cronjob", PROGRAM_TASK])
        .await
        .context("cannot delete the CronJob")?;
    Ok(world)
}

/// As small as the program's Task: the same kind of step, without what the script has no use for.
fn shell_task(image: &str) -> Value {
    json!({
        "apiVersion": "tekton.dev/v1",
        "kind": "Task",
        "metadata": { "name": SHELL_TASK },
        "spec": { "steps": [{
            "name": "shell",
            "image": image,
            "command": ["/bin/bash", SCRIPT_PATH],
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
