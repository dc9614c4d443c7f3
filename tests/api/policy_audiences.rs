//! The admission policy on API servers with other audiences, as distributions start them.

use std::{process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use test_cluster::{
    control_plane::{Cluster, Options},
    kustomize,
    namespace::TestNamespace,
};

use crate::{
    admission_policy::{Asking, changed, denied, everything},
    installation::Installation,
};

/// The flags of k3s and RKE2 (k3s, `pkg/daemons/control/server.go`: issuer and `version.Program`).
const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// The audiences as the command of docs/how-to/admission-policy.md prints them, with `token` in the place of the one that kubectl creates.
fn decoded_as_shown(token: &str) -> Result<Vec<String>> {
    let page = std::fs::read_to_string(kustomize::tekton().join("../docs/how-to/admission-policy.md"))?;
    let command = page
        .lines()
        .find(|line| line.starts_with("kubectl create token "))
        .context("the page shows the command")?;
    let output = Command::new("bash")
        .args([
            "-c",
            &format!("kubectl() {{ printf '%s\\n' \"$TOKEN\"; }}; {command}"),
        ])
        .env("TOKEN", token)
        .output()
        .context("cannot run bash")?;
    let claims: Value = serde_json::from_slice(&output.stdout).context("the command prints no JSON")?;
    serde_json::from_value(claims["aud"].clone()).context("the token has no list of audiences")
}

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

    let decoded = decoded_as_shown(installation.runner.token())?;
    let decoded: Vec<&str> = decoded.iter().map(String::as_str).collect();
    ensure!(decoded.join(",") == audiences, "the command prints {decoded:?}");

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
