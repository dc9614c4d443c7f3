//! The registry's answer about an image, and its consequences.

use anyhow::Result;
use test_cluster::registry::{OPENSHIFT, push_image};

use crate::world::{World, pull_rules, registries};

/// ClusterRole with the name and the rules of OpenShift's.
pub async fn ship_image_puller(world: &World) -> Result<()> {
    let role = serde_json::json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "system:image-puller"}, "rules": pull_rules(),
    });
    world.namespace.apply(&role.to_string()).await
}

#[tokio::test]
async fn applying_the_reported_grant_repairs_a_missing_pull_permission() -> Result<()> {
    let world = World::without_grant("no-grant").await?;
    let image = world.push("app:v1")?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image);
    let outcome = program.run().await?;
    outcome
        .expect("FAILURE", "created", "pull-forbidden", 77)
        .expect_verified("login");
    outcome
        .expect_message("model-puller")
        .expect_message(world.namespace.name());
    let grant = outcome.report["remedy"].as_str().unwrap_or_default();
    assert!(grant.contains("system:image-puller"), "{grant}");

    ship_image_puller(&world).await?;
    world.namespace.apply(grant).await?;
    program
        .expect("SUCCESS", "unchanged", "ok", 0)
        .await?
        .expect_verified("pull");
    world.assert_pulls(&image).await
}

#[tokio::test]
async fn missing_repository_and_missing_tag_differ_and_block_no_credential() -> Result<()> {
    let world = World::new("missing").await?;
    let image = world.push("app:v1")?;
    let tag = image.replace(":v1", ":v2");
    let outcome = world.program().env("PULL_SECRET_IMAGE", &tag).run().await?;
    outcome
        .expect("FAILURE", "created", "tag-missing", 66)
        .expect_verified("login");
    let repository = image.replace("/app:v1", "/other:v1");
    let outcome = world
        .program()
        .env("PULL_SECRET_IMAGE", &repository)
        .run()
        .await?;
    outcome
        .expect("FAILURE", "unchanged", "repository-missing", 66)
        .expect_verified("login");
    world.assert_pulls(&image).await
}

#[tokio::test]
async fn most_severe_image_decides_and_the_report_has_all() -> Result<()> {
    let world = World::new("several").await?;
    let elsewhere = World::new("several-other").await?;
    let good = world.push("app:v1")?;
    let gone = good.replace(":v1", ":gone");
    let forbidden = elsewhere.push("app:v1")?;
    let images = format!("{gone}, {good},{forbidden}");
    let outcome = world.program().env("PULL_SECRET_IMAGE", &images).run().await?;
    outcome.expect("FAILURE", "created", "pull-forbidden", 77);
    let rows: Vec<_> = outcome.report["images"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| {
            (
                row["subject"].as_str().unwrap_or_default(),
                row["reason"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            (gone.as_str(), Some("tag-missing")),
            (good.as_str(), None),
            (forbidden.as_str(), Some("pull-forbidden"))
        ]
    );
    Ok(())
}

#[tokio::test]
async fn images_are_accepted_as_builds_and_people_write_them() -> Result<()> {
    let world = World::new("written").await?;
    let image = world.push("app:v1")?;
    let digest = push_image(registries().store, &format!("{}/app:v1", world.namespace.name()))?;
    for written in [
        format!("oci://{image}"),
        format!("oci+native://{image}"),
        format!("oci+fetch://{image}"),
        format!(" docker://{image} "),
        format!("{image}\n"),
        // `echo` in the step that wrote the result left its line end before the digest.
        format!("{image}\n@{digest}\n"),
        format!("{image},\n  {image}\r\n"),
    ] {
        let outcome = world.program().env("PULL_SECRET_IMAGE", &written).run().await?;
        assert_eq!(outcome.result("VERIFIED"), "pull", "{written:?}");
    }
    let outcome = world
        .program()
        .env("PULL_SECRET_IMAGE", format!("{image}@"))
        .run()
        .await?;
    outcome
        .expect("ERROR", "none", "invalid-configuration", 64)
        .expect_message("PULL_SECRET_IMAGE");
    Ok(())
}

#[tokio::test]
async fn digest_is_requested_if_tag_and_digest_are_given() -> Result<()> {
    let world = World::new("digest").await?;
    let repository = format!("{}/app", world.namespace.name());
    let digest = push_image(registries().store, &format!("{repository}:v1"))?;
    let image = format!("{OPENSHIFT}/{repository}:gone@{digest}");
    world
        .program()
        .env("PULL_SECRET_IMAGE", &image)
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    world
        .assert_pulls(&format!("{OPENSHIFT}/{repository}@{digest}"))
        .await?;
    let other = format!("{OPENSHIFT}/{repository}:v1@sha256:{}", "0".repeat(64));
    let outcome = world.program().env("PULL_SECRET_IMAGE", &other).run().await?;
    outcome.expect("FAILURE", "unchanged", "tag-missing", 66);
    Ok(())
}
