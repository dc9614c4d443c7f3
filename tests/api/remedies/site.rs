//! Namespace with an install from the shipped manifests, as an administrator has it.

use std::{fs, os::unix::fs::symlink, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::{
    batch::v1::CronJob,
    core::v1::{ConfigMap, Secret},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use test_cluster::{
    access::ClusterAccess,
    identity::ServiceAccountDir,
    kustomize,
    listener::InterceptingProxy,
    namespace::TestNamespace,
    program::{Outcome, Program},
    registry::OPENSHIFT,
    server_process::Signal,
    servers,
};
use tokio::process::Command;

use super::{
    case::Case,
    page::{Page, other},
    stand_ins::{ApiServer, GATE, StandIns},
};
use crate::interception::held;

const RUNNER: &str = "ensure-pull-secret";
const MOUNTED: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A namespace, and the directory in which the administrator types.
pub struct Site<'a> {
    pub namespace: TestNamespace,
    directory: TempDir,
    page: &'a Page,
    stand_ins: &'a StandIns,
}

impl<'a> Site<'a> {
    /// A kustomization with the overlay of the case.
    pub async fn new(page: &'a Page, stand_ins: &'a StandIns, case: &Case) -> Result<Self> {
        let namespace = TestNamespace::new(&format!("fix-{}", case.reason)).await?;
        let directory = tempfile::tempdir_in(&ClusterAccess::shared().directory)?;
        let site = Self {
            namespace,
            directory,
            page,
            stand_ins,
        };
        site.write(&case.overlay).await?;
        Ok(site)
    }

    async fn write(&self, overlay: &str) -> Result<()> {
        let StandIns {
            authority,
            other_authority,
            robot,
            ..
        } = self.stand_ins;
        let auths =
            json!({"auths": {"quay.io": {"auth": base64(&format!("{}:{}", robot.name, robot.password))}}});
        let pod = json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": RUNNER},
            "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": RUNNER, "env": []}]}}}}},
        });
        let kustomization = format!(
            "namespace: {}\nresources: [../tekton/overlays/{overlay}]\nconfigMapGenerator:\n\
             - {{name: ensure-pull-secret, behavior: merge, envs: [names.env]}}\n\
             components: [../tekton/components/names]\npatches: [{{path: pod.yaml}}]\n\
             images: [{{name: registry.invalid/ensure-pull-secret, newName: registry.example.com/ensure-pull-secret}}]\n",
            self.namespace.name()
        );
        let kubectl = tokio::task::spawn_blocking(servers::kubectl).await??;
        let path = |name: &str| self.directory.path().join(name);
        fs::create_dir(path("bin"))?;
        fs::create_dir(path("my-models"))?;
        symlink(kustomize::tekton(), path("tekton"))?;
        symlink(kubectl, path("bin/kubectl"))?;
        // The machine's own policy must not decide.
        fs::create_dir_all(path(".config/containers"))?;
        for (name, content) in [
            (
                ".config/containers/policy.json",
                r#"{"default":[{"type":"insecureAcceptAnything"}]}"#.to_owned(),
            ),
            ("my-models/kustomization.yaml", kustomization),
            ("my-models/names.env", String::new()),
            ("my-models/pod.yaml", pod.to_string()),
            ("kubeconfig", ClusterAccess::shared().kubeconfig().to_string()),
            ("trusted.pem", authority.pem()),
            ("ca-bundle.crt", other_authority.pem()),
            ("robot-token.txt", robot.password.clone()),
            ("auth.json", auths.to_string()),
        ] {
            fs::write(path(name), content).with_context(|| name.to_owned())?;
        }
        Ok(())
    }

    /// Runs a script after the page's definitions; returns all of its output.
    pub async fn shell(&self, script: &str) -> Result<String> {
        let path = |name: &str| self.directory.path().join(name);
        let script = format!(
            "{}\nNS={}\nOTHER={}\nIMAGE=quay.io/$NS/granite:1.0\n{}\n{script}",
            self.page.definitions()?,
            self.namespace.name(),
            other(self.namespace.name()),
            include_str!("prelude.sh")
        );
        let search = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("bash")
            .args(["-e", "-c", &script])
            .current_dir(self.directory.path())
            .env("PATH", format!("{}:{search}", path("bin").display()))
            .env("HOME", self.directory.path())
            .env("TMPDIR", self.directory.path())
            .env("EDITOR", path("editor"))
            .env("KUBECONFIG", path("kubeconfig"))
            .env("OPENSHIFT", OPENSHIFT)
            .env("QUAY_PORT", self.stand_ins.quay_port().to_string())
            .env("HTTPS_PROXY", self.stand_ins.proxy.url())
            .env("NO_PROXY", "127.0.0.1")
            .env("SSL_CERT_FILE", path("trusted.pem"))
            .env("CURL_CA_BUNDLE", path("trusted.pem"))
            .env("REGISTRY_AUTH_FILE", path("auth.json"))
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output()
            .await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let all = text(&output.stdout) + &text(&output.stderr);
        ensure!(output.status.success(), "{}: {all}", output.status);
        Ok(all)
    }

    /// Writes a file for the next scripts.
    pub fn save(&self, name: &str, text: &str) -> Result<()> {
        Ok(fs::write(self.directory.path().join(name), text)?)
    }

    /// True if the last script ended with the page's function `again`.
    pub fn asked_for_a_run(&self) -> bool {
        fs::remove_file(self.directory.path().join("again")).is_ok()
    }

    /// Runs the program with the environment and the volumes of the CronJob.
    pub async fn run(&self, case: &Case, first: bool) -> Result<Outcome> {
        let pod = self.pod().await?;
        let identity = self.namespace.identity(RUNNER).await?;
        let api = if first { case.api } else { ApiServer::Real };
        let proxy = self.mount(&identity, &pod, api).await?;
        let program = match case.files.filter(|_| first) {
            Some(files) => Program::at("/bin/sh")
                .argument("-c")
                .argument(format!("ulimit -n {files} && exec \"$0\""))
                .argument(std::env::var_os(test_cluster::program::BINARY).unwrap_or_default()),
            None => Program::outside(),
        };
        // A name that does not look random, or it is redacted.
        let mounted = self.directory.path().join("serviceaccount");
        let _ = fs::remove_file(&mounted);
        symlink(identity.path(), &mounted)?;
        let mut program = program
            .within(&identity)
            .env("PULL_SECRET_SERVICE_ACCOUNT_DIR", &mounted);
        for variable in pod["containers"][0]["env"].as_array().into_iter().flatten() {
            let text = |key: &str| variable[key].as_str().unwrap_or_default();
            let value = match text("name") {
                "PULL_SECRET_TOKEN_FILE" if text("value") == "/robot-account/token" => {
                    self.robot_file().await?
                }
                "SSL_CERT_DIR" => self.trusted_directory().await?,
                // A file of this machine.
                "PULL_SECRET_TERMINATION_MESSAGE_FILE" => continue,
                _ => PathBuf::from(text("value")),
            };
            program = program.env(text("name"), value);
        }
        program = program.env(
            "PULL_SECRET_CONNECT_TO",
            self.stand_ins.connect_to(first && case.registry_down),
        );
        if let Some(address) = proxy.as_ref().map(|proxy| proxy.address()) {
            program = program.env("KUBERNETES_SERVICE_PORT", address.port().to_string());
        } else if api == ApiServer::Down {
            program = program
                .env("KUBERNETES_SERVICE_PORT", "1")
                .env("PULL_SECRET_TIMEOUT", "3s");
        }
        if first {
            program = program.env("PULL_SECRET_MODE", &case.mode);
        }
        let running = program.spawn()?;
        if let Some(proxy) = proxy.as_ref().filter(|_| api == ApiServer::Held) {
            held(proxy, GATE, 1).await?;
            running.signal(Signal::TERM)?;
        }
        let mut outcome = running.wait().await?;
        // As in a pod.
        let mounted = mounted.display().to_string();
        outcome.output.stderr = outcome.output.stderr.replace(&mounted, MOUNTED);
        Ok(outcome)
    }

    async fn pod(&self) -> Result<Value> {
        let job = self.namespace.api::<CronJob>().get(RUNNER).await?;
        let job = serde_json::to_value(job)?;
        let pod = job.pointer("/spec/jobTemplate/spec/template/spec");
        pod.cloned().context("a CronJob has a pod")
    }

    /// The ServiceAccount's files, as the kubelet mounts them.
    async fn mount(
        &self,
        identity: &ServiceAccountDir,
        pod: &Value,
        api: ApiServer,
    ) -> Result<Option<Arc<InterceptingProxy>>> {
        let own = self.stand_ins.authority.pem() + &ClusterAccess::shared().registry_authority;
        fs::write(identity.file("service-ca.crt"), own)?;
        let root: Option<ConfigMap> = self.namespace.api().get_opt("kube-root-ca.crt").await?;
        if let Some(ca) = root.and_then(|root| root.data?.remove("ca.crt")) {
            fs::write(identity.file("ca.crt"), ca)?;
        }
        if pod["automountServiceAccountToken"] == false {
            for file in ["token", "ca.crt", "namespace", "service-ca.crt"] {
                fs::remove_file(identity.file(file))?;
            }
        }
        api.start(&identity.file("ca.crt"))
    }

    async fn robot_file(&self) -> Result<PathBuf> {
        let path = self.directory.path().join("robot");
        let secret: Option<Secret> = self.namespace.api().get_opt("robot-account").await?;
        let token = secret.and_then(|secret| secret.data?.remove("token"));
        fs::write(&path, token.context("no robot account")?.0)?;
        Ok(path)
    }

    async fn trusted_directory(&self) -> Result<PathBuf> {
        let path = self.directory.path().join("trusted-ca");
        fs::create_dir_all(&path)?;
        let name = "ensure-pull-secret-trusted-ca";
        let map: Option<ConfigMap> = self.namespace.api().get_opt(name).await?;
        if let Some(bundle) = map.and_then(|map| map.data?.remove("ca-bundle.crt")) {
            fs::write(path.join("ca-bundle.crt"), bundle)?;
        }
        Ok(path)
    }
}

fn base64(text: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(text)
}
