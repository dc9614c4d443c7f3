//! Installs of a release on a node: their CronJob and Task are run, and the Task of the bundle.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use node_tests::{PushedImage, RUNNER, TaskRunStatus, World, eventually, push_layout};
use serde_json::{Value, json};
use test_cluster::{
    access::ClusterAccess,
    node::bundle_resolver,
    servers::{self, Binaries, NodeBinaries},
    supervisor::Supervisor,
};
use tokio::process::Command;

use super::{
    build::{Digests, IMAGE},
    git::Commit,
    manifests::{INSTALLS, Install, NAMESPACE, reference},
    tekton_bundle,
};
use crate::{interrupt, project, static_binary};

/// Registry and user name in the files for a robot account, to be replaced by a user.
const REGISTRY: &str = "registry.example.com";
const USER_NAME: &str = "value: robot\n";
/// Component of the overlays whose credential is a robot account's.
const ROBOT: &str = "robot-account";

/// Arguments of the command in the namespaces of a node.
#[derive(Args)]
pub struct Arguments {
    /// The build.
    out: PathBuf,
}

/// Starts a node, runs [`inside`] on it, and ends it.
///
/// # Errors
/// Where the node can't be started, or a run fails.
pub async fn each_install_runs(out: &Path) -> Result<()> {
    let test_cluster = static_binary::build_tool("test-cluster")?;
    // In a node's namespaces there is no network to build them.
    Binaries::ensure()?;
    NodeBinaries::ensure()?;
    servers::bundle_resolver()?;
    let supervisor = Supervisor::start()?;
    let status = Command::from(supervisor.command(&test_cluster)?)
        .args(["node", "--"])
        .arg(env::current_exe().context("cannot find this program")?)
        .arg("release-on-node")
        .arg(out)
        .current_dir(project::root())
        .stdin(Stdio::null())
        .status()
        .await
        .context("cannot run test-cluster")?;
    ensure!(status.success(), "the runs on a node ended with {status}");
    Ok(())
}

/// Applies each install file on the node that `TEST_CLUSTER` names, and runs what it brings; then the bundle's Task.
///
/// # Errors
/// Where a run fails.
pub fn inside(arguments: &Arguments) -> Result<ExitCode> {
    interrupt::run(async {
        let out = &arguments.out;
        let digests = Digests::read(out)?;
        let image = push_layout(&out.join(IMAGE), "tools/ensure-pull-secret")?;
        ensure!(
            image.digest == digests.image,
            "the node's registry has another image"
        );
        for install in INSTALLS.iter().filter(|install| install.namespaced) {
            let world = World::empty("install").await?;
            let text = fs::read_to_string(out.join(install.file))?;
            run_install(&world, install, &text, &digests, &image)
                .await
                .with_context(|| format!("{} does not run", install.file))?;
        }
        run_bundle(out, &image).await?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn run_install(
    world: &World,
    install: &Install,
    text: &str,
    digests: &Digests,
    image: &PushedImage,
) -> Result<()> {
    let namespace = format!("namespace: {}\n", world.namespace.name());
    // The node can't pull the release's name: nothing is published.
    let mut text = text
        .replace(&format!("namespace: {NAMESPACE}\n"), &namespace)
        .replace(&reference(&digests.image), &image.reference());
    if text.contains(ROBOT) {
        let registry = &ClusterAccess::shared().registries()?.basic;
        let robot = registry.account("robot").context("the registry has a robot")?;
        text = text
            .replace(REGISTRY, &registry.host.name)
            .replace(USER_NAME, &format!("value: {}\n", robot.name));
        let token = format!("--from-literal=token={}", robot.password);
        world
            .kubectl
            .run(["create", "secret", "generic", ROBOT, &token])
            .await?;
    }
    world.kubectl.run_with_input(["apply", "-f", "-"], &text).await?;
    world.grant_pull().await?;
    let message = run_cron_job(world).await?;
    println!("{}: the CronJob's Job ended with {message}", install.file);
    if text.contains("kind: Task\n") {
        let run = world.task_run().run().await?;
        run.assert_results("SUCCESS", "ok")?;
        println!(
            "{}: the TaskRun ended with {}",
            install.file,
            run.result("STATUS")
        );
    }
    Ok(())
}

/// Starts a Job of the CronJob, and gives the program's last line.
async fn run_cron_job(world: &World) -> Result<String> {
    // A cluster has a DNS.
    let aliases = json!([{
        "op": "add", "path": "/spec/jobTemplate/spec/template/spec/hostAliases", "value": world.host_aliases(),
    }]);
    let aliases = aliases.to_string();
    let kubectl = &world.kubectl;
    kubectl
        .run([
            "patch",
            "cronjob",
            "ensure-pull-secret",
            "--type=json",
            "--patch",
            &aliases,
        ])
        .await?;
    kubectl
        .run(["create", "job", "first-run", "--from=cronjob/ensure-pull-secret"])
        .await?;
    let end = eventually("the Job ends", || async {
        let job = kubectl.get("job/first-run").await?;
        let conditions = job["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let mut ended = conditions
            .into_iter()
            .filter(|condition| condition["status"] == "True");
        let end = ended.find(|condition| condition["type"] == "Complete" || condition["type"] == "Failed");
        Ok(end.ok_or_else(|| job["status"].to_string()))
    })
    .await?;
    let pods = kubectl.list("pods", "job-name=first-run").await?;
    let message = pods
        .iter()
        .find_map(|pod| pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"].as_str());
    let message = message.unwrap_or("no message").trim().to_owned();
    if end["type"] != "Complete" {
        bail!("the Job failed: {message}");
    }
    Ok(message)
}

/// A TaskRun that names the bundle's Task, with what an install file brings but for its Task.
async fn run_bundle(out: &Path, image: &PushedImage) -> Result<()> {
    let layout = tempfile::tempdir().context("cannot create a directory for the bundle")?;
    let commit = Commit::of(project::root())?;
    let layout = layout.path().join("bundle");
    tekton_bundle::write(project::root(), &layout, &image.reference(), &commit)?;
    let bundle = push_layout(&layout, "tools/bundle")?;
    let access = ClusterAccess::shared();
    let _resolver = bundle_resolver::start(access).await?;

    let world = World::empty("bundle").await?;
    let text = fs::read_to_string(out.join("install-openshift-cronjob.yaml"))?;
    let namespace = format!("namespace: {}\n", world.namespace.name());
    let text = text.replace(&format!("namespace: {NAMESPACE}\n"), &namespace);
    world.kubectl.run_with_input(["apply", "-f", "-"], &text).await?;
    world.grant_pull().await?;
    let parameter = |name: &str, value: &str| json!({ "name": name, "value": value });
    // The store has no TLS, which the resolver's client accepts on this machine alone.
    let reference = format!("{}/tools/bundle@{}", access.registries()?.store, bundle.digest);
    let run: Value = json!({
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": { "generateName": "ensure-pull-secret-" },
        "spec": {
            "serviceAccountName": RUNNER,
            "taskRef": { "resolver": "bundles", "params": [
                parameter("bundle", &reference),
                parameter("name", "ensure-pull-secret"),
                parameter("kind", "task"),
            ] },
            "params": [parameter("NAME", node_tests::SECRET)],
            "podTemplate": { "enableServiceLinks": false, "hostAliases": world.host_aliases() },
        },
    });
    let name = world.kubectl.create(&run.to_string()).await?;
    let run = TaskRunStatus::await_end(&world, &name).await?;
    run.assert_results("SUCCESS", "ok")?;
    println!("bundle: the TaskRun ended with {}", run.result("STATUS"));
    Ok(())
}
