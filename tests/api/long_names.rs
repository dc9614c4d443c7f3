//! Names with the greatest length of Kubernetes and registries: results stay small and have the cause.

use anyhow::{Context as _, Result};
use ensure_pull_secret::kubernetes::rbac_yaml::{self, RoleParams, Subject};
use test_cluster::{
    program::{Outcome, Program},
    registry::OPENSHIFT,
};

use crate::world::{RUNNER, World};

/// The longest name of a Secret or a service account (RFC 1123 subdomain).
const LONGEST: usize = 253;

/// The longest image reference, tag and digest not counted (distribution/reference, `NameTotalLengthMax`).
const REFERENCE: usize = 255;

/// A name as long as may be that begins with `beginning`.
fn long(beginning: &str) -> String {
    let mut name = format!("{beginning}-{}", "long.name-".repeat(LONGEST / 10));
    name.truncate(LONGEST - 1);
    format!("{name}x")
}

/// Size of all results as Tekton counts them: each a JSON string with escapes.
fn size(outcome: &Outcome) -> usize {
    outcome
        .output
        .results
        .values()
        .map(|value| serde_json::json!(value).to_string().len())
        .sum()
}

#[tokio::test]
async fn longest_names_keep_results_under_1_kib_and_the_cause_whole() -> Result<()> {
    let world = World::without_grant("long-names").await?;
    let (secret, account) = (long("secret"), long("account"));
    let project = format!("{OPENSHIFT}/{}/", world.namespace.name());
    let repository = format!(
        "{}/{}",
        world.namespace.name(),
        "r".repeat(REFERENCE - project.len())
    );
    let image = format!("{OPENSHIFT}/{repository}:{}", "t".repeat(128));
    let program = world
        .program()
        .env("PULL_SECRET_NAME", &secret)
        .env("PULL_SECRET_SERVICE_ACCOUNT", &account)
        .env("PULL_SECRET_IMAGE", &image);
    let verify = program.clone().env("PULL_SECRET_MODE", "verify");

    expect(&program, "api-forbidden", "may not get secrets secret-long").await?;
    let needs = RoleParams {
        namespace: world.namespace.name(),
        secret: &secret,
        token_account: Some(&account),
        runner: Some(Subject {
            namespace: world.namespace.name(),
            name: RUNNER,
        }),
    };
    world
        .namespace
        .apply(&rbac_yaml::role(&needs).context("valid names")?)
        .await?;
    expect(&verify, "secret-missing", "there is no Secret secret-long").await?;
    expect(
        &program,
        "service-account-missing",
        "service account account-long",
    )
    .await?;
    world.namespace.service_account(&account).await?;
    test_cluster::registry::push_image(crate::world::registries().store, &format!("{repository}:v1"))?;
    expect(&program, "pull-forbidden", world.namespace.name()).await?;
    let wrong = program
        .clone()
        .env("PULL_SECRET_NAMESPACE", "n".repeat(64))
        .env("PULL_SECRET_NAME", format!("{secret}x"));
    expect(&wrong, "invalid-configuration", "PULL_SECRET_NAME").await?;
    expect(
        &verify.env("PULL_SECRET_REGISTRY", format!("{}:5000", long("registry"))),
        "invalid-configuration",
        "PULL_SECRET_IMAGE",
    )
    .await
}

async fn expect(program: &Program, reason: &str, cause: &str) -> Result<()> {
    let outcome = program.run().await?;
    assert_eq!(outcome.result("REASON"), reason, "{outcome}");
    outcome.expect_message(cause);
    assert!(size(&outcome) < 1024, "{} bytes: {outcome}", size(&outcome));
    Ok(())
}
