//! Lines of standard error.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn every_line_of_a_json_log_is_a_record_and_the_last_has_the_result() -> Result<()> {
    let world = World::without_grant("json-log").await?;
    let image = world.push("app:v1")?;
    let program = world
        .program()
        .env("PULL_SECRET_IMAGE", &image)
        .env("PULL_SECRET_LOG_FORMAT", "json")
        .env("PULL_SECRET_UNKNOWN", "x");
    for level in ["error", "warn", "info", "debug"] {
        let outcome = program.clone().env("PULL_SECRET_LOG", level).run().await?;
        let records: Vec<Value> = outcome
            .output
            .stderr
            .lines()
            .map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}")))
            .collect::<Result<_>>()?;
        for record in &records {
            for field in ["timestamp", "level", "message"] {
                assert!(record[field].is_string(), "{field} in {record}");
            }
        }
        let warned = records
            .iter()
            .any(|record| record["message"].to_string().contains("PULL_SECRET_UNKNOWN"));
        assert_eq!(warned, level != "error", "{outcome}");
        let paste = records
            .iter()
            .find_map(|record| record["paste"].as_str())
            .unwrap_or_default();
        assert!(
            paste.contains("system:image-puller"),
            "what is to be pasted stands whole in its record: {outcome}"
        );
        let last = records.last().context("a log")?;
        let end = json!([
            last["status"],
            last["reason"],
            last["exit_code"],
            last["message"],
            last["level"]
        ]);
        assert_eq!(
            end,
            json!([
                "FAILURE",
                "pull-forbidden",
                77,
                outcome.result("MESSAGE"),
                "ERROR"
            ])
        );
    }
    Ok(())
}

#[tokio::test]
async fn last_line_of_a_text_log_has_the_result_at_every_level() -> Result<()> {
    let world = World::new("text-log").await?;
    for level in ["error", "warn", "info", "debug"] {
        let outcome = world.program().env("PULL_SECRET_LOG", level).run().await?;
        let last = outcome.output.stderr.lines().last().context("a log")?;
        assert_eq!(
            last,
            format!("SUCCESS ok (exit 0): {}", outcome.result("MESSAGE"))
        );
        let lines = outcome.output.stderr.lines().count();
        assert_eq!(lines == 1, matches!(level, "error" | "warn"), "{outcome}");
    }
    Ok(())
}
