//! CAs that make a registry trusted, and hosts that get a robot's password without configuration.

use std::fs;

use anyhow::{Context as _, Result};
use http::StatusCode;
use test_cluster::{
    access::ClusterAccess,
    certificates::Authority,
    listener::{Reply, ScriptedServer},
    registry::OPENSHIFT,
};

use crate::world::{World, registries};

#[tokio::test]
async fn each_ca_source_alone_makes_a_registry_trusted() -> Result<()> {
    let world = World::new("ca-sources").await?;
    let file = |name: &str| world.runner.file(name);
    let ca = &registries().ca;
    fs::remove_file(file("service-ca.crt"))?;
    let untrusted = world.program().run().await?;
    assert_eq!(
        (untrusted.result("REASON"), untrusted.output.exit),
        ("registry-untrusted", 76),
        "{untrusted}"
    );

    fs::write(file("registry-ca.pem"), ca)?;
    fs::create_dir(file("certificates"))?;
    fs::write(file("certificates").join("one.pem"), ca)?;
    for (variable, source) in [
        ("PULL_SECRET_REGISTRY_CA_FILE", "registry-ca.pem"),
        ("SSL_CERT_FILE", "registry-ca.pem"),
        ("SSL_CERT_DIR", "certificates"),
    ] {
        let outcome = world.program().env(variable, file(source)).run().await?;
        assert_eq!(
            (outcome.result("REASON"), outcome.result("VERIFIED")),
            ("ok", "login"),
            "{variable}: {outcome}"
        );
    }
    // As OpenShift Pipelines' operator sets it: the second exists, the first and the last don't.
    let directories = std::env::join_paths([file("none"), file("certificates"), file("nor-this")])?;
    let outcome = world.program().env("SSL_CERT_DIR", directories).run().await?;
    assert_eq!(
        (outcome.result("REASON"), outcome.result("VERIFIED")),
        ("ok", "login"),
        "{outcome}"
    );
    let api_server = &ClusterAccess::shared().certificate_authority;
    for (name, bundle) in [
        ("service-ca.crt", ca.clone()),
        ("ca.crt", format!("{api_server}{ca}")),
    ] {
        fs::write(file(name), bundle)?;
        let outcome = world.program().run().await?;
        assert_eq!(
            (outcome.result("REASON"), outcome.result("VERIFIED")),
            ("ok", "login"),
            "{name}: {outcome}"
        );
        fs::remove_file(file(name))?;
    }
    Ok(())
}

#[tokio::test]
async fn gitlabs_own_token_service_gets_its_password_by_default() -> Result<()> {
    let world = World::new("gitlab").await?;
    let authority = Authority::new("registries")?;
    fs::write(world.runner.file("service-ca.crt"), authority.pem())?;
    fs::write(world.runner.file("robot"), "a-robots-password")?;
    let realm = ScriptedServer::start(Some(&authority.issue(&["gitlab.com"])?), |_| {
        Reply::json(StatusCode::OK, r#"{"token":"for-the-registry"}"#)
    })?;
    let registry = ScriptedServer::start(Some(&authority.issue(&["registry.gitlab.com"])?), |request| {
        let authorization = request
            .headers
            .get("authorization")
            .and_then(|value| value.to_str().ok());
        match authorization {
            Some("Bearer for-the-registry") => Reply::json(StatusCode::OK, "{}"),
            _ => Reply::challenge(
                "Bearer realm=\"https://gitlab.com/jwt/auth\",service=\"container_registry\"",
            ),
        }
    })?;
    let to = format!(
        "registry.gitlab.com:443={},gitlab.com:443={}",
        registry.address(),
        realm.address()
    );
    let outcome = world
        .program()
        .without("PULL_SECRET_SERVICE_ACCOUNT")
        .env("PULL_SECRET_REGISTRY", "registry.gitlab.com")
        .env("PULL_SECRET_USERNAME", "robot")
        .env("PULL_SECRET_TOKEN_FILE", world.runner.file("robot"))
        .env("PULL_SECRET_CONNECT_TO", to)
        .canary("a-robots-password")
        .run()
        .await?;
    outcome
        .expect("SUCCESS", "created", "ok", 0)
        .expect_verified("login");
    assert!(
        realm.record().contains("authorization: basic"),
        "the password went to the token service"
    );
    assert!(
        !registry.record().contains("authorization: basic"),
        "and not to the registry"
    );
    for request in registry.record().requests.iter().chain(&realm.record().requests) {
        let agent = request.headers.get("user-agent").context("a user agent")?;
        assert_eq!(
            agent.to_str()?,
            concat!("ensure-pull-secret/", env!("CARGO_PKG_VERSION"))
        );
    }
    Ok(())
}

#[tokio::test]
async fn lower_verify_levels_never_contact_the_registry() -> Result<()> {
    let world = World::new("depth").await?;
    let image = world.push("app:v1")?;
    let registry = ScriptedServer::start(None, |_| Reply::Close)?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image).env(
        "PULL_SECRET_CONNECT_TO",
        format!("{OPENSHIFT}={}", registry.address()),
    );
    for (depth, status, action, reason, verified) in [
        ("api", "SUCCESS", "created", "ok", "review"),
        ("structure", "WARNING", "unchanged", "not-verified", "none"),
    ] {
        let outcome = program.clone().env("PULL_SECRET_VERIFY", depth).run().await?;
        outcome
            .expect(status, action, reason, 0)
            .expect_verified(verified);
    }
    world.revoke_pull().await?;
    let outcome = program.env("PULL_SECRET_VERIFY", "api").run().await?;
    outcome.expect("FAILURE", "unchanged", "pull-forbidden", 77);
    assert_eq!(registry.record().connections, 0);
    Ok(())
}

#[tokio::test]
async fn connect_to_never_leads_to_another_api_server() -> Result<()> {
    let world = World::new("connect-to-api").await?;
    let astray = ScriptedServer::start(None, |_| Reply::Close)?;
    let to = format!(
        "{},{}={}",
        registries().connect_to(),
        world.runner.api_server(),
        astray.address()
    );
    world
        .program()
        .env("PULL_SECRET_CONNECT_TO", to)
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    assert_eq!(astray.record().connections, 0);
    Ok(())
}
