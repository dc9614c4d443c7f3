//! The incident: a document without the `auths` wrapper, which the API server accepts and no client reads.

use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use test_cluster::{audit::AuditedRequest, registry::OPENSHIFT};

use crate::{
    plan::writing_nothing,
    world::{SECRET, World, assert_does_not_pull},
};

#[tokio::test]
async fn unwrapped_document_is_reported_and_repaired_with_its_entries() -> Result<()> {
    let world = World::new("incident").await?;
    let image = world.push("app:v1")?;
    let token = world.namespace.token(crate::world::PULLER, None, 3600).await?;
    let auth = STANDARD.encode(format!("<token>:{token}"));
    let managed =
        format!(r#""{OPENSHIFT}": {{"username": "<token>", "password": "{token}", "auth": "{auth}"}}"#);
    let other = r#""quay.io": {"auth": "dXNlcjpwYXNz", "x": 2.50}"#;
    let unwrapped = format!("{{{managed}, {other}}}");
    world.store(&unwrapped).await?;
    assert_does_not_pull(unwrapped.as_bytes(), &image)?;

    let program = world.program().env("PULL_SECRET_IMAGE", &image);
    let verify = program.clone().env("PULL_SECRET_MODE", "verify").run().await?;
    verify
        .expect("FAILURE", "none", "auths-missing", 78)
        .expect_message("without the auths wrapper");
    assert_eq!(world.document().await?, unwrapped.as_bytes(), "verify only reads");

    program
        .expect("SUCCESS", "repaired", "ok", 0)
        .await?
        .expect_verified("pull");
    let document = String::from_utf8(world.document().await?)?;
    assert!(
        document.contains(other),
        "the other entry keeps its bytes: it is no secret: {}",
        document.contains("quay")
    );
    let parsed: Value = serde_json::from_str(&document)?;
    assert_eq!(parsed["auths"].as_object().map(|auths| auths.len()), Some(2));
    assert_eq!(parsed.as_object().map(|top| top.len()), Some(1));
    world.assert_pulls(&image).await?;
    program
        .env("PULL_SECRET_MODE", "verify")
        .expect("SUCCESS", "none", "ok", 0)
        .await?;
    Ok(())
}

#[tokio::test]
async fn placeholder_of_argo_cd_is_filled() -> Result<()> {
    let world = World::new("argocd").await?;
    let image = world.push("app:v1")?;
    // `e30K` in a manifest: an empty object and a newline.
    world.store(b"{}\n").await?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image);
    let verify = program.clone().env("PULL_SECRET_MODE", "verify");
    verify.expect("FAILURE", "none", "auths-missing", 78).await?;
    program.expect("SUCCESS", "repaired", "ok", 0).await?;
    assert!(world.document().await?.ends_with(b"}}}\n"));
    world.assert_pulls(&image).await
}

#[tokio::test]
async fn missing_and_null_auths_are_replaced() -> Result<()> {
    for (name, document) in [("null", r#"{"auths":null,"a":1}"#), ("missing", r#"{"a":1 }"#)] {
        let world = World::new(&format!("auths-{name}")).await?;
        world.store(&document).await?;
        let program = world.program();
        let verify = program.clone().env("PULL_SECRET_MODE", "verify");
        verify.expect("FAILURE", "none", "auths-missing", 78).await?;
        program
            .expect("SUCCESS", "repaired", "ok", 0)
            .await?
            .expect_verified("login");
        let parsed: Value = serde_json::from_slice(&world.document().await?)?;
        assert_eq!(parsed["a"], 1);
        assert!(parsed["auths"][OPENSHIFT]["auth"].is_string());
    }
    Ok(())
}

#[tokio::test]
async fn v7_auths_of_another_type_is_left_unchanged_in_every_mode() -> Result<()> {
    let nested = "the only member of auths is another object named auths";
    for (document, reason, cause) in [
        (
            r#"{"auths": "{\"quay.io\": {\"auth\": \"b3RoZXI6cHc=\"}}"}"#,
            "document-unreadable",
            "auths is a string, not an object",
        ),
        (
            r#"{"auths": [{"registry": "quay.io", "auth": "b3RoZXI6cHc="}]}"#,
            "document-unreadable",
            "auths is a list, not an object",
        ),
        (
            r#"{"auths": 0, "quay.io": {"auth": "b3RoZXI6cHc="}}"#,
            "document-unreadable",
            "auths is a number, not an object",
        ),
        (
            r#"{"auths": false}"#,
            "document-unreadable",
            "auths is a boolean, not an object",
        ),
        (
            r#"{"auths": {"auths": {"quay.io": {"auth": "b3RoZXI6cHc="}}}}"#,
            "document-ambiguous",
            nested,
        ),
        (
            r#"{"auths": {"auths": {"REGISTRY": {"auth": "b3RoZXI6cHc="}}}}"#,
            "document-ambiguous",
            nested,
        ),
    ] {
        let document = document.replace("REGISTRY", OPENSHIFT);
        let world = World::new("only-copy").await?;
        let before = world
            .namespace
            .create_docker_config_json(SECRET, document.as_bytes())
            .await?;
        let mark = world.mark().await?;
        for mode in ["ensure", "verify", "plan", "doctor"] {
            writing_nothing(&world, &world.program(), mode)
                .await?
                .expect("ERROR", "none", reason, 65)
                .expect_message(cause);
        }
        let requests = world.requests(mark).await?;
        let is_issued = |request: &AuditedRequest| request.subresource == "token" && request.code < 400;
        assert!(!requests.iter().any(is_issued), "no token is issued");
        assert_eq!(world.secret().await?, before, "{document}");
    }
    Ok(())
}

#[tokio::test]
async fn v7_the_remedy_for_an_auths_inside_auths_ends_in_a_pull() -> Result<()> {
    let world = World::new("auths-inside").await?;
    let image = world.push("app:v1")?;
    let entries = r#"{"quay.io": {"auth": "b3RoZXI6cHc="}}"#;
    let nested = format!(r#"{{"auths": {{"auths": {entries}}}}}"#);
    let mut secret = world
        .namespace
        .create_docker_config_json(SECRET, nested.as_bytes())
        .await?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image);
    program
        .expect("ERROR", "none", "document-ambiguous", 65)
        .await?
        .expect_message("remove one of the two");
    let unwrapped = format!(r#"{{"auths": {entries}}}"#).into_bytes();
    let data = secret.data.get_or_insert_default();
    data.insert(".dockerconfigjson".to_owned(), k8s_openapi::ByteString(unwrapped));
    world.namespace.replace(&secret).await?;
    program.expect("SUCCESS", "refreshed", "ok", 0).await?;
    world.assert_pulls(&image).await
}
