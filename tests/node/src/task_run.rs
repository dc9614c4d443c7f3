//! A TaskRun, and the information in its status.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{World, eventually, world::RUNNER};

/// Tekton's limit for the termination message of one container (pkg/termination/write.go), in bytes.
const TERMINATION_MESSAGE_LIMIT: usize = 4096;
/// The contract's limit for all results together, with JSON escapes, in bytes.
const RESULTS_LIMIT: usize = 1024;

/// A TaskRun that is not created yet.
pub struct TaskRun<'a> {
    world: &'a World,
    params: Vec<(&'a str, String)>,
    pod_template: Value,
}

impl<'a> TaskRun<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        Self {
            world,
            params: Vec::new(),
            pod_template: json!({ "hostAliases": world.host_aliases() }),
        }
    }

    /// With a parameter.
    #[must_use]
    pub fn param(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.params.push((name, value.into()));
        self
    }

    /// With a variable that is no parameter, as the page shows it.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        let env = json!({ "name": name, "value": value });
        match self.pod_template.get_mut("env").and_then(Value::as_array_mut) {
            Some(list) => list.push(env),
            None => self.pod_template["env"] = json!([env]),
        }
        self
    }

    /// With other addresses of registries, as `hostAliases`.
    #[must_use]
    pub fn hosts(mut self, aliases: Value) -> Self {
        self.pod_template["hostAliases"] = aliases;
        self
    }

    /// As another user than the image's own, as OpenShift does.
    #[must_use]
    pub fn run_as(mut self, user: i64) -> Self {
        self.pod_template["securityContext"] = json!({ "runAsUser": user });
        self
    }

    /// Creates it, and gives its name.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn create(self) -> Result<String> {
        let params: Vec<Value> = self
            .params
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        let manifest = json!({
            "apiVersion": "tekton.dev/v1",
            "kind": "TaskRun",
            "metadata": { "generateName": "ensure-pull-secret-" },
            "spec": {
                "serviceAccountName": RUNNER,
                "taskRef": { "name": "ensure-pull-secret" },
                "params": params,
                "podTemplate": self.pod_template,
            },
        });
        self.world.kubectl.create(&manifest.to_string()).await
    }

    /// Creates it, and waits for its end.
    ///
    /// # Errors
    /// If it isn't accepted or doesn't end.
    pub async fn run(self) -> Result<TaskRunStatus> {
        let world = self.world;
        let name = self.create().await?;
        TaskRunStatus::await_end(world, &name).await
    }
}

/// The status of a TaskRun that has ended: all that most people look at.
#[derive(Clone, Debug)]
pub struct TaskRunStatus {
    /// `taskrun.tekton.dev/name`.
    pub name: String,
    /// `status`.
    pub status: Value,
}

impl TaskRunStatus {
    /// Waits for a TaskRun's end.
    ///
    /// # Errors
    /// If it doesn't end.
    pub async fn await_end(world: &World, name: &str) -> Result<Self> {
        let status = eventually(&format!("{name} ends"), || async {
            let run = world.kubectl.get(name).await?;
            let succeeded = &run["status"]["conditions"][0]["status"];
            Ok(if *succeeded == "True" || *succeeded == "False" {
                Ok(run["status"].clone())
            } else {
                Err(run["status"].to_string())
            })
        })
        .await?;
        Ok(Self {
            name: name.to_owned(),
            status,
        })
    }

    /// True if the TaskRun succeeded.
    pub fn succeeded(&self) -> bool {
        self.status["conditions"][0]["status"] == "True"
    }

    /// The step's exit code.
    pub fn exit_code(&self) -> Option<i64> {
        self.status["steps"][0]["terminated"]["exitCode"].as_i64()
    }

    /// A result; empty where it is missing.
    pub fn result(&self, name: &str) -> String {
        self.results().remove(name).unwrap_or_default()
    }

    /// All results.
    pub fn results(&self) -> BTreeMap<String, String> {
        let results = self.status["results"].as_array().into_iter().flatten();
        results
            .filter_map(|result| {
                Some((
                    result["name"].as_str()?.to_owned(),
                    result["value"].as_str()?.to_owned(),
                ))
            })
            .collect()
    }

    /// The pod's name.
    pub fn pod(&self) -> String {
        self.status["podName"].as_str().unwrap_or_default().to_owned()
    }

    /// Fails where results are missing, or are not within the limits of the contract and of Tekton.
    ///
    /// # Errors
    /// Index of the step.
    pub fn assert_results(&self, status: &str, reason: &str) -> Result<&Self> {
        let results = self.results();
        for name in [
            "STATUS",
            "ACTION",
            "REASON",
            "MESSAGE",
            "EXPIRES_AT",
            "VERIFIED",
            "TEST_OUTPUT",
        ] {
            anyhow::ensure!(results.contains_key(name), "{name} is missing: {}", self.status);
        }
        let ended = (self.result("STATUS"), self.result("REASON"));
        anyhow::ensure!(
            (ended.0.as_str(), ended.1.as_str()) == (status, reason),
            "{ended:?} instead of {status} {reason}: {}",
            self.result("MESSAGE")
        );
        let test_output: Value =
            serde_json::from_str(&results["TEST_OUTPUT"]).context("TEST_OUTPUT is not JSON")?;
        anyhow::ensure!(test_output["result"] == status, "TEST_OUTPUT: {test_output}");
        let size: usize = results
            .values()
            .map(|value| Value::from(value.as_str()).to_string().len())
            .sum();
        anyhow::ensure!(size < RESULTS_LIMIT, "{size} bytes of results");
        let message = self.status["steps"][0]["terminated"]["message"]
            .as_str()
            .unwrap_or_default();
        anyhow::ensure!(
            message.len() < TERMINATION_MESSAGE_LIMIT,
            "{} bytes in all",
            message.len()
        );
        Ok(self)
    }
}
