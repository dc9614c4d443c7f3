//! Order of findings: if a credential has several defects, the most severe one is reported first.

use anyhow::Result;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use test_cluster::registry::OPENSHIFT;

use crate::world::World;

/// An unsigned token with these claims.
fn unsigned(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.{}",
        part(&json!({"alg": "RS256"})),
        part(claims),
        URL_SAFE_NO_PAD.encode("no signature at all")
    )
}

fn entry(token: &str) -> Value {
    json!({"username": "<token>", "password": token, "auth": STANDARD.encode(format!("<token>:{token}"))})
}

#[tokio::test]
async fn structure_outranks_expiry_and_expiry_outranks_the_registry() -> Result<()> {
    let in_pod = json!({"pod": {"name": "p", "uid": "u"}, "serviceaccount": {"name": "a", "uid": "u"}});
    let expired = unsigned(&json!({"exp": 1_700_000_000, "kubernetes.io": {}}));
    let expired_in_pod = unsigned(&json!({"exp": 1_700_000_000, "kubernetes.io": in_pod}));
    let unknown = unsigned(&json!({"exp": 32_503_680_000_i64, "kubernetes.io": {}}));
    let cases = [
        (
            "unwrapped",
            json!({OPENSHIFT: entry(&expired_in_pod)}),
            "auths-missing",
        ),
        (
            "no-entry",
            json!({"auths": {"other.test": entry(&expired_in_pod)}}),
            "no-matching-entry",
        ),
        (
            "no-auth",
            json!({"auths": {OPENSHIFT: {"username": "u", "password": &expired}}}),
            "no-matching-entry",
        ),
        (
            "pod",
            json!({"auths": {OPENSHIFT: entry(&expired_in_pod)}}),
            "pod-bound-token",
        ),
        (
            "expired",
            json!({"auths": {OPENSHIFT: entry(&expired)}}),
            "credential-expired",
        ),
        (
            "unknown",
            json!({"auths": {OPENSHIFT: entry(&unknown)}}),
            "credential-rejected",
        ),
    ];
    for (name, document, reason) in cases {
        let world = World::new(&format!("precedence-{name}")).await?;
        world.store(document.to_string()).await?;
        let outcome = world
            .program()
            .env("PULL_SECRET_MODE", "verify")
            .canary(&unknown)
            .run()
            .await?;
        assert_eq!(outcome.result("REASON"), reason, "{name}: {outcome}");
    }
    Ok(())
}

#[tokio::test]
async fn login_token_of_a_person_is_stored_with_a_warning() -> Result<()> {
    let world = World::new("login-token").await?;
    let token = "sha256~a-persons-login-token-of-openshift";
    std::fs::write(world.runner.file("login"), token)?;
    let program = world
        .program()
        .without("PULL_SECRET_SERVICE_ACCOUNT")
        .env("PULL_SECRET_TOKEN_FILE", world.runner.file("login"))
        .env("PULL_SECRET_VERIFY", "structure")
        .canary(token);
    let outcome = program.run().await?;
    outcome
        .expect("WARNING", "created", "not-verified", 0)
        .expect_verified("none");
    assert!(
        outcome.report["notes"]
            .to_string()
            .contains("a person's login token"),
        "{outcome}"
    );
    assert_eq!(world.stored_token().await?, token);
    Ok(())
}
