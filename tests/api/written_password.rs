//! The contract's table "What `ensure` writes" for a robot account, which only the registry can verify: a test for each
//! cell. The stored password is usable and can pull, unless the name has another state.

use std::fs;

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;
use test_cluster::{
    control_plane::SigningKey,
    program::Program,
    registry::{Registry, push_image},
};

use crate::{
    inconclusive_registries::{Cause, InconclusiveRegistry},
    registries::with_robot,
    world::{World, registries},
};

/// A Secret with a usable password of a robot that can pull.
struct Usable {
    world: World,
    image: String,
    robot: Program,
    before: Secret,
}

impl Usable {
    async fn new(name: &str, registry: &Registry) -> Result<Self> {
        let world = World::new(name).await?;
        let repository = format!("{}/app:v1", world.namespace.name());
        push_image(registries().store, &repository)?;
        let image = format!("{}/{repository}", registry.host.name);
        let robot = with_robot(&world, registry, "robot")?.env("PULL_SECRET_IMAGE", &image);
        robot
            .expect("SUCCESS", "created", "ok", 0)
            .await?
            .expect_verified("pull");
        let before = world.secret().await?;
        Ok(Self {
            world,
            image,
            robot,
            before,
        })
    }

    /// The same run with another account's password.
    fn as_account(&self, registry: &Registry, account: &str) -> Result<Program> {
        Ok(with_robot(&self.world, registry, account)?.env("PULL_SECRET_IMAGE", &self.image))
    }

    /// The same run with a password that no account has.
    fn with_password(&self, password: &str) -> Result<Program> {
        fs::write(self.world.runner.file("robot"), password)?;
        Ok(self.robot.clone().canary(password))
    }

    async fn assert_kept(&self) -> Result<()> {
        assert_eq!(
            self.world.secret().await?,
            self.before,
            "the usable credential is kept byte for byte"
        );
        self.world.assert_pulls(&self.image).await
    }

    async fn stored_user(&self, registry: &Registry) -> Result<String> {
        let document: serde_json::Value = serde_json::from_slice(&self.world.document().await?)?;
        let user = document["auths"][&registry.host.name]["username"].as_str();
        user.map(str::to_owned).context("the registry has no entry")
    }
}

#[tokio::test]
async fn accepted_credential_that_pulls_every_image_is_written() -> Result<()> {
    let token = &registries().token;
    let usable = Usable::new("robot-good", token).await?;
    let pusher = usable.as_account(token, "pusher")?;
    pusher
        .expect("SUCCESS", "refreshed", "ok", 0)
        .await?
        .expect_verified("pull");
    assert_eq!(usable.stored_user(token).await?, "pusher");
    usable.world.assert_pulls(&usable.image).await?;
    let nobody = usable.as_account(token, "nobody")?.without("PULL_SECRET_IMAGE");
    nobody
        .expect("SUCCESS", "refreshed", "ok", 0)
        .await?
        .expect_verified("login");
    Ok(())
}

#[tokio::test]
async fn missing_image_does_not_block_a_new_password() -> Result<()> {
    let token = &registries().token;
    let usable = Usable::new("robot-gone", token).await?;
    for (account, gone, reason) in [
        ("pusher", ":gone", "tag-missing"),
        ("robot", "-gone:v1", "repository-missing"),
    ] {
        let image = usable.image.replace(":v1", gone);
        let run = usable.as_account(token, account)?.env("PULL_SECRET_IMAGE", image);
        run.run()
            .await?
            .expect("FAILURE", "refreshed", reason, 66)
            .expect_verified("login");
        assert_eq!(usable.stored_user(token).await?, account);
        usable.world.assert_pulls(&usable.image).await?;
    }
    Ok(())
}

#[tokio::test]
async fn password_that_may_not_pull_does_not_replace_one_that_pulls() -> Result<()> {
    let token = &registries().token;
    let usable = Usable::new("robot-forbidden", token).await?;
    usable
        .as_account(token, "nobody")?
        .expect("FAILURE", "none", "pull-forbidden", 77)
        .await?;
    usable.assert_kept().await
}

#[tokio::test]
async fn password_that_may_not_pull_replaces_one_that_may_not_either() -> Result<()> {
    let token = &registries().token;
    let usable = Usable::new("robot-neither", token).await?;
    let nobody = usable.as_account(token, "nobody")?.without("PULL_SECRET_IMAGE");
    nobody.expect("SUCCESS", "refreshed", "ok", 0).await?;
    let other = usable.as_account(token, "team-a-robot")?;
    other
        .expect("FAILURE", "refreshed", "pull-forbidden", 77)
        .await?
        .expect_verified("login");
    assert_eq!(usable.stored_user(token).await?, "team-a-robot");
    Ok(())
}

