//! A namespace with the user's own kustomization applied into it.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU8, Ordering},
};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use test_cluster::{
    access::ClusterAccess, kustomize, namespace::TestNamespace, node::NodeAccess, registry::OPENSHIFT,
};
use tokio::process::Command;

use crate::{Kubectl, Model, TaskRun, model::pull, pushed_image::program_image};

/// The pull secret's name, as the manifests have it.
pub const SECRET: &str = "internal-registry";
/// The account that runs the program.
pub const RUNNER: &str = "ensure-pull-secret";
/// ServiceAccount whose token is stored.
pub const PULLER: &str = "model-puller";

/// Permission of every ServiceAccount of a namespace on OpenShift: pull the namespace's own images.
fn image_puller() -> Value {
    json!([{ "apiGroups": ["image.openshift.io"], "resources": ["imagestreams/layers"], "verbs": ["get"] }])
}

/// A namespace of one test's own that enforces `restricted`, where the platform is as OpenShift has it.
pub struct World {
    /// The namespace.
    pub namespace: TestNamespace,
    /// kubectl in it.
    pub kubectl: Kubectl,
    node: NodeAccess,
    directory: TempDir,
}

impl World {
    /// The namespace alone, with the registries' CA certificate.
    ///
    /// # Errors
    /// If the API server refuses any of it.
    pub async fn empty(prefix: &str) -> Result<Self> {
        let access = ClusterAccess::shared();
        let node = access.node()?.clone();
        let namespace = TestNamespace::within(access, prefix).await?;
        let restricted =
            json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "restricted" } } });
        Api::<Namespace>::all(namespace.client())
            .patch(
                namespace.name(),
                &PatchParams::default(),
                &Patch::Merge(restricted),
            )
            .await
            .context("cannot enforce restricted pods")?;
        let authority = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "ensure-pull-secret-trusted-ca" },
            "data": { "ca-bundle.crt": access.registries()?.ca },
        });
        namespace.apply(&authority.to_string()).await?;
        Ok(Self {
            kubectl: Kubectl::new(&node, namespace.name()),
            namespace,
            node,
            directory: tempfile::tempdir().context("cannot make a directory for a kustomization")?,
        })
    }

    /// As `empty`, with CronJob, Task and StepAction installed, and the permission to pull that the puller has on OpenShift.
    ///
    /// # Errors
    /// If the install fails.
    pub async fn new(prefix: &str) -> Result<Self> {
        let world = Self::empty(prefix).await?;
        world.install(&install(ALL, &[])).await?;
        world.grant_pull().await?;
        Ok(world)
    }

    /// Applies the user's kustomization: `own`, with namespace, image and the registries' addresses.
    ///
    /// # Errors
    /// If kustomize or the API server refuses it.
    pub async fn install(&self, own: &Value) -> Result<()> {
        let directory = self.kustomization(own).await?;
        self.kubectl.apply_kustomization(&directory).await.map(drop)
    }

    /// Writes the user's kustomization beside a copy of `tekton/`, and gives its directory.
    ///
    /// # Errors
    /// If a file can't be written, or the image can't be pushed.
    pub async fn kustomization(&self, own: &Value) -> Result<PathBuf> {
        let image = program_image().await?;
        let aliases = json!([{ "op": "add", "path": "/spec/jobTemplate/spec/template/spec/hostAliases", "value": self.host_aliases() }]);
        let mut kustomization = json!({
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": self.namespace.name(),
            "images": kustomize::images(&image.name, &image.digest),
            // The one thing that no user needs: a cluster has a DNS.
            "patches": [{ "target": { "kind": "CronJob" }, "patch": aliases.to_string() }],
        });
        for (field, value) in own.as_object().into_iter().flatten() {
            if let (Some(Value::Array(managed)), Value::Array(more)) = (kustomization.get_mut(field), value) {
                managed.extend(more.clone());
            } else {
                kustomization[field] = value.clone();
            }
        }
        let directory = self.directory.path().to_owned();
        copy(&manifests(), &directory.join("tekton"))?;
        let path = directory.join("kustomization.yaml");
        fs::write(&path, kustomization.to_string())
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(directory)
    }

    /// Lets the puller pull this namespace's images, as OpenShift does by default.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn grant_pull(&self) -> Result<()> {
        self.namespace.grant(PULLER, "image-puller", image_puller()).await
    }

    /// Takes that back.
    ///
    /// # Errors
    /// If it wasn't granted.
    pub async fn revoke_pull(&self) -> Result<()> {
        self.namespace.revoke(PULLER, "image-puller").await
    }

    /// Names Secrets and pullers to the admission policy, which other tests install for the whole cluster.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn name_to_policy(&self, secrets: &str, pullers: &str) -> Result<()> {
        let secrets = format!("ensure-pull-secret/secrets={secrets}");
        let pullers = format!("ensure-pull-secret/pullers={pullers}");
        let annotate = ["annotate", "namespace", self.namespace.name(), &secrets, &pullers];
        self.kubectl.run(annotate).await.map(drop)
    }

    /// A new image of this namespace.
    ///
    /// # Errors
    /// If it can't be pushed.
    pub fn model(&self, name: &str) -> Result<Model> {
        Model::push(self.namespace.name(), name)
    }

    /// A TaskRun of the installed Task, as the runner.
    pub fn task_run(&self) -> TaskRun<'_> {
        TaskRun::new(self)
    }

    /// The registries' addresses, as a pod has them.
    pub fn host_aliases(&self) -> Value {
        self.node
            .hosts
            .iter()
            .map(|(name, address)| json!({ "ip": address, "hostnames": [name] }))
            .collect()
    }

    /// An image with a shell, which the node can pull without a credential.
    pub fn shell_image(&self) -> &str {
        &self.node.images.busybox
    }

    /// The control group below which the pods' are.
    pub fn control_group(&self) -> &str {
        &self.node.control_group
    }

    /// The stored document.
    ///
    /// # Errors
    /// If there is none.
    pub async fn document(&self) -> Result<Vec<u8>> {
        self.namespace.docker_config_json(SECRET).await
    }

    /// True if the stored document pulls an image, by an independent client's word.
    ///
    /// # Errors
    /// If there is no document.
    pub async fn stored_pulls(&self, image: &str) -> Result<std::result::Result<(), String>> {
        Ok(pull(Some(&self.document().await?), image))
    }

    /// A Job as the installed CronJob would start it, with other values of variables; under Pod Security and image as
    /// they were installed.
    ///
    /// # Errors
    /// If there is no CronJob.
    pub async fn job_from_cron_job(&self, name: &str, environment: &[(&str, &str)]) -> Result<Value> {
        let from = "--from=cronjob/ensure-pull-secret";
        let job = self
            .kubectl
            .run(["create", "job", name, from, "--dry-run=client", "--output=json"])
            .await?;
        let mut job: Value = serde_json::from_str(&job).context("kubectl's Job is no JSON")?;
        let container = &mut job["spec"]["template"]["spec"]["containers"][0]["env"];
        let variables = container.as_array_mut().context("the CronJob sets variables")?;
        for (name, value) in environment {
            variables.retain(|variable| variable["name"] != *name);
            variables.push(json!({ "name": name, "value": value }));
        }
        Ok(job)
    }

    /// A program of this machine that finds kubectl, and the cluster, as the user has them.
    ///
    /// # Errors
    /// If kubectl's place is unknown.
    pub fn command_with_kubectl(program: &str) -> Result<Command> {
        let node = ClusterAccess::shared().node()?;
        let kubectl = node.kubectl.parent().context("kubectl is in a directory")?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(kubectl.to_owned()).chain(std::env::split_paths(&path));
        let mut command = Command::new(program);
        command
            .env("PATH", std::env::join_paths(paths)?)
            .env("KUBECONFIG", &node.kubeconfig)
            .kill_on_drop(true);
        Ok(command)
    }

    /// Writes a kubeconfig that authenticates with `token`, and gives its path.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn kubeconfig_of(&self, token: &str) -> Result<String> {
        let path = self.directory.path().join("kubeconfig");
        let kubeconfig = ClusterAccess::shared().kubeconfig_of(token);
        fs::write(&path, kubeconfig.to_string())
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path.display().to_string())
    }

    /// The repository that this namespace's images are in.
    pub fn model_repository(&self) -> String {
        format!("{OPENSHIFT}/{}", self.namespace.name())
    }

    /// The user name of one of the namespace's accounts.
    pub fn user(&self, account: &str) -> String {
        format!("system:serviceaccount:{}:{account}", self.namespace.name())
    }
}

