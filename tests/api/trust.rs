//! A credential goes where it belongs and nowhere else.

use anyhow::Result;
use http::StatusCode;
use test_cluster::{
    certificates::Authority,
    listener::{Reply, ScriptedServer},
};

use crate::world::{SECRET, World};

#[tokio::test]
async fn a_kubernetes_token_for_a_registry_that_is_not_trusted_is_64_and_sends_nothing() -> Result<()> {
    let world = World::new("untrusted").await?;
    let authority = Authority::new("registries")?;
    let listener = ScriptedServer::start(Some(&authority.issue(&["registry.evil.test"])?), |_| {
        Reply::challenge("Basic realm=\"evil\"")
    })?;
    std::fs::write(world.runner.file("service-ca.crt"), authority.pem())?;
    let program = world
        .program()
        .env("PULL_SECRET_REGISTRY", "registry.evil.test")
        .env(
            "PULL_SECRET_CONNECT_TO",
            format!("registry.evil.test:443={}", listener.address()),
        );
    let mark = world.mark().await?;
    let outcome = program.run().await?;
    outcome
        .expect("ERROR", "none", "invalid-configuration", 64)
        .expect_message("PULL_SECRET_TRUSTED_HOSTS");
    assert_eq!(world.requests(mark).await?.len(), 0, "nothing is minted");
    assert!(world.namespace.secret(SECRET).await?.is_none());

    // From a file, and found in the Secret: the rule follows the token.
    let token = world.namespace.token(crate::world::PULLER, None, 3600).await?;
    std::fs::write(world.runner.file("other-token"), &token)?;
    let from_file = program
        .clone()
        .without("PULL_SECRET_SERVICE_ACCOUNT")
        .env("PULL_SECRET_TOKEN_FILE", world.runner.file("other-token"))
        .canary(&token);
    from_file
        .run()
        .await?
        .expect("ERROR", "none", "invalid-configuration", 64);
    let stored = format!(
        r#"{{"auths":{{"registry.evil.test":{{"username":"u","password":"{token}","auth":"{}"}}}}}}"#,
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("u:{token}"))
    );
    world
        .namespace
        .create_docker_config_json(SECRET, stored.as_bytes())
        .await?;
    let verify = program.env("PULL_SECRET_MODE", "verify").canary(&token);
    verify
        .run()
        .await?
        .expect("ERROR", "none", "invalid-configuration", 64);

    let record = listener.record();
    assert!(
        !record.contains("authorization"),
        "{} requests",
        record.requests.len()
    );
    assert!(!record.contains(&token));
    Ok(())
}

#[tokio::test]
async fn a_realm_on_another_host_never_sees_the_token_and_redirects_are_not_followed() -> Result<()> {
    let world = World::new("realm-evil").await?;
    let authority = Authority::new("registries")?;
    let evil = ScriptedServer::start(Some(&authority.issue(&["evil.test"])?), |_| {
        Reply::json(StatusCode::OK, r#"{"token":"stolen"}"#)
    })?;
    std::fs::write(world.runner.file("service-ca.crt"), authority.pem())?;
    let registry = test_cluster::registry::OPENSHIFT;
    let host = registry.split(':').next().unwrap_or_default().to_owned();
    for (reply, reason) in [
        (
            Reply::challenge("Bearer realm=\"https://evil.test/token\""),
            "registry-untrusted",
        ),
        (Reply::redirect("https://evil.test/v2/"), "registry-protocol"),
    ] {
        let server =
            ScriptedServer::start(Some(&authority.issue(&[host.as_str()])?), move |_| reply.clone())?;
        let to = format!("{registry}={},evil.test:443={}", server.address(), evil.address());
        let outcome = world.program().env("PULL_SECRET_CONNECT_TO", to).run().await?;
        assert_eq!(
            (outcome.result("REASON"), outcome.output.exit),
            (reason, 76),
            "{outcome}"
        );
        assert_eq!(
            outcome.result("VERIFIED"),
            "review",
            "the API server vouches, so that the credential never dies"
        );
        assert!(!server.record().contains("authorization"));
    }
    assert_eq!(evil.record().connections, 0);
    Ok(())
}

#[tokio::test]
async fn an_api_server_with_a_certificate_of_the_registries_authority_gets_no_request() -> Result<()> {
    let world = World::new("wrong-api-ca").await?;
    let authority = Authority::new("registries")?;
    let listener = ScriptedServer::start(Some(&authority.issue(&["127.0.0.1"])?), |_| {
        Reply::status(StatusCode::OK)
    })?;
    std::fs::write(world.runner.file("service-ca.crt"), authority.pem())?;
    let program = world
        .program()
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", listener.address().port().to_string());
    program
        .run()
        .await?
        .expect("ERROR", "none", "api-unavailable", 75);
    assert_eq!(listener.record().requests.len(), 0);
    Ok(())
}
