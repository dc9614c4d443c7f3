//! Waiting until the API server acts by the roles and bindings that were just written.
//!
//! Its authorizer reads roles and bindings from a cache that follows the store by a watch for each of the four kinds
//! (pkg/controlplane/... `rbac.New` with shared informers), some milliseconds behind. A watch keeps the order of
//! writes: once something written later is seen through all four, everything written before has been seen.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{manifest::apply_manifests, random::random_hex};

/// Longest lag of the cache.
const PATIENCE: Duration = Duration::from_secs(20);
/// Interval between reviews.
const POLL: Duration = Duration::from_millis(10);
const GROUP: &str = "rbac.authorization.k8s.io";

/// Returns when every role and binding written before the call is in force, and every deleted one no longer.
pub(crate) async fn settle_rbac(client: &Client, namespace: &str) -> Result<()> {
    let user = format!("rbac-sentinel-{}", random_hex()?);
    // A user of its own through either pair of kinds: allowed in the namespace, and allowed in the cluster.
    let local = format!("{user}-local");
    let manifests: Vec<String> = [
        role("Role", &local),
        binding("RoleBinding", "Role", &local),
        role("ClusterRole", &user),
        binding("ClusterRoleBinding", "ClusterRole", &user),
    ]
    .iter()
    .map(Value::to_string)
    .collect();
    apply_manifests(client, namespace, &manifests.join("\n---\n")).await?;

    let deadline = Instant::now() + PATIENCE;
    while !(allowed(client, namespace, &local).await? && allowed(client, "", &user).await?) {
        if Instant::now() >= deadline {
            bail!(
                "the API server did not act by a new role within {} s",
                PATIENCE.as_secs()
            );
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

async fn allowed(client: &Client, namespace: &str, user: &str) -> Result<bool> {
    let review: SubjectAccessReview = serde_json::from_value(json!({
        "spec": {
            "user": user,
            "resourceAttributes": {
                "namespace": namespace, "verb": "get", "group": "sentinel.invalid", "resource": "sentinels",
            },
        },
    }))?;
    let answer = Api::<SubjectAccessReview>::all(client.clone())
        .create(&PostParams::default(), &review)
        .await
        .context("cannot ask for an access review")?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

fn role(kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": { "name": name },
        "rules": [{ "apiGroups": ["sentinel.invalid"], "resources": ["sentinels"], "verbs": ["get"] }],
    })
}

fn binding(kind: &str, role_kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": { "name": name },
        "roleRef": { "apiGroup": GROUP, "kind": role_kind, "name": name },
        "subjects": [{ "apiGroup": GROUP, "kind": "User", "name": name }],
    })
}
