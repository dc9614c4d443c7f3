//! Make before break: a usable credential is not replaced by a worse one, whoever manages it.

use std::fs;

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::StatusCode;
use test_cluster::{
    certificates::Authority,
    listener::{Reply, ScriptedServer},
    program::Program,
    registry::{Account, push_image},
};

use crate::world::{World, assert_pulls, registries};

/// An entry as other tools write it: with an email, or with `auth` alone.
fn unmanaged_entry(host: &str, account: &Account, email: bool) -> String {
    let auth = STANDARD.encode(format!("{}:{}", account.name, account.password));
    let email = if email { r#","email":"""# } else { "" };
    format!(r#""{host}":{{"auth":"{auth}"{email}}}"#)
}

fn program(world: &World, hosts: &str, account: &Account) -> Result<Program> {
    fs::write(world.runner.file("robot"), &account.password)?;
    Ok(world
        .program()
        .without("PULL_SECRET_SERVICE_ACCOUNT")
        .env("PULL_SECRET_REGISTRY", hosts)
        .env("PULL_SECRET_USERNAME", &account.name)
        .env("PULL_SECRET_TOKEN_FILE", world.runner.file("robot"))
        .canary(&account.password))
}

#[tokio::test]
async fn entry_of_another_tool_is_usable_and_kept_from_a_worse_one() -> Result<()> {
    let token = &registries().token;
    let robot = token.account("robot").context("robot")?;
    let nobody = token.account("nobody").context("nobody")?;
    for (name, email) in [("email", true), ("auth-alone", false)] {
        let world = World::new(&format!("alive-{name}")).await?;
        let repository = format!("{}/app:v1", world.namespace.name());
        push_image(registries().store, &repository)?;
        let image = format!("{}/{repository}", token.host.name);
        let document = format!(
            r#"{{"auths":{{{}}}}}"#,
            unmanaged_entry(&token.host.name, robot, email)
        );
        world.store(&document).await?;
        let ensure = program(&world, &token.host.name, nobody)?.env("PULL_SECRET_IMAGE", &image);
        ensure.expect("FAILURE", "none", "pull-forbidden", 77).await?;
        assert_eq!(world.document().await?, document.as_bytes());
        assert_pulls(&world.document().await?, &image)?;

        // `verify` accepts it, too.
        let verify = ensure.env("PULL_SECRET_MODE", "verify");
        let outcome = verify.run().await?;
        outcome.expect("SUCCESS", "none", "ok", 0).expect_verified("pull");
        assert!(
            outcome.report["notes"].to_string().contains("other members"),
            "{outcome}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn stored_password_is_never_sent_to_another_registry() -> Result<()> {
    let token = &registries().token;
    let robot = token.account("robot").context("robot")?;
    let nobody = token.account("nobody").context("nobody")?;
    let world = World::new("not-shared").await?;
    let authority = Authority::new("registries")?;
    let other = ScriptedServer::start(Some(&authority.issue(&["other.test"])?), |request| {
        if request.headers.contains_key("authorization") {
            Reply::status(StatusCode::FORBIDDEN)
        } else {
            Reply::challenge("Basic realm=\"other\"")
        }
    })?;
    fs::write(world.runner.file("more-ca.crt"), authority.pem())?;
    let document = format!(
        r#"{{"auths":{{{}}}}}"#,
        unmanaged_entry(&token.host.name, robot, false)
    );
    world.store(&document).await?;
    let ensure = program(&world, &format!("{},other.test", token.host.name), nobody)?
        .env("PULL_SECRET_IMAGE", "other.test/team/app:v1")
        .env("PULL_SECRET_REGISTRY_CA_FILE", world.runner.file("more-ca.crt"))
        .env(
            "PULL_SECRET_CONNECT_TO",
            format!("{},other.test:443={}", token.connect_to(), other.address()),
        );
    ensure.run().await?;
    let stored = STANDARD.encode(format!("{}:{}", robot.name, robot.password));
    assert!(
        other.record().contains("authorization"),
        "it was asked with the new credential"
    );
    assert!(
        !other.record().contains(&stored),
        "and not with the one that is stored for another registry"
    );
    Ok(())
}

#[tokio::test]
async fn hanging_registry_takes_no_time_from_the_others() -> Result<()> {
    let basic = &registries().basic;
    let robot = basic.account("robot").context("robot")?;
    let world = World::new("starved").await?;
    let authority = Authority::new("registries")?;
    let inconclusive = ScriptedServer::start(Some(&authority.issue(&["silent.test"])?), |_| Reply::Hang)?;
    fs::write(world.runner.file("more-ca.crt"), authority.pem())?;
    let both = program(&world, &format!("silent.test,{}", basic.host.name), robot)?
        .env("PULL_SECRET_REGISTRY_CA_FILE", world.runner.file("more-ca.crt"))
        .env("PULL_SECRET_TIMEOUT", "4s")
        .env(
            "PULL_SECRET_CONNECT_TO",
            format!(
                "{},silent.test:443={}",
                basic.connect_to(),
                inconclusive.address()
            ),
        );
    both.expect("ERROR", "created", "registry-unavailable", 75)
        .await?;
    let outcome = both.env("PULL_SECRET_MODE", "verify").run().await?;
    outcome.expect("ERROR", "none", "registry-unavailable", 75);
    let reached = outcome.report["registries"].to_string();
    assert!(reached.contains(r#""verified":"login""#), "{reached}");
    Ok(())
}

#[tokio::test]
async fn push_is_reviewed_if_the_registry_is_not_contacted() -> Result<()> {
    let world = World::new("push-review").await?;
    let image = world.push("app:v1")?;
    let program = world
        .program()
        .env("PULL_SECRET_IMAGE", &image)
        .env("PULL_SECRET_ACCESS", "Push,Pull")
        .env("PULL_SECRET_VERIFY", "api");
    let outcome = program.run().await?;
    outcome
        .expect("FAILURE", "created", "pull-forbidden", 77)
        .expect_message("push");
    Ok(())
}
