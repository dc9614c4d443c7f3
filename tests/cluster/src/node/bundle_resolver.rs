//! Tekton's resolver of bundles as a plain process, for runs whose Task is in a registry.

use std::{process::Command, time::Duration};

use anyhow::Result;
use serde_json::json;

use super::tekton::{configuration_directory, is_ready, read};
use crate::{access::ClusterAccess, manifest::apply_documents, server_process::ServerProcess, servers};

/// Namespace of its settings.
const NAMESPACE: &str = "tekton-pipelines-resolvers";
/// Time limit for it to get ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// Ports that Tekton's controller doesn't have.
const PROBES_PORT: u16 = 8082;
const PROFILING_PORT: u16 = 8083;
const METRICS_PORT: u16 = 8084;
/// Settings of a release that it needs to start.
const SETTINGS: [&str; 6] = [
    "bundleresolver-config.yaml",
    "config-feature-flags.yaml",
    "config-leader-election.yaml",
    "config-logging.yaml",
    "config-observability.yaml",
    "resolver-cache-config.yaml",
];

/// Applies its settings and starts it, inside of a node's namespaces; it is ready when this returns.
///
/// # Errors
/// If it can't be built or doesn't start.
pub async fn start(access: &ClusterAccess) -> Result<ServerProcess> {
    let directory = configuration_directory()?.join("resolvers");
    let mut settings =
        vec![json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } })];
    for name in SETTINGS {
        settings.extend(read(&directory.join(name))?);
    }
    apply_documents(&access.client().await?, NAMESPACE, settings).await?;
    let mut command = Command::new(servers::bundle_resolver()?);
    command
        .env_clear()
        .arg("-kubeconfig")
        .arg(&access.node()?.kubeconfig)
        .env("SYSTEM_NAMESPACE", NAMESPACE)
        .env("KUBERNETES_MIN_VERSION", "v1.28.0")
        .env("CONFIG_LOGGING_NAME", "config-logging")
        .env("CONFIG_OBSERVABILITY_NAME", "config-observability")
        .env("CONFIG_FEATURE_FLAGS_NAME", "feature-flags")
        .env("CONFIG_LEADERELECTION_NAME", "config-leader-election-resolvers")
        .env("METRICS_DOMAIN", "tekton.dev/resolution")
        .env("METRICS_PROMETHEUS_PORT", METRICS_PORT.to_string())
        .env("PROFILING_PORT", PROFILING_PORT.to_string())
        .env("PROBES_PORT", PROBES_PORT.to_string());
    let log = access.directory.join("bundle-resolver.log");
    let mut resolver = ServerProcess::spawn("Tekton's resolver of bundles", command, &log)?;
    resolver
        .await_ready(PATIENCE, || async {
            is_ready(PROBES_PORT).await.unwrap_or(false)
        })
        .await?;
    Ok(resolver)
}
