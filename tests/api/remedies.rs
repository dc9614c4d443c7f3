//! A user does what the remedy of a reason says, and the next run ends with another reason.

use anyhow::{Context as _, Result};
use test_cluster::program::Program;

use crate::world::{SECRET, World};

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

/// The Role names the Secret, so another name needs the Role that the next run prints.
#[tokio::test]
async fn remedy_of_an_uncorrectable_secret_has_an_effect() -> Result<()> {
    for (reason, secret_type) in [
        ("wrong-type", "Opaque"),
        ("immutable", "kubernetes.io/dockerconfigjson"),
    ] {
        let world = World::new(&format!("remedy-{reason}")).await?;
        let document = (".dockerconfigjson", br#"{"auths":{}}"#.as_slice());
        let mut secret = world
            .namespace
            .create_secret(SECRET, secret_type, [document])
            .await?;
        secret.immutable = Some(true);
        world.namespace.replace(&secret).await?;
        let program = world.program();
        expect_remedy(&program, reason, &["another PULL_SECRET_NAME"]).await?;
        let program = program.env("PULL_SECRET_NAME", "another");
        let outcome = program.run().await?;
        assert_eq!(outcome.result("REASON"), "api-forbidden", "{outcome}");
        let role = outcome.report["remedy"].as_str().context("a Role")?;
        world.namespace.apply(role).await?;
        expect_ok(&program).await?;
    }
    Ok(())
}

#[tokio::test]
async fn remedy_of_a_missing_image_has_an_effect() -> Result<()> {
    let world = World::new("remedy-image").await?;
    let image = world.push("app:v1")?;
    for (reason, name, word) in [
        ("tag-missing", "app:v2", "Push the tag"),
        ("repository-missing", "other:v1", "Push the image"),
    ] {
        let missing = image.replace("app:v1", name);
        let program = world.program().env("PULL_SECRET_IMAGE", missing);
        expect_remedy(&program, reason, &[word]).await?;
        world.push(name)?;
        expect_ok(&program).await?;
    }
    Ok(())
}

#[tokio::test]
async fn remedy_of_verify_is_ensure() -> Result<()> {
    for (reason, stored) in [
        ("secret-missing", None),
        ("no-matching-entry", Some(r#"{"auths":{}}"#)),
        ("auths-missing", Some(r#"{"a.test":{"auth":"dTpw"}}"#)),
    ] {
        let world = World::new(&format!("remedy-{reason}")).await?;
        if let Some(stored) = stored {
            world.store(stored).await?;
        }
        let verify = world.program().env("PULL_SECRET_MODE", "verify");
        expect_remedy(&verify, reason, &["Run ensure"]).await?;
        expect_ok(&world.program()).await?;
        expect_ok(&verify).await?;
    }
    Ok(())
}
