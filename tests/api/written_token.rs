//! The contract's table "What `ensure` writes" for a requested token, a test for each cell: the stored credential is
//! usable and can pull, unless the name has another state.

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
    inconclusive_registries::{Cause, InconclusiveRegistry},
    interception::{answer, before_api_server, json_answer, through, to},
    world::{PULLER, RUNNER, World, renewing, short_lived},
};

/// A Secret with a usable credential that can pull, and a run that renews it.
struct Usable {
    world: World,
    image: String,
    renew: Program,
    before: Secret,
}

impl Usable {
    async fn new(name: &str) -> Result<Self> {
        let world = World::new(name).await?;
        let image = world.push("app:v1")?;
        let program = world.program().env("PULL_SECRET_IMAGE", &image);
        short_lived(&program)
            .expect("SUCCESS", "created", "ok", 0)
            .await?;
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
            "the usable credential is kept byte for byte"
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
    let usable = Usable::new("token-good").await?;
    let outcome = usable.renew.run().await?;
    outcome
        .expect("SUCCESS", "refreshed", "ok", 0)
        .expect_verified("pull");
    usable.assert_written(&outcome).await?;
    let usable = Usable::new("token-login").await?;
    let outcome = usable.renew.clone().without("PULL_SECRET_IMAGE").run().await?;
    outcome
        .expect("SUCCESS", "refreshed", "ok", 0)
        .expect_verified("login");
    usable.assert_written(&outcome).await
}

#[tokio::test]
async fn missing_image_does_not_block_a_refresh() -> Result<()> {
    for (gone, reason) in [(":gone", "tag-missing"), ("-gone:v1", "repository-missing")] {
        let usable = Usable::new("token-gone").await?;
        let image = usable.image.replace(":v1", gone);
        let outcome = usable.renew.clone().env("PULL_SECRET_IMAGE", image).run().await?;
        outcome
            .expect("FAILURE", "refreshed", reason, 66)
            .expect_verified("login");
        usable.assert_written(&outcome).await?;
    }
    Ok(())
}

#[tokio::test]
async fn account_that_may_not_pull_leaves_the_usable_credential_unchanged() -> Result<()> {
    let usable = Usable::new("token-other").await?;
    usable.world.namespace.service_account("no-puller").await?;
    let rules = json!([{
        "apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": ["no-puller"], "verbs": ["create"],
    }]);
    usable
        .world
        .namespace
        .grant(RUNNER, "request-other", rules)
        .await?;
    let other = usable
        .renew
        .clone()
        .env("PULL_SECRET_SERVICE_ACCOUNT", "no-puller");
    let outcome = other.run().await?;
    outcome
        .expect("FAILURE", "none", "pull-forbidden", 77)
        .expect_message("no-puller");
    let annotations = usable.before.metadata.annotations.as_ref();
    let expires_at = annotations.and_then(|annotations| annotations.get("ensure-pull-secret/expires-at"));
    assert_eq!(
        Some(outcome.result("EXPIRES_AT")),
        expires_at.map(String::as_str),
        "of what is stored"
    );
    usable.assert_kept().await?;
    // If the registry is inconclusive, the API server's review that the stored one can pull counts as much.
    let by_review = other.env("PULL_SECRET_VERIFY", "api");
    by_review.expect("FAILURE", "none", "pull-forbidden", 77).await?;
    usable.assert_kept().await
}

#[tokio::test]
async fn token_of_the_same_account_without_its_grant_is_renewed() -> Result<()> {
    let usable = Usable::new("token-revoked").await?;
    usable.world.revoke_pull().await?;
    let outcome = usable.renew.run().await?;
    outcome
        .expect("FAILURE", "refreshed", "pull-forbidden", 77)
        .expect_verified("login");
    usable.world.grant_pull().await?;
    usable.assert_written(&outcome).await
}

#[tokio::test]
async fn token_that_neither_server_accepts_is_not_written() -> Result<()> {
    let usable = Usable::new("token-rejected").await?;
    let key = SigningKey::generate()?;
    let forged = key.sign(&claims(&usable.world.stored_token().await?)?)?;
    let proxy = before_api_server(&usable.world, issuing(forged.clone()))?;
    let run = to(&usable.renew, &proxy).canary(&forged);
    run.expect("FAILURE", "none", "credential-rejected", 67).await?;
    usable.assert_kept().await?;
    // If the registry is inconclusive: the API server alone denies it.
    let inconclusive = InconclusiveRegistry::start(&usable.world, OPENSHIFT, Cause::Unreachable)?;
    let outcome = inconclusive.instead_of(OPENSHIFT, &run).run().await?;
    outcome
        .expect("FAILURE", "none", "credential-rejected", 67)
        .expect_message("API server");
    usable.assert_kept().await
}

#[tokio::test]
async fn rejected_first_token_leaves_the_placeholder() -> Result<()> {
    let world = World::new("token-placeholder").await?;
    let claims = json!({"sub": "system:serviceaccount:x:y", "exp": 4_000_000_000_i64, "kubernetes.io": {"namespace": "x"}});
    let forged = SigningKey::generate()?.sign(&claims)?;
    let proxy = before_api_server(&world, issuing(forged.clone()))?;
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
    let usable = Usable::new("token-no-review").await?;
    let proxy = before_api_server(&usable.world, |request| {
        if request.path.contains("selfsubjectreviews") {
            answer(StatusCode::SERVICE_UNAVAILABLE, "application/json", "")
        } else {
            Action::Forward
        }
    })?;
    let inconclusive = InconclusiveRegistry::start(&usable.world, OPENSHIFT, Cause::Unreachable)?;
    let outcome = inconclusive
        .instead_of(OPENSHIFT, &to(&usable.renew, &proxy))
        .run()
        .await?;
    outcome.expect("ERROR", "none", "api-unavailable", 75);
    usable.assert_kept().await
}

#[tokio::test]
async fn wrong_ca_does_not_block_a_refresh() -> Result<()> {
    written_though_the_registry_is("ca", Cause::Untrusted, ("ERROR", "registry-untrusted", 76)).await
}

#[tokio::test]
async fn token_that_the_api_server_accepts_is_written_without_the_registry() -> Result<()> {
    written_though_the_registry_is("down", Cause::Unreachable, ("WARNING", "registry-unavailable", 0)).await
}

#[tokio::test]
async fn token_that_the_api_server_accepts_is_written_for_anonymous_access() -> Result<()> {
    written_though_the_registry_is("open", Cause::Anonymous, ("WARNING", "registry-anonymous", 0)).await
}

#[tokio::test]
async fn token_that_the_api_server_accepts_is_written_despite_the_protocol() -> Result<()> {
    written_though_the_registry_is(
        "protocol",
        Cause::OtherProtocol,
        ("ERROR", "registry-protocol", 76),
    )
    .await
}

#[tokio::test]
async fn kubernetes_token_from_a_file_is_reviewed_like_a_requested_one() -> Result<()> {
    let usable = Usable::new("token-file").await?;
    let token = usable.world.namespace.token(PULLER, None, 7200).await?;
    std::fs::write(usable.world.runner.file("file"), format!("{token}\n"))?;
    let from_file = usable
        .renew
        .clone()
        .without("PULL_SECRET_SERVICE_ACCOUNT")
        .env("PULL_SECRET_TOKEN_FILE", usable.world.runner.file("file"))
        .canary(&token);
    let inconclusive = InconclusiveRegistry::start(&usable.world, OPENSHIFT, Cause::Untrusted)?;
    let outcome = inconclusive.instead_of(OPENSHIFT, &from_file).run().await?;
    outcome
        .expect("ERROR", "refreshed", "registry-untrusted", 76)
        .expect_verified("review");
    assert_eq!(usable.world.stored_token().await?, token);
    usable.world.assert_pulls(&usable.image).await
}

async fn written_though_the_registry_is(
    name: &str,
    cause: Cause,
    (status, reason, exit): (&str, &str, i32),
) -> Result<()> {
    let usable = Usable::new(&format!("token-{name}")).await?;
    let inconclusive = InconclusiveRegistry::start(&usable.world, OPENSHIFT, cause)?;
    let outcome = inconclusive.instead_of(OPENSHIFT, &usable.renew).run().await?;
    outcome
        .expect(status, "refreshed", reason, exit)
        .expect_verified("review");
    usable.assert_written(&outcome).await
}

/// An API server that returns `token` for every token request.
fn issuing(token: String) -> impl Fn(&RequestParts) -> Action + Send + Sync + 'static {
    let response = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {},
        "spec": {"audiences": []}, "status": {"token": token, "expirationTimestamp": "2096-01-01T00:00:00Z"},
    });
    move |request| {
        if request.path.ends_with("/token") {
            json_answer(StatusCode::CREATED, &response)
        } else {
            Action::Forward
        }
    }
}
