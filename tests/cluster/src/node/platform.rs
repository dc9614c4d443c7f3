//! Services of a cluster's platform that a bare one lacks: names of registries (a DNS), the cluster's trusted CAs, and
//! OpenShift's role for pulling. With them, manifests run here unchanged.

use std::time::Duration;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, api::PostParams};
use serde_json::{Value, json};

use super::network;
use crate::{access::ClusterAccess, listener::ScriptedServer, manifest::apply_documents, webhook::register};

/// OpenShift's ClusterRole for pulling (its `bootstrappolicy`): the part that its registry reviews.
const IMAGE_PULLER: &str = "system:image-puller";
/// Label that OpenShift's network operator looks for.
const INJECTED: &str = "config.openshift.io/inject-trusted-cabundle";
/// Time limit for the API server to notice the webhook.
const PATIENCE: Duration = Duration::from_secs(60);

/// Namespaces that get the platform.
#[derive(Clone, Copy, Debug)]
pub enum Namespaces<'a> {
    /// In all.
    All,
    /// In one, and in `default`.
    One(&'a str),
}

/// The running platform; ends when dropped.
#[derive(Debug)]
pub struct Platform {
    _webhook: ScriptedServer,
}

impl Platform {
    /// Starts it for objects that are created or updated from now on.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn stand_in(access: &ClusterAccess, namespaces: Namespaces<'_>) -> Result<Self> {
        let (name, selector) = match namespaces {
            Namespaces::All => ("platform".to_owned(), json!({})),
            Namespaces::One(name) => (
                format!("platform-{name}"),
                json!({ "matchExpressions": [{
                    "key": "kubernetes.io/metadata.name", "operator": "In", "values": [name, "default"],
                }] }),
            ),
        };
        let registries = access.registries()?;
        let aliases: Value = network::names(registries)?
            .iter()
            .map(|(name, address)| json!({ "ip": address, "hostnames": [name] }))
            .collect();
        let authorities = json!({ "ca-bundle.crt": registries.ca });
        let rules = json!([{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
            "resources": ["pods", "configmaps"],
        }]);
        let client = access.client().await?;
        let webhook = register(&client, &name, &selector, &rules, move |review| {
            let request = &review["request"];
            let injected = &request["object"]["metadata"]["labels"][INJECTED] == "true";
            match (request["kind"]["kind"].as_str(), request["operation"].as_str()) {
                (Some("Pod"), Some("CREATE")) => {
                    json!([{ "op": "add", "path": "/spec/hostAliases", "value": aliases }])
                }
                (Some("ConfigMap"), _) if injected => {
                    json!([{ "op": "add", "path": "/data", "value": authorities }])
                }
                _ => json!([]),
            }
        })
        .await?;
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": { "name": IMAGE_PULLER },
            "rules": [{ "apiGroups": ["image.openshift.io"], "resources": ["imagestreams/layers"], "verbs": ["get"] }],
        });
        apply_documents(&client, "default", vec![role]).await?;
        tokio::time::timeout(PATIENCE, at_work(&webhook, Api::default_namespaced(client)))
            .await
            .context("the API server does not ask the stand-in")??;
        Ok(Self { _webhook: webhook })
    }
}

/// Waits until the API server calls it.
async fn at_work(webhook: &ScriptedServer, config_maps: Api<ConfigMap>) -> Result<()> {
    let probe: ConfigMap = serde_json::from_value(json!({ "metadata": { "generateName": "probe-" } }))?;
    let never_stored = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    while webhook.record().requests.is_empty() {
        config_maps.create(&never_stored, &probe).await?;
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    Ok(())
}
