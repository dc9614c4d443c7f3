//! A usable credential is never replaced by one that does less: a robot account at registries as they are met in the
//! field. The stored password pulls the image; the token file holds another one.

use std::fs;

use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{StatusCode, header};
use serde_json::json;
use test_cluster::listener::{Reply, ScriptedServer};

use crate::{
    field_registries::{
        Caller, MANIFEST_UNKNOWN, NAME, NAME_UNKNOWN, Registry, STORED, STRANGER, WRONG, basic, caller,
        harbor, health_check, hiding, hiding_basic, is_manifest, nexus, ok, other_program, zot,
    },
    interception::Scripted,
    registry_faults::robot,
    world::World,
};

/// A Secret whose stored password can pull, and its registry.
struct Stored {
    world: World,
    trusted: Scripted,
    document: Vec<u8>,
}

impl Stored {
    async fn new(name: &str) -> Result<Self> {
        Self::with_password(name, STORED).await
    }

    async fn with_password(name: &str, password: &str) -> Result<Self> {
        let world = World::new(name).await?;
        let trusted = Scripted::trusted_by(&world)?;
        let auth = STANDARD.encode(format!("robot:{password}"));
        let entry = json!({"username": "robot", "password": password, "auth": auth});
        let document = json!({"auths": {(NAME): entry}}).to_string().into_bytes();
        world.store(&document).await?;
        Ok(Self {
            world,
            trusted,
            document,
        })
    }

    /// A run with this password, with and without an image; the same as a plan first.
    async fn run(
        &self,
        password: &str,
        registry: Registry,
        image: Option<&str>,
        expected: (&str, &str, &str, i32),
    ) -> Result<ScriptedServer> {
        let server = self.trusted.server(NAME, registry)?;
        let mut program = robot(&self.world, NAME, password, &server)?.canary(STORED);
        if let Some(image) = image {
            program = program.env("PULL_SECRET_IMAGE", format!("{NAME}/{image}"));
        }
        let (status, action, reason, exit) = expected;
        let plan = program.clone().env("PULL_SECRET_MODE", "plan").run().await?;
        plan.expect(status, "none", reason, exit);
        program.run().await?.expect(status, action, reason, exit);
        if action == "none" {
            assert_eq!(
                self.world.document().await?,
                self.document,
                "{password} {image:?}"
            );
        } else {
            assert!(String::from_utf8(self.world.document().await?)?.contains(password));
        }
        Ok(server)
    }
}

#[tokio::test]
async fn p1_wrong_password_for_a_public_image_is_rejected_and_not_stored() -> Result<()> {
    let stored = Stored::new("p1-harbor").await?;
    let rejected = ("FAILURE", "none", "credential-rejected", 67);
    for image in [Some("team/app:1.0"), None] {
        stored.run(WRONG, harbor, image, rejected).await?;
    }
    // A password with a valid login is written if anybody may pull the image.
    stored
        .run(
            STRANGER,
            harbor,
            Some("team/app:1.0"),
            ("SUCCESS", "refreshed", "ok", 0),
        )
        .await?;
    Ok(())
}

#[tokio::test]
async fn p1_verify_rejects_a_stored_password_by_the_same_rules() -> Result<()> {
    let rejected = ("FAILURE", "credential-rejected", 67);
    let protocol = ("ERROR", "registry-protocol", 76);
    let registries: [(Registry, _); 4] = [
        (harbor, rejected),
        (zot, rejected),
        (nexus, rejected),
        (health_check, protocol),
    ];
    let stored = Stored::with_password("p1-verify", WRONG).await?;
    for (registry, (status, reason, exit)) in registries {
        for image in [Some("public/app:1.0"), None] {
            let server = stored.trusted.server(NAME, registry)?;
            let mut verify = robot(&stored.world, NAME, WRONG, &server)?.env("PULL_SECRET_MODE", "verify");
            if let Some(image) = image {
                verify = verify.env("PULL_SECRET_IMAGE", format!("{NAME}/{image}"));
            }
            verify
                .run()
                .await?
                .expect(status, "none", reason, exit)
                .expect_verified("none");
        }
    }
    Ok(())
}

