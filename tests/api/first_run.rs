//! A first run creates the Secret of the contract, byte for byte.

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use test_cluster::registry::OPENSHIFT;

use crate::world::{PULLER, SECRET, World};

#[tokio::test]
async fn first_run_creates_the_secret_of_the_contract_and_it_pulls() -> Result<()> {
    let world = World::new("first-run").await?;
    let image = world.push("app:v1")?;
    let outcome = world.program().env("PULL_SECRET_IMAGE", &image).run().await?;
    outcome
        .expect("SUCCESS", "created", "ok", 0)
        .expect_verified("pull");

    let secret = world.secret().await?;
    let token = world.stored_token().await?;
    let auth = STANDARD.encode(format!("<token>:{token}"));
    let expected = format!(
        r#"{{"auths":{{"{OPENSHIFT}":{{"username":"<token>","password":"{token}","auth":"{auth}"}}}}}}"#
    );
    assert_eq!(String::from_utf8(world.document().await?)?, expected);
    assert_eq!(secret.type_.as_deref(), Some("kubernetes.io/dockerconfigjson"));
    assert_eq!(
        json!(secret.metadata.labels),
        json!({"opendatahub.io/dashboard": "true"})
    );
    let data = secret.data.context("data")?;
    assert_eq!(
        data.keys().collect::<Vec<_>>(),
        [".dockerconfigjson", "ACCESS_TYPE", "OCI_HOST"]
    );
    assert_eq!(data["OCI_HOST"].0, OPENSHIFT.as_bytes());
    assert_eq!(data["ACCESS_TYPE"].0, br#"["Pull"]"#);

    let claims = claims(&token)?;
    let annotations = secret.metadata.annotations.context("annotations")?;
    let refreshed_at = annotations["ensure-pull-secret/refreshed-at"].clone();
    assert_eq!(
        json!(annotations),
        json!({
            "openshift.io/display-name": "Internal OpenShift Registry",
            "openshift.io/description": "Internal OpenShift Registry for ModelCar Images",
            "opendatahub.io/connection-type-ref": "oci-v1",
            "opendatahub.io/connection-type-protocol": "oci",
            "ensure-pull-secret/expires-at": outcome.result("EXPIRES_AT"),
            "ensure-pull-secret/refreshed-at": refreshed_at,
            "ensure-pull-secret/service-account": format!("{}/{PULLER}", world.namespace.name()),
            "ensure-pull-secret/credential-id": claims["jti"],
        })
    );
    assert_eq!(claims["kubernetes.io"]["secret"]["name"], SECRET);
    assert_eq!(
        claims["kubernetes.io"]["secret"]["uid"],
        json!(secret.metadata.uid)
    );
    assert_eq!(
        claims["kubernetes.io"]["pod"],
        json!(null),
        "bound to the Secret, not to a pod"
    );
    world.assert_pulls(&image).await
}

/// The payload of a JWT.
pub fn claims(token: &str) -> Result<serde_json::Value> {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let payload = token.split('.').nth(1).context("a JWT")?;
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?)
}
