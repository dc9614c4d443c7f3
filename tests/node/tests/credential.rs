//! The stored credential: it outlives its run, ends with the Secret, and is valid only for the registry.

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use node_tests::{SECRET, World, eventually};
use serde_json::Value;
use test_cluster::program::Canary;

/// The token in the stored document.
async fn stored_token(world: &World) -> Result<String> {
    let document: Value = serde_json::from_slice(&world.document().await?)?;
    let entry = document["auths"]
        .as_object()
        .and_then(|entries| entries.values().next())
        .context("no entry is stored")?;
    let auth = STANDARD.decode(entry["auth"].as_str().context("no auth is stored")?)?;
    let auth = String::from_utf8(auth)?;
    Ok(auth.split_once(':').context("an auth has a colon")?.1.to_owned())
}

#[tokio::test]
async fn stored_token_outlives_its_run_and_ends_with_the_secret() -> Result<()> {
    let world = World::new("token-life").await?;
    let model = world.model("model")?;
    let run = world.task_run().param("IMAGE", model.reference()).run().await?;
    run.assert_results("SUCCESS", "ok")?;
    let document = world.document().await?;

    let pod = format!("pod/{}", run.pod());
    world.kubectl.run(["delete", &run.name, "--wait"]).await?;
    world
        .kubectl
        .run(["delete", &pod, "--wait", "--ignore-not-found"])
        .await?;
    eventually(
        "the mounted token of the deleted pod would be invalid by now",
        || async {
            let left = world.kubectl.list("pods", "").await?;
            Ok(if left.is_empty() {
                Ok(())
            } else {
                Err(format!("{} pods", left.len()))
            })
        },
    )
    .await?;
    ensure!(
        world.stored_pulls(&model.reference()).await? == Ok(()),
        "it died with the pod"
    );

    world.namespace.delete_secret(SECRET).await?;
    eventually("the API server refuses the token of a deleted Secret", || async {
        Ok(match node_tests::pull(Some(&document), &model.reference()) {
            Err(error) if error.contains("401") || error.contains("UNAUTHORIZED") => Ok(()),
            other => Err(format!("{other:?}")),
        })
    })
    .await
}

#[tokio::test]
async fn stored_token_has_no_access_to_the_cluster() -> Result<()> {
    let world = World::new("token-rights").await?;
    let model = world.model("model")?;
    let run = world.task_run().param("IMAGE", model.reference()).run().await?;
    run.assert_results("SUCCESS", "ok")?;
    let token = stored_token(&world).await?;
    let log = world.kubectl.run(["logs", &run.pod()]).await?;
    let trace = Canary::new(&token)
        .trace_in(&format!("{log}{}", run.status))
        .map(str::to_owned);
    ensure!(
        trace.is_none(),
        "{trace:?} is in the log or in the TaskRun's status"
    );
    let may = |verb: &'static str, resource: &'static str| {
        let (world, token) = (&world, token.clone());
        async move {
            // With the token in place of the admin's: kubectl prints yes or no, and ends with 1 after a no.
            let output = world
                .kubectl
                .command()
                .args(["--kubeconfig", &world.kubeconfig_of(&token)?])
                .args(["auth", "can-i", verb, resource])
                .output()
                .await?;
            let answer = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            ensure!(
                answer == "yes" || answer == "no",
                "{answer} {}",
                String::from_utf8_lossy(&output.stderr)
            );
            anyhow::Ok(answer == "yes")
        }
    };
    for (verb, resource) in [
        ("create", "serviceaccounts/token"),
        ("get", "secrets"),
        ("list", "secrets"),
        ("patch", "secrets"),
        ("create", "secrets"),
        ("create", "pods"),
        ("create", "pods/exec"),
        ("create", "taskruns.tekton.dev"),
        ("create", "rolebindings.rbac.authorization.k8s.io"),
    ] {
        ensure!(
            !may(verb, resource).await?,
            "the stored token may {verb} {resource}"
        );
    }
    ensure!(
        may("create", "selfsubjectreviews.authentication.k8s.io").await?,
        "the question itself is asked in a way that can be answered with yes"
    );
    Ok(())
}
