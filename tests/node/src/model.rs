//! A model's image in the registry with OpenShift's rules, and the pod that serves it.

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use test_cluster::{
    access::ClusterAccess,
    clients::{Crane, Network},
    listener::ConnectProxy,
    node::busybox,
    registry::{
        OPENSHIFT,
        image::{Content, File, Format, Image},
        request_log::{self, LoggedRequest},
    },
};
use tokio::process::Command;

use crate::{Kubectl, SECRET, eventually};

/// An image with a new digest.
#[derive(Clone, Debug)]
pub struct Model {
    /// `host:port/namespace/name`.
    pub repository: String,
    /// `sha256:…`.
    pub digest: String,
    path: String,
}

impl Model {
    /// Pushes a new image, past every credential, as `namespace/name`, with `:latest` where the name has no tag.
    ///
    /// # Errors
    /// If the store refuses it.
    pub fn push(namespace: &str, name: &str) -> Result<Self> {
        let (name, tag) = name.split_once(':').unwrap_or((name, "latest"));
        let path = format!("{namespace}/{name}");
        let Content { mut files, config } = busybox(&["sleep", "2147483647"])?;
        files.push(File::data("models/weights", path.clone().into_bytes()));
        files.push(File::data("models/serial", unique()?.into_bytes()));
        let image = Image::with(Format::Oci, Content { files, config })?;
        image.push(
            ClusterAccess::shared().registries()?.store,
            &format!("{path}:{tag}"),
        )?;
        Ok(Self {
            repository: format!("{OPENSHIFT}/{path}"),
            digest: image.digest(),
            path,
        })
    }

    /// The reference by digest.
    pub fn reference(&self) -> String {
        format!("{}@{}", self.repository, self.digest)
    }

    /// Fails if the image can be pulled without the credential under test: containerd has it, or the registry allows
    /// anonymous access to it.
    ///
    /// # Errors
    /// If that is so.
    pub async fn assert_out_of_reach(&self) -> Result<()> {
        let access = ClusterAccess::shared();
        let socket = access.node()?.container_runtime.clone();
        let output = Command::new("ctr")
            .arg("--address")
            .arg(socket)
            .args(["--namespace", "k8s.io", "images", "list"])
            .output()
            .await
            .context("cannot run ctr")?;
        ensure!(
            output.status.success(),
            "ctr failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let images = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            !images.contains(&self.digest),
            "containerd has {} already",
            self.digest
        );
        let anonymous = pull(None, &self.reference());
        ensure!(
            anonymous
                .as_ref()
                .is_err_and(|error| error.contains("401") || error.contains("UNAUTHORIZED")),
            "an anonymous pull should be refused with 401: {anonymous:?}"
        );
        Ok(())
    }

    /// The accepted requests of the kubelet's runtime for this image, by user.
    ///
    /// # Errors
    /// If the registry's log can't be read.
    pub fn pulled_by(&self) -> Result<Vec<String>> {
        let log = &ClusterAccess::shared().registries()?.openshift.request_log;
        let manifest = format!("/v2/{}/manifests/{}", self.path, self.digest);
        Ok(request_log::read(log)?
            .into_iter()
            .filter(|request: &LoggedRequest| {
                request.path == manifest
                    && request.status == 200
                    && request
                        .user_agent
                        .as_deref()
                        .is_some_and(|agent| agent.starts_with("containerd"))
            })
            .filter_map(|request| request.user)
            .collect())
    }

    /// A pod that serves the model with the pull secret, as KServe would make one, in a namespace that enforces
    /// `restricted`.
    pub fn pod(&self, name: &str) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": name },
            "spec": {
                "imagePullSecrets": [{ "name": SECRET }],
                "automountServiceAccountToken": false,
                "terminationGracePeriodSeconds": 0,
                "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
                "containers": [{
                    "name": "modelcar",
                    "image": self.reference(),
                    "securityContext": {
                        "allowPrivilegeEscalation": false,
                        "capabilities": { "drop": ["ALL"] },
                    },
                }],
            },
        })
    }

    /// Waits until the pod is in ImagePullBackOff; gives its uid.
    ///
    /// # Errors
    /// If it doesn't get there.
    pub async fn await_back_off(kubectl: &Kubectl, pod: &str) -> Result<String> {
        let name = format!("pod/{pod}");
        eventually("a pod without a credential is in ImagePullBackOff", || async {
            let pod = kubectl.get(&name).await?;
            let state = &pod["status"]["containerStatuses"][0]["state"];
            Ok(if state["waiting"]["reason"] == "ImagePullBackOff" {
                Ok(uid_of(&pod))
            } else {
                Err(state.to_string())
            })
        })
        .await
    }

    /// Waits until the pod runs, and fails where it isn't the same one that never restarted.
    ///
    /// # Errors
    /// If it doesn't get there.
    pub async fn await_running(kubectl: &Kubectl, pod: &str, uid: Option<&str>) -> Result<()> {
        let name = format!("pod/{pod}");
        let running = eventually("the pod runs", || async {
            let pod = kubectl.get(&name).await?;
            let status = &pod["status"];
            Ok(if status["phase"] == "Running" {
                Ok(pod)
            } else {
                Err(status.to_string())
            })
        })
        .await?;
        if let Some(uid) = uid {
            ensure!(uid_of(&running) == uid, "it is another pod");
        }
        let restarts = &running["status"]["containerStatuses"][0]["restartCount"];
        ensure!(*restarts == 0, "it was restarted: {restarts}");
        Ok(())
    }
}

fn uid_of(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
}

fn unique() -> Result<String> {
    // The kernel's own (random(4)).
    std::fs::read_to_string("/proc/sys/kernel/random/uuid").context("the kernel has no randomness")
}

/// Pulls with an independent client; an error has its output.
pub fn pull(document: Option<&[u8]>, reference: &str) -> std::result::Result<(), String> {
    let attempt = || -> Result<std::result::Result<(), String>> {
        let access = ClusterAccess::shared();
        let registries = access.registries()?;
        let proxy = ConnectProxy::start(registries.routes())?;
        let crane = Crane {
            binary: access.binaries.crane.clone(),
            network: Network {
                proxy: proxy.address(),
                ca: registries.ca.clone(),
            },
        };
        Ok(crane.pulls(document, reference))
    };
    attempt().map_err(|error| format!("{error:#}"))?
}

/// The document of the incident: credentials without `auths` around them, which the API server accepts and in which the
/// kubelet silently finds nothing.
pub fn unwrapped(token: &str) -> Vec<u8> {
    let auth = STANDARD.encode(format!("<token>:{token}"));
    json!({ OPENSHIFT: { "auth": auth } }).to_string().into_bytes()
}
