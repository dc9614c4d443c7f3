//! The memory limit that the shipped Task gives its step.

use std::fs;

use anyhow::{Context as _, Result};
use serde_json::Value;
use test_cluster::manifest::documents;

use crate::project;

/// The Task.
const TASK: &str = "tekton/task/ensure-pull-secret/ensure-pull-secret.yaml";

/// The limit, in bytes.
///
/// # Errors
/// Where the manifest has none.
pub fn of_the_shipped_task() -> Result<u64> {
    let text = fs::read_to_string(project::file(TASK)).with_context(|| format!("cannot read {TASK}"))?;
    let limit = documents(&text)?
        .iter()
        .find_map(|task| bytes(&task["spec"]["steps"][0]["computeResources"]["limits"]["memory"]));
    limit.with_context(|| format!("{TASK} gives its step no limit of memory"))
}

/// A quantity of whole Ki, Mi or Gi, in bytes.
fn bytes(quantity: &Value) -> Option<u64> {
    let quantity = quantity.as_str()?;
    [("Ki", 1_u64 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30)]
        .into_iter()
        .find_map(|(unit, size)| {
            quantity
                .strip_suffix(unit)?
                .parse::<u64>()
                .ok()?
                .checked_mul(size)
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_shipped_task_has_a_limit() -> Result<()> {
        assert!(of_the_shipped_task()? > 0);
        assert_eq!(bytes(&json!("64Mi")), Some(67_108_864));
        assert_eq!(bytes(&json!("64M")), None);
        assert_eq!(bytes(&Value::Null), None);
        Ok(())
    }
}