#[tokio::test]
async fn p2_host_that_is_no_registry_replaces_nothing_and_gets_no_password() -> Result<()> {
    let stored = Stored::new("p2-no-registry").await?;
    let protocol = ("ERROR", "none", "registry-protocol", 76);
    for registry in [health_check as Registry, other_program] {
        for image in [Some("team/app:1.0"), None] {
            let server = stored.run(WRONG, registry, image, protocol).await?;
            assert!(!server.record().contains("authorization"), "{image:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn p3_an_image_hidden_from_the_new_password_keeps_the_stored_one() -> Result<()> {
    let stored = Stored::new("p3-hidden").await?;
    let kept = ("FAILURE", "none", "pull-forbidden", 77);
    let registries: [Registry; 3] = [
        |request| hiding(request, NAME_UNKNOWN),
        |request| hiding(request, MANIFEST_UNKNOWN),
        hiding_basic,
    ];
    for registry in registries {
        stored.run(STRANGER, registry, Some("team/app:1.0"), kept).await?;
    }
    Ok(())
}

#[tokio::test]
async fn p3_an_image_that_is_gone_for_both_replaces_the_stored_password() -> Result<()> {
    let stored = Stored::new("p3-gone").await?;
    let gone: Registry = |request| match caller(request) {
        Caller::Nobody | Caller::Wrong => Reply::challenge("Basic realm=\"registry\""),
        _ if is_manifest(request) => Reply::json(StatusCode::NOT_FOUND, NAME_UNKNOWN),
        _ => ok(),
    };
    let missing = ("FAILURE", "refreshed", "repository-missing", 66);
    stored.run(STRANGER, gone, Some("team/app:1.0"), missing).await?;
    Ok(())
}

#[tokio::test]
async fn p5_unverified_credential_is_never_a_success() -> Result<()> {
    for depth in ["api", "structure"] {
        let stored = Stored::new(&format!("p5-{depth}")).await?;
        let server = stored.trusted.server(NAME, harbor)?;
        let program = robot(&stored.world, NAME, WRONG, &server)?.env("PULL_SECRET_VERIFY", depth);
        // The installer's choice is followed; it is no success.
        let outcome = program.run().await?;
        outcome
            .expect("WARNING", "refreshed", "not-verified", 0)
            .expect_verified("none");
        program.expect("WARNING", "unchanged", "not-verified", 0).await?;
        let verify = program.env("PULL_SECRET_MODE", "verify").run().await?;
        verify.expect("WARNING", "none", "not-verified", 0);
        assert_eq!(server.record().connections, 0, "the registry is not contacted");
    }
    Ok(())
}

#[tokio::test]
async fn p8_a_registry_with_anonymous_access_rejects_a_wrong_password() -> Result<()> {
    let rejected = ("FAILURE", "none", "credential-rejected", 67);
    for (name, registry) in [("zot", zot as Registry), ("nexus", nexus)] {
        let stored = Stored::new(&format!("p8-{name}")).await?;
        for image in [Some("public/app:1.0"), None] {
            stored.run(WRONG, registry, image, rejected).await?;
        }
        // The right password at an open image: nothing shows that it is right.
        let anonymous = ("WARNING", "refreshed", "registry-anonymous", 0);
        stored
            .run(STRANGER, registry, Some("public/app:1.0"), anonymous)
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn p8_private_image_of_an_anonymous_registry_verifies_a_password() -> Result<()> {
    let stored = Stored::new("p8-closed").await?;
    let forbidden = ("FAILURE", "none", "pull-forbidden", 77);
    stored
        .run(STRANGER, zot, Some("closed/app:1.0"), forbidden)
        .await?;
    let server = stored.trusted.server(NAME, zot)?;
    fs::write(stored.world.runner.file("robot"), STORED)?;
    let right = robot(&stored.world, NAME, STORED, &server)?
        .env("PULL_SECRET_IMAGE", format!("{NAME}/closed/app:1.0"));
    right
        .expect("SUCCESS", "refreshed", "ok", 0)
        .await?
        .expect_verified("pull");
    Ok(())
}

#[tokio::test]
async fn p11_usable_unmanaged_entry_is_kept_from_a_worse_one() -> Result<()> {
    let stored = Stored::new("p11-unmanaged").await?;
    let entry = json!({"auth": STANDARD.encode(format!("robot:{STORED}"))});
    let down = format!("{NAME}=127.0.0.1:1");
    for key in [
        format!("https://{NAME}"),
        format!("{NAME}/team"),
        format!("{NAME}/"),
        format!("https://{NAME}/v2/"),
    ] {
        let mut secret = stored.world.secret().await?;
        let document = json!({"auths": {(key.as_str()): entry}}).to_string();
        secret.data.get_or_insert_default().insert(
            ".dockerconfigjson".to_owned(),
            k8s_openapi::ByteString(document.clone().into()),
        );
        stored.world.namespace.replace(&secret).await?;
        let server = stored.trusted.server(NAME, hiding_basic)?;
        let image = format!("{NAME}/team/app:1.0");
        let program = robot(&stored.world, NAME, STRANGER, &server)?.env("PULL_SECRET_IMAGE", &image);
        // The registry is down: nothing shows that the new password is any better.
        let unreachable = program
            .clone()
            .env("PULL_SECRET_CONNECT_TO", &down)
            .env("PULL_SECRET_TIMEOUT", "4s");
        let outcome = unreachable.run().await?;
        outcome.expect("ERROR", "none", "registry-unavailable", 75);
        // The registry is available and hides the image from the new password.
        program.expect("FAILURE", "none", "pull-forbidden", 77).await?;
        assert_eq!(stored.world.document().await?, document.as_bytes(), "{key}");
    }
    Ok(())
}

#[tokio::test]
async fn p4_the_stored_password_is_added_while_its_registry_is_down() -> Result<()> {
    const OTHER: &str = "other.field.test:5000";
    let stored = Stored::new("p4-down").await?;
    let other = stored.trusted.server(OTHER, basic)?;
    let program = robot(&stored.world, OTHER, STORED, &other)?
        .env("PULL_SECRET_REGISTRY", format!("{NAME},{OTHER}"))
        // Port 1 of this machine has no listener.
        .env(
            "PULL_SECRET_CONNECT_TO",
            format!("{NAME}=127.0.0.1:1,{OTHER}={}", other.address()),
        )
        .env("PULL_SECRET_TIMEOUT", "4s");
    program
        .expect("ERROR", "refreshed", "registry-unavailable", 75)
        .await?;
    let document = String::from_utf8(stored.world.document().await?)?;
    assert!(
        document.contains(OTHER) && document.contains(NAME),
        "both have the password"
    );
    Ok(())
}

#[tokio::test]
async fn p10_robot_password_is_not_replaced_by_a_cluster_token() -> Result<()> {
    let stored = Stored::new("p10-file-forgotten").await?;
    let program = stored
        .world
        .program()
        .env("PULL_SECRET_REGISTRY", NAME)
        .env("PULL_SECRET_TRUSTED_HOSTS", NAME)
        .env("PULL_SECRET_CONNECT_TO", format!("{NAME}=127.0.0.1:1"))
        .env("PULL_SECRET_TIMEOUT", "4s");
    let outcome = program.run().await?;
    outcome.expect("ERROR", "none", "registry-unavailable", 75);
    assert_eq!(stored.world.document().await?, stored.document);
    Ok(())
}

#[tokio::test]
async fn s13_upload_is_cancelled_only_at_its_registry() -> Result<()> {
    let world = World::new("s13-location").await?;
    let trusted = Scripted::trusted_by(&world)?;
    let locations: [(&str, bool); 4] = [
        ("/v2/team/app/blobs/uploads/7b1?_state=x", true),
        ("/v2/team/app/manifests/1.0", false),
        ("/v2/team/app/blobs/uploads/../../../other/manifests/1.0", false),
        ("/api/v2.0/projects/1", false),
    ];
    for (location, is_cancelled) in locations {
        let server = trusted.server(NAME, move |request| match caller(request) {
            Caller::Stored if request.method == http::Method::POST => {
                Reply::status(StatusCode::ACCEPTED).with_header(header::LOCATION, location)
            }
            Caller::Stored if is_manifest(request) => Reply::manifest(),
            Caller::Stored => ok(),
            _ => Reply::challenge("Basic realm=\"registry\""),
        })?;
        let outcome = robot(&world, NAME, STORED, &server)?
            .env("PULL_SECRET_ACCESS", "Push,Pull")
            .env("PULL_SECRET_IMAGE", format!("{NAME}/team/app:1.0"))
            .run()
            .await?;
        assert_eq!(outcome.result("REASON"), "ok", "{location}");
        let deleted = server
            .record()
            .requests
            .iter()
            .any(|request| request.method == http::Method::DELETE);
        assert_eq!(deleted, is_cancelled, "{location}");
    }
    Ok(())
}
