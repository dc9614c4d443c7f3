//! Why the admission policy is there: what `create` on an absent Secret lets the runner do without it, and no more with it.
//!
//! A token is written into a Secret of type `kubernetes.io/service-account-token` by the controller-manager, which this tier
//! doesn't have: here it is shown that the API server takes the request.

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use test_cluster::access::ClusterAccess;

use crate::{admission_policy::Asking, installation::Installation, kubectl::Kubectl, world::short_lived};

/// An account that may do what the runner may not.
const MIGHTY: &str = "mighty";
const TYPE: &str = "kubernetes.io/service-account-token";
const ANNOTATION: &str = "kubernetes.io/service-account.name";

/// Requests a token of another account with the runner's own token and the shipped Role alone: applies the Secret of
/// the Role with a type that the controller-manager fills in.
async fn ask(installation: &Installation) -> Result<Result<Secret, kube::Error>> {
    installation.namespace.service_account(MIGHTY).await?;
    let client = ClusterAccess::shared()
        .client_of(installation.runner.token())
        .await?;
    let name = &installation.names.secret;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": TYPE,
        "metadata": { "name": name, "annotations": { ANNOTATION: MIGHTY } },
    });
    let secrets: Api<Secret> = Api::namespaced(client, installation.namespace.name());
    Ok(secrets
        .patch(
            name,
            &PatchParams::apply("attacker").force(),
            &Patch::Apply(secret),
        )
        .await)
}

#[tokio::test]
async fn runner_without_policy_can_request_any_token_while_no_secret_exists() -> Result<()> {
    let installation = Installation::without_policy("escalation").await?;
    let made = ask(&installation).await?.context("the API server takes it")?;
    assert_eq!(made.type_.as_deref(), Some(TYPE));
    let annotations = made.metadata.annotations.unwrap_or_default();
    assert_eq!(annotations.get(ANNOTATION).map(String::as_str), Some(MIGHTY));

    // The program rejects such a Secret.
    installation
        .program()?
        .expect("ERROR", "none", "wrong-type", 65)
        .await?;
    Ok(())
}

#[tokio::test]
async fn runner_cannot_change_the_type_of_an_existing_secret() -> Result<()> {
    let installation = Installation::without_policy("escalation-late").await?;
    installation
        .program()?
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    let error = ask(&installation).await?.expect_err("the type is immutable");
    assert!(error.to_string().contains("field is immutable"), "{error}");
    Ok(())
}

#[tokio::test]
async fn runner_with_policy_cannot_request_another_token() -> Result<()> {
    let installation = Installation::with_policy("escalation-denied").await?;
    let error = ask(&installation).await?.expect_err("the policy denies it");
    assert!(
        error
            .to_string()
            .contains("must be of type kubernetes.io/dockerconfigjson"),
        "{error}"
    );
    let secrets: Api<Secret> = installation.namespace.api();
    assert!(secrets.get_opt(&installation.names.secret).await?.is_none());
    Ok(())
}

/// RBAC checks the name of the ServiceAccount alone.
#[tokio::test]
async fn runner_without_policy_can_request_any_token_of_the_puller() -> Result<()> {
    let installation = Installation::without_policy("escalation-tokens").await?;
    installation.namespace.service_account(MIGHTY).await?;
    let runner = Asking::by(&installation, installation.runner.token()).await?;
    let year = json!({ "expirationSeconds": 31_536_000, "audiences": ["vault"] });
    runner
        .request_token(&installation.names.puller, year.clone())
        .await
        .context("RBAC permits it")?;
    for other in [MIGHTY, &installation.names.runner] {
        let error = runner
            .request_token(other, year.clone())
            .await
            .expect_err("RBAC denies it");
        assert!(error.to_string().contains("cannot create resource"), "{error}");
    }
    Ok(())
}

/// Whoever can read the Secret requests the next token with the stored one.
#[tokio::test]
async fn stored_token_of_the_runner_itself_can_request_the_next_one() -> Result<()> {
    let installation = Installation::of_one_account_without_policy("escalation-one").await?;
    let program = installation.program()?;
    short_lived(&program)
        .env("PULL_SECRET_NEXT_RUN_WITHIN", "none")
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    let reader = Asking::by(&installation, &installation.stored_token().await?).await?;
    let year = json!({ "expirationSeconds": 31_536_000 });
    reader
        .request_token(&installation.names.runner, year)
        .await
        .context("RBAC permits it")?;
    Ok(())
}

/// The blocks of `docs/security.md`, "Without a cluster administrator".
#[tokio::test]
async fn secret_created_by_hand_closes_the_gap_without_a_policy() -> Result<()> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/security.md");
    let page = std::fs::read_to_string(page).context("cannot read docs/security.md")?;
    let (_, rest) = page.split_once("```yaml\n").context("a block of YAML")?;
    let (patch, _) = rest.split_once("```").context("its end")?;
    let installation = Installation::with_lines("by-hand", patch).await?;

    let error = ask(&installation).await?.expect_err("RBAC does not permit it");
    assert!(error.to_string().contains("cannot create resource"), "{error}");
    installation
        .program()?
        .expect("ERROR", "none", "api-forbidden", 77)
        .await?
        .expect_message("create secrets");
    let (_, rest) = page
        .split_once("## Without a cluster administrator")
        .context("a section")?;
    let (_, rest) = rest.split_once("```bash\n").context("a block of commands")?;
    let (command, _) = rest.split_once("```").context("its end")?;
    let command = command
        .replace("my-models", installation.namespace.name())
        .replace("internal-registry", &installation.names.secret);
    Kubectl::new(installation.namespace.name())
        .await?
        .script(&command)
        .await?;
    installation
        .program()?
        .expect("SUCCESS", "refreshed", "ok", 0)
        .await?;
    Ok(())
}
