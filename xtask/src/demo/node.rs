//! `cargo xtask demo --node --keep`: an empty cluster with a node and Tekton, as docs/getting-started.md expects one.

use std::{ffi::OsString, fs, path::Path, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, bail};
use test_cluster::{
    access::ClusterAccess,
    node::namespaces::{Namespaces, obstacle},
    registry::OPENSHIFT,
    servers::{Binaries, NodeBinaries},
};

use crate::{interrupt, project, static_binary};

/// Time between two checks of the cluster.
const POLL: Duration = Duration::from_millis(100);
/// File with the cluster's state; it exists once the cluster is ready.
const STATE: &str = "ready.json";

/// Starts the cluster, prints how to use it, and keeps it until a signal.
///
/// # Errors
/// Where no node can run here, or the cluster doesn't get ready.
pub fn demo() -> Result<ExitCode> {
    if let Some(obstacle) = obstacle() {
        bail!("{obstacle}");
    }
    let test_cluster = static_binary::build_tool("test-cluster")?;
    // A signal ends a build as it ends any program.
    Binaries::ensure()?;
    NodeBinaries::ensure()?;
    interrupt::run(keep(test_cluster.into_os_string()))
}

async fn keep(test_cluster: OsString) -> Result<ExitCode> {
    // Renamed when it is complete.
    let report = format!(
        "cp \"$TEST_CLUSTER\" \"$TMPDIR/new\" && mv \"$TMPDIR/new\" \"$TMPDIR/{STATE}\" && exec sleep infinity"
    );
    let command = [test_cluster, "inside".into(), "--platform".into(), "--".into()]
        .into_iter()
        .chain(["sh", "-c", &report].map(OsString::from))
        .collect::<Vec<_>>();
    let mut namespaces = Namespaces::start(&command)?;
    let state = namespaces.directory().join(STATE);
    wait(&mut namespaces, || state.exists()).await?;
    let access = ClusterAccess::read(&state)?;
    let first = namespaces
        .first_process()
        .context("the namespaces have a first process")?;
    println!("{}", way_in(&access, first, namespaces.directory())?);
    wait(&mut namespaces, || false).await?;
    Ok(ExitCode::SUCCESS)
}

async fn wait(namespaces: &mut Namespaces, is_done: impl Fn() -> bool) -> Result<()> {
    while !is_done() {
        if let Some(code) = namespaces.ended()? {
            bail!("the cluster ended with {code}");
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// Commands to enter the cluster and to use it.
fn way_in(access: &ClusterAccess, first: u32, directory: &Path) -> Result<String> {
    let node = access.node()?;
    let registries = access.registries()?;
    let certificates = directory.join("certificates");
    fs::create_dir_all(&certificates)
        .and_then(|()| fs::write(certificates.join("registry.crt"), &registries.ca))
        .with_context(|| format!("cannot write {}", certificates.display()))?;
    let kubectl = node.kubectl.parent().context("kubectl is in a directory")?;
    Ok(format!(
        "An empty cluster with Tekton keeps running, and ends with Ctrl-C here. In another terminal, as root:\n\n\
         nsenter --target {first} --net --mount --pid env TMPDIR=/tmp bash\n\
         export KUBECONFIG={}\n\
         export PATH={}:$PATH\n\
         cd {}\n\
         cargo xtask image --push {open}/tools/ensure-pull-secret:1 --cert-dir {certificates}\n\n\
         Then follow docs/getting-started.md from the start. This cluster has OpenShift's parts too: the registry\n\
         {OPENSHIFT}, the role system:image-puller, and trusted authorities. To have an\n\
         image to ask for, once the namespace my-models is there:\n\n\
         kubectl create clusterrolebinding pusher --clusterrole cluster-admin --serviceaccount default:default\n\
         skopeo copy --src-cert-dir {certificates} --dest-cert-dir {certificates} \\\n  \
         --dest-creds pusher:$(kubectl create token default) \\\n  \
         docker://{open}/tools/ensure-pull-secret:1 \\\n  \
         docker://{OPENSHIFT}/my-models/granite:1.0",
        node.kubeconfig.display(),
        kubectl.display(),
        project::root().display(),
        open = registries.open.host.name,
        certificates = certificates.display(),
    ))
}