/// Components of [`World::new`].
pub const ALL: &[&str] = &[
    "components/cronjob",
    "task/ensure-pull-secret",
    "stepaction/ensure-pull-secret",
    "components/requested-token",
];

/// A user's kustomization with components of `tekton/`, and names. Not OpenShift's, whose ClusterRole is the whole cluster's.
pub fn install(components: &[&str], names: &[&str]) -> Value {
    let components = components.iter().chain(&["components/names"]);
    let components: Vec<_> = components.map(|one| format!("tekton/{one}")).collect();
    let literals = [&["connection=true"], names].concat();
    json!({
        "resources": ["tekton/base"],
        "configMapGenerator": [{ "name": "ensure-pull-secret", "behavior": "merge", "literals": literals }],
        "components": components,
    })
}

/// `tekton/` of this clone.
pub fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tekton")
}

/// Copies a directory with all in it.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("cannot write {}", target.display()))?;
        }
    }
    Ok(())
}

/// An address that pods can reach and that has no listener, another one each time (`node/namespaces.sh` routes the prefix).
///
/// # Errors
/// If all have been given away.
pub fn free_address() -> Result<Ipv4Addr> {
    static NEXT: AtomicU8 = AtomicU8::new(100);
    let last = NEXT.fetch_add(1, Ordering::Relaxed);
    anyhow::ensure!(last >= 100, "no address is left");
    Ok(Ipv4Addr::new(10, 99, 0, last))
}