#[tokio::test]
async fn rejected_password_replaces_nothing() -> Result<()> {
    for (name, registry) in [("basic", &registries().basic), ("token", &registries().token)] {
        let usable = Usable::new(&format!("robot-refused-{name}"), registry).await?;
        let wrong = usable.with_password("not-the-password")?;
        wrong.expect("FAILURE", "none", "credential-rejected", 67).await?;
        usable.assert_kept().await?;
    }
    Ok(())
}

/// End of a run: STATUS, REASON, exit code.
type End = (&'static str, &'static str, i32);

const UNREACHABLE: End = ("ERROR", "registry-unavailable", 75);
const UNTRUSTED: End = ("ERROR", "registry-untrusted", 76);
const PROTOCOL: End = ("ERROR", "registry-protocol", 76);
const OPEN: End = ("WARNING", "registry-anonymous", 0);

#[tokio::test]
async fn unverified_password_does_not_replace_a_usable_one() -> Result<()> {
    for (name, cause, (status, reason, exit)) in [
        ("down", Cause::Unreachable, UNREACHABLE),
        ("ca", Cause::Untrusted, UNTRUSTED),
        ("protocol", Cause::OtherProtocol, PROTOCOL),
    ] {
        let basic = &registries().basic;
        let usable = Usable::new(&format!("robot-alive-{name}"), basic).await?;
        let inconclusive = InconclusiveRegistry::start(&usable.world, &basic.host.name, cause)?;
        let rotated = inconclusive.instead_of(&basic.host.name, &usable.with_password("the-next-password")?);
        rotated.run().await?.expect(status, "none", reason, exit);
        usable.assert_kept().await?;
    }
    Ok(())
}

#[tokio::test]
async fn password_for_an_anonymous_registry_replaces_a_usable_one() -> Result<()> {
    let basic = &registries().basic;
    let usable = Usable::new("robot-alive-open", basic).await?;
    let inconclusive = InconclusiveRegistry::start(&usable.world, &basic.host.name, Cause::Anonymous)?;
    let rotated = inconclusive.instead_of(&basic.host.name, &usable.with_password("the-next-password")?);
    let (status, reason, exit) = OPEN;
    rotated
        .run()
        .await?
        .expect(status, "refreshed", reason, exit)
        .expect_verified("none");
    let document = String::from_utf8(usable.world.document().await?)?;
    assert!(document.contains(r#""password":"the-next-password""#));
    Ok(())
}

#[tokio::test]
async fn unverified_password_is_written_if_nothing_is_stored() -> Result<()> {
    for (name, cause, (status, reason, exit)) in [
        ("down", Cause::Unreachable, UNREACHABLE),
        ("ca", Cause::Untrusted, UNTRUSTED),
        ("protocol", Cause::OtherProtocol, PROTOCOL),
        ("open", Cause::Anonymous, OPEN),
    ] {
        let basic = &registries().basic;
        let world = World::new(&format!("robot-first-{name}")).await?;
        let robot = with_robot(&world, basic, "robot")?;
        let inconclusive = InconclusiveRegistry::start(&world, &basic.host.name, cause)?;
        let outcome = inconclusive.instead_of(&basic.host.name, &robot).run().await?;
        outcome
            .expect(status, "created", reason, exit)
            .expect_verified("none");
        // The true registry knows it.
        fs::write(world.runner.file("service-ca.crt"), &registries().ca)?;
        robot
            .expect("SUCCESS", "unchanged", "ok", 0)
            .await?
            .expect_verified("login");
    }
    Ok(())
}

#[tokio::test]
async fn unverified_password_replaces_a_rejected_one() -> Result<()> {
    let basic = &registries().basic;
    let expired = SigningKey::generate()?.sign(&json!({"iss": "https://ci.test", "iat": 1, "exp": 2}))?;
    let whole = |password: &str| json!({"username": "robot", "password": password, "auth": STANDARD.encode(format!("robot:{password}"))});
    let rejected = [
        ("expired", whole(&expired)),
        ("undecodable", json!({"auth": "!!!"})),
        ("empty", json!({})),
    ];
    for (name, entry) in rejected {
        let world = World::new(&format!("robot-dead-{name}")).await?;
        let document = json!({"auths": {(basic.host.name.as_str()): entry}}).to_string();
        world.store(&document).await?;
        let robot = with_robot(&world, basic, "robot")?;
        let inconclusive = InconclusiveRegistry::start(&world, &basic.host.name, Cause::Untrusted)?;
        let outcome = inconclusive.instead_of(&basic.host.name, &robot).run().await?;
        outcome.expect("ERROR", "refreshed", "registry-untrusted", 76);
        assert!(String::from_utf8(world.document().await?)?.contains(r#""username":"robot","password":""#));
    }
    Ok(())
}
