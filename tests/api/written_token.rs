//! The table "What `ensure` writes" of the contract for a minted token, a test for each cell: it meets a stored
//! credential that is alive and pulls, unless the name says otherwise.

use anyhow::Result;
use http::StatusCode;
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;
use test_cluster::{
    control_plane::SigningKey,
    listener::{Action, RequestParts},
    program::{Outcome, Program},
    registry::OPENSHIFT,
};

use crate::{
    first_run::claims,
    interception::{answer, before_api_server, json_answer, through, to},
    silent_registries::{Silence, Silent},
    world::{PULLER, RUNNER, World, renewing, short_lived},
};

/// A Secret with a living credential that pulls, and a run that will renew it.
struct Living {
    world: World,
    image: String,
    renew: Program,
    before: Secret,
}

impl Living {
    async fn new(name: &str) -> Result<Self> {
        let world = World::new(name).await?;
        let image = world.push("app:v1")?;
        let program = world.program().env("PULL_SECRET_IMAGE", &image);
        short_lived(&program)
            .run()
            .await?
            .expect("SUCCESS", "created", "ok", 0);
        let before = world.secret().await?;
        Ok(Self {
            world,
            image,
            renew: renewing(&program),
            before,
        })
    }

    async fn assert_written(&self, outcome: &Outcome) -> Result<()> {
        assert_ne!(self.world.document().await?, document(&self.before), "{outcome}");
        let uid = json!(self.before.metadata.uid);
        assert_eq!(
            claims(&self.world.stored_token().await?)?["kubernetes.io"]["secret"]["uid"],
            uid
        );
        self.world.assert_pulls(&self.image).await
    }

    async fn assert_kept(&self) -> Result<()> {
        assert_eq!(
            self.world.secret().await?,
            self.before,
            "the living credential is kept byte for byte"
        );
        self.world.assert_pulls(&self.image).await
    }
}

fn document(secret: &Secret) -> &[u8] {
    secret
        .data
        .as_ref()
        .and_then(|data| data.get(".dockerconfigjson"))
        .map_or(&[], |bytes| &bytes.0)
}

#[tokio::test]
async fn accepted_credential_that_pulls_every_image_is_written() -> Result<()> {
    let living = Living::new("minted-good").await?;
    let outcome = living.renew.run().await?;
    outcome
        .expect("SUCCESS", "refreshed", "ok", 0)
        .expect_verified("pull");
    living.assert_written(&outcome).await?;
    let living = Living::new("minted-login").await?;
    let outcome = living.renew.clone().without("PULL_SECRET_IMAGE").run().await?;
    outcome
        .expect("SUCCESS", "refreshed", "ok", 0)
        .expect_verified("login");
    living.assert_written(&outcome).await
}

#[tokio::test]
async fn missing_image_does_not_block_a_refresh() -> Result<()> {
    for (gone, reason) in [(":gone", "tag-missing"), ("-gone:v1", "repository-missing")] {
        let living = Living::new("minted-gone").await?;
        let image = living.image.replace(":v1", gone);
        let outcome = living.renew.clone().env("PULL_SECRET_IMAGE", image).run().await?;
        outcome
            .expect("FAILURE", "refreshed", reason, 66)
            .expect_verified("login");
        living.assert_written(&outcome).await?;
    }
    Ok(())
}

#[tokio::test]
async fn account_that_may_not_pull_leaves_the_usable_credential_unchanged() -> Result<()> {
    let living = Living::new("minted-other").await?;
    living.world.namespace.service_account("no-puller").await?;
    let mint = json!([{
        "apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": ["no-puller"], "verbs": ["create"],
    }]);
    living.world.namespace.grant(RUNNER, "mint-other", mint).await?;
    let other = living
        .renew
        .clone()
        .env("PULL_SECRET_SERVICE_ACCOUNT", "no-puller");
    let outcome = other.run().await?;
    outcome
        .expect("FAILURE", "none", "pull-forbidden", 77)
        .expect_message("no-puller");
    let annotations = living.before.metadata.annotations.as_ref();
    let expires_at = annotations.and_then(|annotations| annotations.get("ensure-pull-secret/expires-at"));
    assert_eq!(
        Some(outcome.result("EXPIRES_AT")),
        expires_at.map(String::as_str),
        "of what is stored"
    );
    living.assert_kept().await?;
    // Where the registry can't be asked, the API server's word that the stored one pulls counts as much.
    let by_review = other.env("PULL_SECRET_VERIFY", "api");
    by_review
        .run()
        .await?
        .expect("FAILURE", "none", "pull-forbidden", 77);
    living.assert_kept().await
}

#[tokio::test]
async fn token_of_the_same_account_without_its_grant_is_renewed() -> Result<()> {
    let living = Living::new("minted-revoked").await?;
    living.world.revoke_pull().await?;
    let outcome = living.renew.run().await?;
    outcome
        .expect("FAILURE", "refreshed", "pull-forbidden", 77)
        .expect_verified("login");
    living.world.grant_pull().await?;
    living.assert_written(&outcome).await
}

