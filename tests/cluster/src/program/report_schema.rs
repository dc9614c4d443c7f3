//! The published schema of the report.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// `docs/report.schema.json` of this repository.
pub fn published() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/report.schema.json")
}

/// Checks a report against a schema, and names every place where it differs.
///
/// # Errors
/// If the schema can't be read, or the report doesn't match it.
pub fn check(report: &Value, schema: &Path) -> Result<()> {
    let text =
        fs::read(schema).with_context(|| format!("cannot read the report's schema, {}", schema.display()))?;
    let schema: Value = serde_json::from_slice(&text).context("the report's schema is not JSON")?;
    let validator = jsonschema::validator_for(&schema)
        .map_err(|error| anyhow::anyhow!("the report's schema is not a JSON Schema: {error}"))?;
    let differences: Vec<String> = validator
        .iter_errors(report)
        .map(|error| format!("at {:?}: {error}", error.instance_path().to_string()))
        .collect();
    ensure!(
        differences.is_empty(),
        "the report doesn't match its schema:\n  {}",
        differences.join("\n  ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_difference_is_reported() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let schema = directory.path().join("schema.json");
        fs::write(
            &schema,
            json!({
                "type": "object",
                "required": ["status"],
                "properties": { "exit_code": { "type": "integer" } },
            })
            .to_string(),
        )?;
        check(&json!({ "status": "SUCCESS", "exit_code": 0 }), &schema)?;
        let error = check(&json!({ "exit_code": "0" }), &schema).expect_err("two differences");
        let text = error.to_string();
        assert!(text.contains("/exit_code") && text.contains("status"), "{text}");
        Ok(())
    }
}
