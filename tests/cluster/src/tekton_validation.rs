//! Errors of Tekton's admission webhook about an object, and objects of its bundles, by Tekton's own code; no controller is needed.

use std::ffi::OsStr;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::kustomize::manifests;

/// Error of Tekton.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Objection {
    /// Index of the object, from 0.
    pub index: usize,
    /// Field, such as `spec.steps[0].command`; empty if Tekton doesn't report one.
    pub field: String,
    /// Message.
    pub message: String,
}

/// Everything that Tekton objects to in `objects`: fields it doesn't know, and what its `Validate` finds once defaults are
/// set. Objects of other groups are passed over; a version of Tekton's that we don't write is an objection. Builds the
/// validator where the cache lacks it: blocks.
///
/// # Errors
/// If the validator can't be built or run.
pub fn objections(objects: &[Value]) -> Result<Vec<Objection>> {
    let answer = manifests(&[OsStr::new("validate")], &serde_json::to_vec(objects)?)?;
    serde_json::from_slice(&answer).context("the validator's answer is not what was agreed")
}

/// An object of a bundle in a registry, as Tekton's resolver gives it to a run: `data`, `annotations`, `uri` and `digest`. Builds
/// the resolver where the cache lacks it: blocks.
///
/// # Errors
/// If the resolver can't be built, or doesn't find it.
pub fn bundle_entry(reference: &str, kind: &str, name: &str) -> Result<Value> {
    let answer = manifests(&["bundle", reference, kind, name].map(OsStr::new), b"")?;
    serde_json::from_slice(&answer).context("the resolver's answer is not what was agreed")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rejection_of_tektons_webhook_is_reported_with_its_field() -> Result<()> {
        let task = |step: Value| {
            json!({
                "apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": { "name": "task" },
                "spec": { "steps": [step] },
            })
        };
        let objects = [
            task(json!({ "name": "right", "image": "image.invalid", "command": ["/a"] })),
            task(json!({ "name": "unknown-field", "image": "image.invalid", "comand": ["/a"] })),
            task(json!({ "name": "no-such-param", "image": "image.invalid", "command": ["$(params.NONE)"] })),
            json!({ "apiVersion": "v1", "kind": "Secret" }),
            json!({ "apiVersion": "tekton.dev/v1beta1", "kind": "Task" }),
            json!({
                "apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": { "generateName": "run-" },
                "spec": { "taskRef": { "name": "task" } },
            }),
        ];
        let objections = objections(&objects)?;
        let places: Vec<_> = objections
            .iter()
            .map(|objection| (objection.index, objection.field.as_str()))
            .collect();
        assert_eq!(
            places,
            [(1, ""), (2, "spec.steps[0].command[0]"), (4, "apiVersion")]
        );
        assert!(objections[0].message.contains("comand"), "{objections:?}");
        Ok(())
    }
}