#[tokio::test]
async fn token_that_neither_server_accepts_is_not_written() -> Result<()> {
    let living = Living::new("minted-rejected").await?;
    let key = SigningKey::generate()?;
    let forged = key.sign(&claims(&living.world.stored_token().await?)?)?;
    let proxy = before_api_server(&living.world, minting(forged.clone()))?;
    let run = to(&living.renew, &proxy).canary(&forged);
    run.run()
        .await?
        .expect("FAILURE", "none", "credential-rejected", 67);
    living.assert_kept().await?;
    // The same where the registry can't be asked: the API server alone refuses it.
    let silent = Silent::start(&living.world, OPENSHIFT, Silence::Unreachable)?;
    let outcome = silent.instead_of(OPENSHIFT, &run).run().await?;
    outcome
        .expect("FAILURE", "none", "credential-rejected", 67)
        .expect_message("API server");
    living.assert_kept().await
}

#[tokio::test]
async fn rejected_first_token_leaves_the_placeholder() -> Result<()> {
    let world = World::new("minted-placeholder").await?;
    let claims = json!({"sub": "system:serviceaccount:x:y", "exp": 4_000_000_000_i64, "kubernetes.io": {"namespace": "x"}});
    let forged = SigningKey::generate()?.sign(&claims)?;
    let proxy = before_api_server(&world, minting(forged.clone()))?;
    let outcome = through(&world, &proxy).canary(&forged).run().await?;
    outcome
        .expect("FAILURE", "created", "credential-rejected", 67)
        .expect_verified("none");
    assert_eq!(outcome.result("EXPIRES_AT"), "", "nothing is stored");
    assert_eq!(world.document().await?, br#"{"auths":{}}"#);
    let metadata = world.secret().await?.metadata;
    assert_eq!(
        (metadata.labels, metadata.annotations),
        (None, None),
        "no dashboard offers it"
    );
    Ok(())
}

#[tokio::test]
async fn token_that_the_api_server_cannot_review_is_not_written() -> Result<()> {
    let living = Living::new("minted-no-review").await?;
    let proxy = before_api_server(&living.world, |request| {
        if request.path.contains("selfsubjectreviews") {
            answer(StatusCode::SERVICE_UNAVAILABLE, "application/json", "")
        } else {
            Action::Forward
        }
    })?;
    let silent = Silent::start(&living.world, OPENSHIFT, Silence::Unreachable)?;
    let outcome = silent
        .instead_of(OPENSHIFT, &to(&living.renew, &proxy))
        .run()
        .await?;
    outcome.expect("ERROR", "none", "api-unavailable", 75);
    living.assert_kept().await
}

#[tokio::test]
async fn wrong_ca_does_not_block_a_refresh() -> Result<()> {
    written_though_the_registry_is("ca", Silence::Untrusted, ("ERROR", "registry-untrusted", 76)).await
}

#[tokio::test]
async fn token_that_the_api_server_accepts_is_written_without_the_registry() -> Result<()> {
    written_though_the_registry_is(
        "down",
        Silence::Unreachable,
        ("WARNING", "registry-unavailable", 0),
    )
    .await
}

#[tokio::test]
async fn token_that_the_api_server_accepts_is_written_for_anonymous_access() -> Result<()> {
    written_though_the_registry_is("open", Silence::AsksNobody, ("WARNING", "registry-anonymous", 0)).await
}

#[tokio::test]
async fn token_that_the_api_server_accepts_is_written_despite_the_protocol() -> Result<()> {
    written_though_the_registry_is(
        "protocol",
        Silence::OtherProtocol,
        ("ERROR", "registry-protocol", 76),
    )
    .await
}

#[tokio::test]
async fn kubernetes_token_from_a_file_is_reviewed_like_a_requested_one() -> Result<()> {
    let living = Living::new("minted-file").await?;
    let token = living.world.namespace.token(PULLER, None, 7200).await?;
    std::fs::write(living.world.runner.file("file"), format!("{token}\n"))?;
    let from_file = living
        .renew
        .clone()
        .without("PULL_SECRET_SERVICE_ACCOUNT")
        .env("PULL_SECRET_TOKEN_FILE", living.world.runner.file("file"))
        .canary(&token);
    let silent = Silent::start(&living.world, OPENSHIFT, Silence::Untrusted)?;
    let outcome = silent.instead_of(OPENSHIFT, &from_file).run().await?;
    outcome
        .expect("ERROR", "refreshed", "registry-untrusted", 76)
        .expect_verified("review");
    assert_eq!(living.world.stored_token().await?, token);
    living.world.assert_pulls(&living.image).await
}

async fn written_though_the_registry_is(
    name: &str,
    silence: Silence,
    (status, reason, exit): (&str, &str, i32),
) -> Result<()> {
    let living = Living::new(&format!("minted-{name}")).await?;
    let silent = Silent::start(&living.world, OPENSHIFT, silence)?;
    let outcome = silent.instead_of(OPENSHIFT, &living.renew).run().await?;
    outcome
        .expect(status, "refreshed", reason, exit)
        .expect_verified("review");
    living.assert_written(&outcome).await
}

/// An API server that mints `token`, whatever is asked for.
fn minting(token: String) -> impl Fn(&RequestParts) -> Action + Send + Sync + 'static {
    let minted = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {},
        "spec": {"audiences": []}, "status": {"token": token, "expirationTimestamp": "2096-01-01T00:00:00Z"},
    });
    move |request| {
        if request.path.ends_with("/token") {
            json_answer(StatusCode::CREATED, &minted)
        } else {
            Action::Forward
        }
    }
}
