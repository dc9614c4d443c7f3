//! The admission policy on API servers with other audiences, as distributions start them.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use test_cluster::{
    control_plane::{Cluster, Options},
    namespace::TestNamespace,
};

use crate::{
    admission_policy::{Asking, changed, denied, everything},
    installation::Installation,
};

/// The flags of k3s and RKE2 (k3s, `pkg/daemons/control/server.go`: issuer and `version.Program`).
const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// With the policy's default every run is denied. `doctor` prints the audiences, which are then put into the names.
async fn works_with_the_audiences_that_doctor_prints(distribution: &str) -> Result<()> {
    let audiences = format!("{ISSUER},{distribution}");
    let options = Options::new()
        .flag("service-account-issuer", ISSUER)
        .flag("api-audiences", &audiences);
    let cluster = Cluster::start(options).await?;
    let namespace = TestNamespace::within(cluster.access(), "s11").await?;
    let installation = Installation::with_literals(namespace.clone(), &[]).await?;
    let program = installation.program()?.env("PULL_SECRET_VERIFY", "api");
    program
        .run()
        .await?
        .expect("ERROR", "created", "api-forbidden", 77)
        .expect_message("the admission policy ");
    let doctor = program.clone().env("PULL_SECRET_MODE", "doctor").run().await?;
    let printed = doctor
        .output
        .stderr
        .split("the API server's audiences are ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .context("doctor prints the audiences")?;
    ensure!(printed == audiences, "doctor prints {printed}");

    let literal = format!("audiences={printed}");
    let installation = Installation::with_literals(namespace, &[&literal]).await?;
    let mut outcome = program.run().await?;
    for _ in 0..20 {
        if outcome.result("STATUS") != "ERROR" {
            break;
        }
        // The API server follows policies by a watch.
        tokio::time::sleep(Duration::from_millis(250)).await;
        outcome = program.run().await?;
    }
    outcome.expect("SUCCESS", "refreshed", "ok", 0);

    let runner = &installation.names.runner;
    installation
        .namespace
        .grant(runner, "everything", everything())
        .await?;
    let asking = Asking::by(&installation, installation.runner.token()).await?;
    for foreign in [json!(["vault"]), json!([distribution, "vault"])] {
        let spec = changed(asking.spec(), &json!({ "audiences": foreign }));
        denied(
            asking.request_token(&installation.names.puller, spec).await,
            "for the API server",
        )?;
    }
    Ok(())
}

#[tokio::test]
async fn s11_the_policy_works_with_the_audiences_of_k3s() -> Result<()> {
    works_with_the_audiences_that_doctor_prints("k3s").await
}

#[tokio::test]
async fn s11_the_policy_works_with_the_audiences_of_rke2() -> Result<()> {
    works_with_the_audiences_that_doctor_prints("rke2").await
}
