//! The commands of `docs/security.md`, "After a leak", as they are printed.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::{
    batch::v1::{CronJob, Job},
    core::v1::Pod,
};
use kube::{Api, api::ListParams};
use test_cluster::access::ClusterAccess;

use crate::{
    installation::{Installation, Names},
    kubectl::Kubectl,
    tokens::until_denied,
};

/// A line that needs the user's directory.
const APPLY: &str = "kubectl apply -k my-models\n";

/// The two blocks of commands.
fn blocks() -> Result<(String, String)> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/security.md");
    let page = std::fs::read_to_string(page).context("cannot read docs/security.md")?;
    let (_, section) = page.split_once("## After a leak").context("a section")?;
    let mut blocks = section.split("```bash\n").skip(1);
    let mut next = || -> Result<String> {
        let block = blocks.next().and_then(|rest| rest.split_once("```"));
        Ok(block.context("a block")?.0.to_owned())
    };
    Ok((next()?, next()?))
}

#[tokio::test]
async fn commands_after_a_leak_end_the_token_and_show_its_use() -> Result<()> {
    let installation = Installation::without_policy("leak").await?;
    let namespace = installation.namespace.name();
    let Names { secret, puller, .. } = &installation.names;
    let program = installation.program()?;
    program.expect("SUCCESS", "created", "ok", 0).await?;
    let leaked = installation.stored_token().await?;
    // Somebody uses it.
    let client = ClusterAccess::shared().client_of(&leaked).await?;
    let pods: Api<Pod> = Api::namespaced(client, namespace);
    ensure!(
        pods.list(&ListParams::default()).await.is_err(),
        "it may only pull"
    );

    let jobs: Api<CronJob> = installation.namespace.api();
    let jobs = jobs.list(&ListParams::default()).await?.items;
    let job = jobs.first().and_then(|job| job.metadata.name.clone());
    let job = format!("cronjob/{}", job.context("a CronJob")?);
    let as_installed = |text: &str| {
        text.replace("my-models", namespace)
            .replace("internal-registry", secret)
            .replace("model-puller", puller)
            .replace("cronjob/ensure-pull-secret", &job)
    };
    let (rotate, search) = blocks()?;
    let (before, after) = rotate.split_once(APPLY).context("the install is applied")?;
    let kubectl = Kubectl::new(namespace).await?;
    let id = kubectl
        .script(&format!("set -e\n{}echo \"ID=$ID\"", as_installed(before)))
        .await?;
    let (_, id) = id.rsplit_once("ID=").context("the id")?;
    until_denied(&leaked).await?;
    installation.apply_again().await?;
    kubectl.script(&as_installed(after)).await?;
    let jobs: Api<Job> = installation.namespace.api();
    ensure!(jobs.get_opt("after-the-leak").await?.is_some(), "a Job runs");
    // Its pod needs a kubelet.
    let outcome = program.run().await?;
    outcome.expect("SUCCESS", "refreshed", "ok", 0);
    ensure!(
        outcome.report["credential"]["credential_id"] != id.trim(),
        "{id} is the new one"
    );
    ensure!(installation.stored_token().await? != leaked, "a new token");

    let access = ClusterAccess::shared();
    access.audit().mark().await?;
    let log = access.audit_log.display().to_string();
    let search = format!("ID={}\n{}", id.trim(), search.replace("audit.log", &log));
    let found = kubectl.script(&search).await?;
    let uri = format!("\"requestURI\": \"/api/v1/namespaces/{namespace}/pods?");
    ensure!(
        found.contains(&uri) && found.contains("\"verb\": \"list\""),
        "{found}"
    );
    ensure!(!found.contains("\"verb\": \"patch\""), "{found}");
    Ok(())
}
