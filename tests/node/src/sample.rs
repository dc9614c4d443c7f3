//! The samples, as a user applies them: with their own image names, in a cluster whose registry has no DNS name.

use std::fs;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{World, world::manifests};

/// Image in place of the samples' images.
const STAND_IN: &str = "registry.access.redhat.com/ubi9/ubi-minimal:9.6";
/// The project of the samples' images, in the registry with OpenShift's rules.
const PROJECT: &str = "image-registry.openshift-image-registry.svc:5000/my-models";

impl World {
    /// Objects of a sample, with this cluster's image and project.
    ///
    /// # Errors
    /// If it can't be read, or kubectl can't read it.
    pub async fn sample(&self, name: &str) -> Result<Vec<Value>> {
        let path = manifests().join("samples").join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = text
            .replace(STAND_IN, self.shell_image())
            .replace(PROJECT, &self.model_repository());
        let objects = self
            .kubectl
            .run_with_input(
                ["create", "--dry-run=client", "--output=json", "--filename", "-"],
                &text,
            )
            .await
            .with_context(|| format!("kubectl can't read {name}"))?;
        // kubectl prints one document for each object.
        serde_json::Deserializer::from_str(&objects)
            .into_iter::<Value>()
            .map(|object| object.with_context(|| format!("kubectl's {name} is no JSON")))
            .collect()
    }

    /// Creates the objects of a sample that need nothing else.
    ///
    /// # Errors
    /// If the API server refuses one.
    pub async fn create_sample(&self, name: &str) -> Result<()> {
        for object in self.sample(name).await? {
            self.kubectl.create(&object.to_string()).await?;
        }
        Ok(())
    }

    /// The only object of a sample that runs something, with the registries' addresses for its pods.
    ///
    /// # Errors
    /// If it isn't one object.
    pub async fn run_of_sample(&self, name: &str) -> Result<Value> {
        let mut objects = self.sample(name).await?;
        let mut run = objects.pop().with_context(|| format!("{name} is empty"))?;
        let aliases = self.host_aliases();
        let spec = &mut run["spec"];
        match spec.get_mut("taskRunSpecs").and_then(Value::as_array_mut) {
            Some(tasks) => {
                for task in tasks {
                    task["podTemplate"]["hostAliases"] = aliases.clone();
                }
            }
            None => spec["podTemplate"]["hostAliases"] = aliases,
        }
        Ok(run)
    }
}

/// Sets a parameter of a run.
pub fn set_param(run: &mut Value, name: &str, value: &str) {
    let Some(params) = run["spec"].get_mut("params").and_then(Value::as_array_mut) else {
        run["spec"]["params"] = json!([{ "name": name, "value": value }]);
        return;
    };
    params.retain(|param| param["name"] != name);
    params.push(json!({ "name": name, "value": value }));
}

/// Sets a variable of a TaskRun's pod.
pub fn set_variable(run: &mut Value, name: &str, value: &str) {
    let variable = json!({ "name": name, "value": value });
    let Some(env) = run["spec"]["podTemplate"]
        .get_mut("env")
        .and_then(Value::as_array_mut)
    else {
        run["spec"]["podTemplate"]["env"] = json!([variable]);
        return;
    };
    env.retain(|variable| variable["name"] != name);
    env.push(variable);
}
