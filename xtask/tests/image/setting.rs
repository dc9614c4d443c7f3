//! A registry to push to, its credentials, and skopeo to read from it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use container_image::Destination;
use serde_json::json;
use tempfile::TempDir;
use test_cluster::{
    access::ClusterAccess,
    clients::{Network, Skopeo},
    listener::ConnectProxy,
    registry::Registries,
};

/// The registries of the suite's cluster, and the way to them.
pub fn registries() -> &'static Registries {
    ClusterAccess::shared()
        .registries()
        .expect("a cluster with registries")
}

/// The proxy that resolves the registries' names.
pub fn proxy() -> &'static ConnectProxy {
    static PROXY: OnceLock<ConnectProxy> = OnceLock::new();
    PROXY.get_or_init(|| ConnectProxy::start(registries().routes()).expect("a CONNECT proxy"))
}

/// A user of one registry: a directory with its CA certificate, and a file with a credential.
pub struct User {
    home: TempDir,
    document: String,
}

impl User {
    pub fn new(host: &str, user: &str, password: &str) -> Self {
        let auth = STANDARD.encode(format!("{user}:{password}"));
        let document = json!({"auths": {host: {"auth": auth}}}).to_string();
        let home = tempfile::tempdir().expect("a directory");
        let user = Self { home, document };
        fs::create_dir(user.certificates()).expect("a directory");
        fs::write(user.certificates().join("ca.crt"), &registries().ca).expect("written");
        fs::write(user.credentials(), &user.document).expect("written");
        user
    }

    /// The robot of the registry with basic authentication.
    pub fn robot() -> Self {
        let registry = &registries().basic;
        let account = registry.account("robot").expect("an account");
        Self::new(&registry.host.name, &account.name, &account.password)
    }

    pub fn certificates(&self) -> PathBuf {
        self.home.path().join("certificates")
    }

    pub fn credentials(&self) -> PathBuf {
        self.home.path().join("auth.json")
    }

    /// A destination that trusts the registry and has the credential.
    pub fn destination(&self, reference: &str) -> Destination {
        Destination::new(reference)
            .expect("a destination")
            .through_proxy(proxy().url())
            .with_certificates(self.certificates())
            .with_credentials(self.credentials())
    }

    /// Whether skopeo pulls the image for this machine's platform.
    pub fn pulls(&self, image: &str) -> Result<(), String> {
        skopeo().pulls(Some(self.document.as_bytes()), image)
    }

    /// Copies the image of every platform into a directory, byte for byte.
    pub fn copy(&self, image: &str, directory: &Path) {
        let mut target = std::ffi::OsString::from("dir:");
        target.push(directory);
        let output = Command::new("skopeo")
            .args(["--insecure-policy", "copy", "--all", "--src-cert-dir"])
            .arg(self.certificates())
            .arg("--src-authfile")
            .arg(self.credentials())
            .arg(format!("docker://{image}"))
            .arg(target)
            .env("HTTPS_PROXY", proxy().url())
            .output()
            .expect("skopeo");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// Whether it is pulled without a credential.
pub fn pulls_without_credential(image: &str) -> Result<(), String> {
    skopeo().pulls(None, image)
}

fn skopeo() -> Skopeo {
    let network = Network {
        proxy: proxy().address(),
        ca: registries().ca.clone(),
    };
    Skopeo::installed(network)
        .expect("skopeo")
        .expect("without skopeo, these tests are not run")
}
