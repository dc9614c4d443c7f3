//! kube-apiserver: its files and its flags.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{Options, SigningKey, ports::Ports};
use crate::{certificates::ServerCertificate, server_process::ServerProcess, supervisor::Supervisor};

/// Issuer of every service account token, as on any cluster.
pub const ISSUER: &str = "https://kubernetes.default.svc";

/// Audit policy: caller, request, status and user agent, and no body.
const AUDIT_POLICY: &str = r#"{
  "apiVersion": "audit.k8s.io/v1",
  "kind": "Policy",
  "omitStages": ["RequestReceived"],
  "rules": [{ "level": "Metadata" }]
}"#;

/// The files of one API server.
#[derive(Clone, Debug)]
pub struct Files {
    directory: PathBuf,
}

impl Files {
    /// Writes what doesn't change when the server is restarted.
    ///
    /// # Errors
    /// If a file can't be written.
    pub fn write(directory: &Path, certificate: &ServerCertificate, admin_token: &str) -> Result<Self> {
        let files = Self {
            directory: directory.to_owned(),
        };
        files.put("apiserver.crt", &certificate.certificate)?;
        files.put("apiserver.key", &certificate.key)?;
        files.put(
            "tokens.csv",
            &format!("{admin_token},admin,admin,\"system:masters\"\n"),
        )?;
        files.put("audit-policy.json", AUDIT_POLICY)?;
        Ok(files)
    }

    /// The audit log, one JSON event a line.
    pub fn audit_log(&self) -> PathBuf {
        self.path("audit.log")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn put(&self, name: &str, content: &str) -> Result<()> {
        fs::write(self.path(name), content).with_context(|| format!("cannot write the API server's {name}"))
    }
}

/// Starts the API server; it waits for etcd.
///
/// # Errors
/// If it can't be started.
pub fn start(
    binary: &Path,
    supervisor: &Supervisor,
    files: &Files,
    ports: &Ports,
    signing_key: &SigningKey,
    options: &Options,
) -> Result<ServerProcess> {
    files.put("service-account.key", signing_key.private_pem())?;
    files.put("service-account.pub", signing_key.public_pem())?;
    let mut command = supervisor.command(binary)?;
    command
        .args(
            flags(files, ports, options)
                .iter()
                .map(|(name, value)| format!("--{name}={value}")),
        )
        .env_clear();
    ServerProcess::spawn("kube-apiserver", command, &files.path("apiserver.log"))
}

fn flags(files: &Files, ports: &Ports, options: &Options) -> BTreeMap<&'static str, String> {
    let path = |name: &str| files.path(name).display().to_string();
    let mut flags = BTreeMap::from([
        ("etcd-servers", format!("http://127.0.0.1:{}", ports.etcd_client)),
        ("bind-address", "127.0.0.1".to_owned()),
        ("secure-port", ports.api_server.to_string()),
        ("tls-cert-file", path("apiserver.crt")),
        ("tls-private-key-file", path("apiserver.key")),
        ("service-account-issuer", ISSUER.to_owned()),
        ("service-account-key-file", path("service-account.pub")),
        ("service-account-signing-key-file", path("service-account.key")),
        ("authorization-mode", "Node,RBAC".to_owned()),
        ("token-auth-file", path("tokens.csv")),
        ("service-cluster-ip-range", "10.96.0.0/16".to_owned()),
        // No client uses the service `kubernetes` to reach this API server.
        ("endpoint-reconciler-type", "none".to_owned()),
        ("audit-policy-file", path("audit-policy.json")),
        ("audit-log-path", path("audit.log")),
        // Megabytes; never rotated within a run.
        ("audit-log-maxsize", "65536".to_owned()),
    ]);
    if !options.feature_gates.is_empty() {
        let gates: Vec<String> = options
            .feature_gates
            .iter()
            .map(|(name, enabled)| format!("{name}={enabled}"))
            .collect();
        flags.insert("feature-gates", gates.join(","));
    }
    flags.extend(options.flags.clone());
    flags
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn flags_with(options: &Options) -> BTreeMap<&'static str, String> {
        let files = Files {
            directory: PathBuf::from("/run"),
        };
        let ports = Ports {
            etcd_client: 1,
            etcd_peer: 2,
            api_server: 3,
        };
        flags(&files, &ports, options)
    }

    #[test]
    fn options_become_flags() {
        let flags = flags_with(
            &Options::new()
                .max_token_lifetime(Duration::from_secs(3600))
                .admission_plugins("AlwaysPullImages")
                .feature_gate("AllBeta", true)
                .feature_gate("AllAlpha", false)
                .authentication_webhook(PathBuf::from("/webhook.json")),
        );
        assert_eq!(flags["service-account-max-token-expiration"], "3600s");
        assert_eq!(flags["enable-admission-plugins"], "AlwaysPullImages");
        assert_eq!(flags["feature-gates"], "AllAlpha=false,AllBeta=true");
        assert_eq!(flags["authentication-token-webhook-config-file"], "/webhook.json");
    }

    #[test]
    fn given_option_outranks_the_default() {
        let flags = flags_with(&Options::new().flag("authorization-mode", "AlwaysAllow"));
        assert_eq!(flags["authorization-mode"], "AlwaysAllow");
    }
}
