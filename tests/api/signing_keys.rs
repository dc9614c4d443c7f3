//! Tokens with valid and with invalid signatures.

use anyhow::{Context as _, Result};
use serde_json::json;
use test_cluster::{
    control_plane::{Cluster, Options, SigningKey},
    program::Program,
    registry::push_image,
};

use crate::{
    first_run::claims,
    tokens::document_with,
    world::{PULLER, RUNNER, SECRET, World},
};

/// A control plane with a signing key of the test, and its own registries.
struct Own {
    cluster: Cluster,
    world: World,
    image: String,
}

impl Own {
    async fn new(name: &str) -> Result<Self> {
        let cluster = Cluster::start(Options::new().registries()).await?;
        let world = World::within(cluster.access(), name).await?;
        world.grant_pull().await?;
        let registries = cluster.access().registries()?;
        let repository = format!("{}/app:v1", world.namespace.name());
        push_image(registries.store, &repository)?;
        let image = format!("{}/{repository}", registries.openshift.host.name);
        Ok(Self {
            cluster,
            world,
            image,
        })
    }

    fn program(&self) -> Result<Program> {
        let connect_to = self.cluster.access().registries()?.connect_to();
        Ok(self
            .world
            .program()
            .env("PULL_SECRET_CONNECT_TO", connect_to)
            .env("PULL_SECRET_IMAGE", &self.image))
    }
}

#[tokio::test]
async fn verify_reports_and_ensure_replaces_expired_and_wrongly_signed_tokens() -> Result<()> {
    let mut own = Own::new("keys").await?;
    own.program()?.expect("SUCCESS", "created", "ok", 0).await?;

    // The claims of a requested token with another time, signed with the API server's key.
    let mut expired = claims(&own.world.stored_token().await?)?;
    let now = expired["iat"].as_i64().context("iat")?;
    for (name, back) in [("iat", 7200), ("nbf", 7200), ("exp", 3600)] {
        expired[name] = json!(now - back);
    }
    let expired = own.cluster.signing_key().sign(&expired)?;
    store(&own.world, &expired).await?;
    let program = own.program()?.canary(&expired);
    let verify = program.clone().env("PULL_SECRET_MODE", "verify");
    verify
        .expect("FAILURE", "none", "credential-expired", 67)
        .await?
        .expect_verified("none");
    let stored = own.world.secret().await?;
    std::fs::write(own.world.runner.file("expired"), &expired)?;
    let file = program
        .clone()
        .without("PULL_SECRET_SERVICE_ACCOUNT")
        .env("PULL_SECRET_TOKEN_FILE", own.world.runner.file("expired"));
    file.expect("FAILURE", "none", "credential-expired", 67)
        .await?
        .expect_message("PULL_SECRET_TOKEN_FILE");
    assert_eq!(
        own.world.secret().await?,
        stored,
        "an expired token in a file is not written"
    );
    program
        .expect("SUCCESS", "refreshed", "ok", 0)
        .await?
        .expect_verified("pull");

    // The API server starts again with another key on the same store; `exp` is a day away.
    let before = own.world.stored_token().await?;
    own.cluster
        .restart_with(Options::new().registries().signing_key(SigningKey::generate()?))
        .await?;
    own.world.runner = own.world.namespace.identity(RUNNER).await?;
    let program = own.program()?.canary(&before);
    let verify = program.clone().env("PULL_SECRET_MODE", "verify");
    verify
        .expect("FAILURE", "none", "credential-rejected", 67)
        .await?;
    assert_eq!(own.world.stored_token().await?, before);
    program
        .expect("SUCCESS", "refreshed", "ok", 0)
        .await?
        .expect_verified("pull");
    assert_ne!(own.world.stored_token().await?, before);
    program.expect("SUCCESS", "unchanged", "ok", 0).await?;

    // Without the registry, the API server's review detects it.
    let other = own.world.namespace.token(PULLER, None, 3600).await?;
    let mut forged = claims(&other)?;
    forged["kubernetes.io"]["secret"] =
        claims(&own.world.stored_token().await?)?["kubernetes.io"]["secret"].clone();
    let forged = SigningKey::generate()?.sign(&forged)?;
    store(&own.world, &forged).await?;
    let by_review = own.program()?.env("PULL_SECRET_VERIFY", "api").canary(&forged);
    by_review
        .expect("WARNING", "refreshed", "reverted", 0)
        .await?
        .expect_verified("review");
    Ok(())
}

async fn store(world: &World, token: &str) -> Result<()> {
    let mut secret = world.namespace.secret(SECRET).await?.context("the Secret")?;
    let document = k8s_openapi::ByteString(document_with(token).into_bytes());
    secret
        .data
        .get_or_insert_default()
        .insert(".dockerconfigjson".to_owned(), document);
    world.namespace.replace(&secret).await.map(drop)
}
