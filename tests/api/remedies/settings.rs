//! A user does what the remedy of a setting says, and the next run ends with another reason.

use anyhow::{Context as _, Result};
use test_cluster::program::Program;

use crate::world::World;

/// Ends with this reason, and has these words in the remedy of its first finding.
async fn expect_remedy(program: &Program, reason: &str, words: &[&str]) -> Result<String> {
    let outcome = program.run().await?;
    assert_eq!(outcome.result("REASON"), reason, "{outcome}");
    let remedy = outcome.report["findings"][0]["remedy"].as_str();
    let remedy = remedy.context("a remedy")?.to_owned();
    for word in words {
        assert!(remedy.contains(word), "{reason}: {remedy}");
    }
    Ok(remedy)
}

async fn expect_ok(program: &Program) -> Result<()> {
    let outcome = program.run().await?;
    assert_eq!(outcome.result("REASON"), "ok", "{outcome}");
    Ok(())
}

#[tokio::test]
async fn remedy_of_each_setting_has_an_effect() -> Result<()> {
    let world = World::new("remedy-settings").await?;
    let program = world.program();
    for (name, value) in [
        ("PULL_SECRET_TOKEN_LIFETIME", "5m"),
        ("PULL_SECRET_REFRESH_BELOW", "0%"),
        ("PULL_SECRET_ACCESS", "Read"),
    ] {
        let wrong = program.clone().env(name, value);
        let remedy = expect_remedy(&wrong, "invalid-configuration", &["for example: "]).await?;
        let (_, example) = remedy.split_once("for example: ").context("an example")?;
        let outcome = program.clone().env(name, example).run().await?;
        assert_ne!(
            outcome.result("REASON"),
            "invalid-configuration",
            "{name}={example}"
        );
    }
    let outside = program.clone().env("PULL_SECRET_SERVICE_ACCOUNT_DIR", "/absent");
    expect_remedy(&outside, "not-in-cluster", &["PULL_SECRET_SERVICE_ACCOUNT_DIR"]).await?;
    expect_ok(&program).await?;
    let unverified = program.clone().env("PULL_SECRET_VERIFY", "structure");
    expect_remedy(
        &unverified,
        "not-verified",
        &["Set PULL_SECRET_VERIFY to registry"],
    )
    .await?;
    expect_ok(&program.env("PULL_SECRET_VERIFY", "registry")).await
}
