//! A service account as a pod sees it: a directory with a token, authorities and a namespace.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::DeleteParams};
use tempfile::TempDir;

use crate::namespace::TestNamespace;

/// The files of `/var/run/secrets/kubernetes.io/serviceaccount` for one pod, in a directory that ends with this value.
pub struct ServiceAccountDir {
    directory: TempDir,
    pods: Api<Pod>,
    pod: String,
    service_account: String,
    token: String,
    api_server: std::net::SocketAddr,
}

impl ServiceAccountDir {
    pub(crate) fn write(
        namespace: &TestNamespace,
        service_account: &str,
        pod: &str,
        token: &str,
    ) -> Result<Self> {
        let access = namespace.access();
        let directory = tempfile::Builder::new()
            .prefix("service-account-")
            .tempdir_in(&access.directory)
            .context("cannot make a service account's directory")?;
        for (file, content) in [
            ("token", token),
            ("ca.crt", access.certificate_authority.as_str()),
            ("namespace", namespace.name()),
            // OpenShift mounts it beside ca.crt; it is trusted for the internal registry.
            ("service-ca.crt", access.registry_authority.as_str()),
        ] {
            fs::write(directory.path().join(file), content)
                .with_context(|| format!("cannot write a service account's {file}"))?;
        }
        Ok(Self {
            directory,
            pods: namespace.api(),
            pod: pod.to_owned(),
            service_account: service_account.to_owned(),
            token: token.to_owned(),
            api_server: access.api_server,
        })
    }

    /// The directory, for `PULL_SECRET_SERVICE_ACCOUNT_DIR`.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// One of its files, for a test to change or remove.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The mounted token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The service account's name.
    pub fn service_account(&self) -> &str {
        &self.service_account
    }

    /// The name of the pod that the token is bound to.
    pub fn pod(&self) -> &str {
        &self.pod
    }

    /// The API server, for `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`.
    pub fn api_server(&self) -> std::net::SocketAddr {
        self.api_server
    }

    /// Deletes the pod at once; its mounted token becomes invalid (the API server may still accept it for 10 s).
    ///
    /// # Errors
    /// If the pod is gone already.
    pub async fn delete_pod(&self) -> Result<()> {
        // No kubelet would confirm the end of a graceful deletion.
        let at_once = DeleteParams::default().grace_period(0);
        self.pods
            .delete(&self.pod, &at_once)
            .await
            .map(drop)
            .with_context(|| format!("cannot delete pod {}", self.pod))
    }
}
