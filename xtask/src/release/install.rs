//! Installs of a release on an API server of this machine, as a user types them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use container_image::project::VERSION;
use serde_json::Value;
use test_cluster::{
    control_plane::{Cluster, Options},
    helm::{self, Helm},
    manifest::documents,
    node::tekton,
    servers,
};
use xshell::{Shell, cmd};

use super::{
    build::Digests,
    git,
    manifests::{INSTALLS, NAMESPACE, reference},
};
use crate::project;

/// Applies each file of the release, the chart from a registry, and the overlay from a Git repository by its tag, each in a
/// namespace of its own.
///
/// # Errors
/// Where the API server can't be started or refuses an object, or a container has another image.
pub async fn each_way(out: &Path, registry: &str, top: &Path) -> Result<()> {
    let cluster = Cluster::start(Options::new()).await?;
    tekton::define(&cluster.access().client().await?).await?;
    let kubeconfig = top.join("kubeconfig");
    fs::write(&kubeconfig, cluster.access().kubeconfig().to_string()).context("cannot write a kubeconfig")?;
    let user = User {
        shell: project::shell()?,
        kubectl: servers::kubectl()?,
    };
    user.shell.set_var("KUBECONFIG", &kubeconfig);
    let digest = Digests::read(out)?.image;
    let image = reference(&digest);
    for (number, install) in INSTALLS.iter().enumerate() {
        let namespace = format!("install-{number}");
        let text = fs::read_to_string(out.join(install.file))?;
        let text = text.replace(
            &format!("namespace: {NAMESPACE}\n"),
            &format!("namespace: {namespace}\n"),
        );
        let file = top.join(install.file);
        fs::write(&file, &text)?;
        user.create_namespace(&namespace)?;
        user.apply(&["-f".into(), file])?;
        user.has_all(&text)?;
        if install.namespaced {
            ensure!(
                user.cron_job_image(&namespace)? == image,
                "{}: another image",
                install.file
            );
        }
        println!("installed: kubectl apply -f {}", install.file);
    }
    install_chart(registry, &kubeconfig)?;
    ensure!(
        user.cron_job_image("chart")?.ends_with(&digest),
        "the chart has another image"
    );
    println!("installed: helm install --version {VERSION} oci://…/charts/ensure-pull-secret");
    let url = repository(top)?;
    user.create_namespace("remote")?;
    let directory = top.join("remote");
    fs::create_dir(&directory)?;
    let kustomization =
        format!("namespace: remote\nresources:\n- {url}//tekton/overlays/openshift?ref=v{VERSION}\n");
    fs::write(directory.join("kustomization.yaml"), kustomization)?;
    user.apply(&["-k".into(), directory])?;
    let tagged = image.split_once('@').map_or(&*image, |(tagged, _)| tagged);
    ensure!(
        user.cron_job_image("remote")? == tagged,
        "the overlay by URL has another image"
    );
    println!("installed: kubectl apply -k with resources …//tekton/overlays/openshift?ref=v{VERSION}");
    Ok(())
}

/// Installs the chart as on OpenShift with Tekton.
fn install_chart(registry: &str, kubeconfig: &Path) -> Result<()> {
    let helm = Helm::find()?.context(helm::ADVICE)?;
    let chart = format!("oci://{registry}/charts/ensure-pull-secret");
    let install = [
        "install",
        "ensure-pull-secret",
        &chart,
        "--plain-http",
        "--version",
        VERSION,
    ];
    let output = helm
        .command(install)
        .args(["--namespace", "chart", "--create-namespace"])
        .args([
            "--set",
            "openshift.enabled=true,tekton.enabled=true",
            "--kubeconfig",
        ])
        .arg(kubeconfig)
        .output()
        .context("cannot run Helm")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "cannot install the chart: {}",
        error.trim()
    );
    Ok(())
}

/// A repository with the commit under the release's tag, as kustomize's URL.
fn repository(top: &Path) -> Result<String> {
    let shell = git::shell(project::root())?;
    let (root, bare) = (project::root(), top.join("repository.git"));
    let hash = cmd!(shell, "git rev-parse HEAD").quiet().read()?;
    cmd!(shell, "git clone --quiet --bare {root} {bare}")
        .quiet()
        .run()
        .context("cannot clone")?;
    shell.change_dir(&bare);
    cmd!(shell, "git tag --force v{VERSION} {hash}")
        .quiet()
        .ignore_stdout()
        .run()?;
    Ok(format!("file://{}", bare.display()))
}

/// kubectl with the cluster's administrator.
struct User {
    shell: Shell,
    kubectl: PathBuf,
}

impl User {
    fn create_namespace(&self, name: &str) -> Result<()> {
        let kubectl = &self.kubectl;
        let created = cmd!(self.shell, "{kubectl} create namespace {name}")
            .quiet()
            .ignore_stdout()
            .run();
        created.with_context(|| format!("cannot create {name}"))
    }

    fn apply(&self, options: &[PathBuf]) -> Result<()> {
        let kubectl = &self.kubectl;
        let applied = cmd!(self.shell, "{kubectl} apply")
            .args(options)
            .quiet()
            .ignore_stdout()
            .run();
        applied.with_context(|| format!("the API server refuses {options:?}"))
    }

    /// Every object of a text is there.
    fn has_all(&self, text: &str) -> Result<()> {
        let kubectl = &self.kubectl;
        for object in documents(text)? {
            let member = |pointer: &str| {
                object
                    .pointer(pointer)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            let (kind, name) = (member("/kind"), member("/metadata/name"));
            let mut get = cmd!(self.shell, "{kubectl} get {kind} {name} --output name");
            if !member("/metadata/namespace").is_empty() {
                get = get.args(["--namespace", member("/metadata/namespace")]);
            }
            get.quiet()
                .ignore_stdout()
                .run()
                .with_context(|| format!("{kind} {name} is missing"))?;
        }
        Ok(())
    }

    fn cron_job_image(&self, namespace: &str) -> Result<String> {
        let kubectl = &self.kubectl;
        let path = "jsonpath={.spec.jobTemplate.spec.template.spec.containers[0].image}";
        cmd!(
            self.shell,
            "{kubectl} get cronjob ensure-pull-secret --namespace {namespace} --output {path}"
        )
        .quiet()
        .read()
        .with_context(|| format!("{namespace} has no CronJob"))
    }
}
