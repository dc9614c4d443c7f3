//! Another manager reverts the write: the run reads the Secret again and reports it.

use anyhow::Result;
use serde_json::json;
use test_cluster::webhook::mutate;

use crate::world::{SECRET, World};

#[tokio::test]
async fn webhook_that_restores_the_document_exits_with_73() -> Result<()> {
    let world = World::new("reverting").await?;
    let before = br#"{"auths":{"foreign.test":{"auth":"dTpw"}}}"#;
    world.store(before).await?;
    let _webhook = mutate(&world.namespace, |review| {
        let old = &review["request"]["oldObject"]["data"];
        json!([{"op": "replace", "path": "/data", "value": old}])
    })
    .await?;
    let outcome = world.program().run().await?;
    assert_eq!(outcome.result("STATUS"), "ERROR", "{outcome}");
    assert_eq!(
        (outcome.result("REASON"), outcome.output.exit),
        ("reverted", 73),
        "{outcome}"
    );
    outcome.expect_message(SECRET).expect_verified("none");
    assert_eq!(world.document().await?, before);
    Ok(())
}

#[tokio::test]
async fn webhook_that_restores_a_due_credential_exits_with_73() -> Result<()> {
    let world = World::new("reverting-due").await?;
    let image = world.push("app:v1")?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image);
    program.expect("SUCCESS", "created", "ok", 0).await?;
    let stored = world.document().await?;
    let _webhook = mutate(&world.namespace, |review| {
        let old = &review["request"]["oldObject"]["data"];
        json!([{"op": "replace", "path": "/data", "value": old}])
    })
    .await?;
    // The required time is longer than the time that is left.
    let outcome = program
        .env("PULL_SECRET_REFRESH_BELOW", "99%")
        .env("PULL_SECRET_TOKEN_LIFETIME", "48h")
        .env("PULL_SECRET_NEXT_RUN_WITHIN", "25h")
        .run()
        .await?;
    assert_eq!(
        (outcome.result("REASON"), outcome.output.exit),
        ("reverted", 73),
        "{outcome}"
    );
    assert_eq!(world.document().await?, stored);
    world.assert_pulls(&image).await
}

#[tokio::test]
async fn webhook_that_removes_a_label_exits_with_73_after_the_write() -> Result<()> {
    let world = World::new("reverting-label").await?;
    let image = world.push("app:v1")?;
    let _webhook = mutate(&world.namespace, |review| {
        let labelled = review["request"]["object"]["metadata"]["labels"].is_object();
        if labelled {
            json!([{"op": "remove", "path": "/metadata/labels"}])
        } else {
            json!([])
        }
    })
    .await?;
    let outcome = world.program().env("PULL_SECRET_IMAGE", &image).run().await?;
    assert_eq!(
        (outcome.result("REASON"), outcome.output.exit),
        ("reverted", 73),
        "{outcome}"
    );
    world.assert_pulls(&image).await
}
