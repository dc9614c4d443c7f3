//! Effect of `create` on an absent Secret for a holder of the runner's token, with and without the admission policy.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use node_tests::{ALL, PULLER, RUNNER, SECRET, World, eventually, install};
use serde_json::json;
use test_cluster::access::ClusterAccess;

/// An account that may do more than pull: the prize.
const VICTIM: &str = "administrator";

/// A runner's client, by the token of a running pod.
async fn thief(world: &World, account: &str) -> Result<Client> {
    let identity = world.namespace.identity(account).await?;
    ClusterAccess::shared().client_of(identity.token()).await
}

/// Makes the Secret, while it is absent, one that the controller-manager fills with a token of another account.
async fn steal(world: &World, client: Client) -> kube::Result<Secret> {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": { "name": SECRET, "annotations": { "kubernetes.io/service-account.name": VICTIM } },
    });
    Api::<Secret>::namespaced(client, world.namespace.name())
        .patch(SECRET, &PatchParams::apply("thief"), &Patch::Apply(secret))
        .await
}

#[tokio::test]
async fn runner_without_policy_gets_a_token_of_any_account() -> Result<()> {
    let world = World::empty("escalation").await?;
    // The policy is the cluster's: it bounds the runner by its name, so the one without a policy has another.
    world.install(&install(ALL, &["runner=unbounded-runner"])).await?;
    world.namespace.service_account(VICTIM).await?;
    let client = thief(&world, "unbounded-runner").await?;
    steal(&world, client.clone())
        .await
        .context("RBAC allows it: `create` and `patch` on this name")?;
    let secrets: Api<Secret> = Api::namespaced(client, world.namespace.name());
    let token = eventually("the controller-manager fills it in", || async {
        let secret = secrets.get(SECRET).await?;
        let token = secret.data.and_then(|mut data| data.remove("token"));
        Ok(token.ok_or_else(|| "there is no token".to_owned()))
    })
    .await?;
    let stolen = ClusterAccess::shared()
        .client_of(&String::from_utf8(token.0)?)
        .await?;
    let review = Api::<k8s_openapi::api::authentication::v1::SelfSubjectReview>::all(stolen)
        .create(&Default::default(), &Default::default())
        .await?;
    let user = review
        .status
        .and_then(|status| status.user_info)
        .and_then(|user| user.username);
    ensure!(user == Some(world.user(VICTIM)), "{user:?}");
    Ok(())
}

#[tokio::test]
async fn policy_denies_the_runner_another_token_and_allows_the_run() -> Result<()> {
    let world = World::new("bounded").await?;
    world
        .install(&install(&[ALL, &["components/admission-policy"]].concat(), &[]))
        .await?;
    world.namespace.service_account(VICTIM).await?;
    let client = thief(&world, RUNNER).await?;
    let denied = eventually("the policy is at work", || async {
        Ok(match steal(&world, client.clone()).await {
            Err(kube::Error::Api(status)) if status.code == 403 => Ok(status.message.clone()),
            other => {
                // Token requests that succeeded before the policy had an effect.
                if other.is_ok() {
                    world.namespace.delete_secret(SECRET).await?;
                }
                Err(format!("{other:?}").chars().take(300).collect())
            }
        })
    })
    .await?;
    ensure!(denied.contains("kubernetes.io/dockerconfigjson"), "{denied}");

    let model = world.model("model")?;
    let first = world.task_run().param("IMAGE", model.reference()).run().await?;
    first.assert_results("SUCCESS", "ok")?;
    ensure!(first.result("ACTION") == "created", "{}", first.status);
    let blank = json!({ "stringData": { ".dockerconfigjson": "{\"auths\":{}}" } });
    world
        .kubectl
        .run(["patch", "secret", SECRET, "--patch", &blank.to_string()])
        .await?;
    let refreshed = world.task_run().param("IMAGE", model.reference()).run().await?;
    refreshed.assert_results("WARNING", "reverted")?;
    ensure!(refreshed.result("ACTION") == "refreshed", "{}", refreshed.status);

    // The policy denies it: the message in the status says so.
    let longer = world
        .task_run()
        .param("TOKEN_LIFETIME", "48h")
        .param("NEXT_RUN_WITHIN", "30h")
        .run()
        .await?;
    ensure!(longer.result("REASON") == "api-forbidden", "{}", longer.status);
    ensure!(
        longer.result("MESSAGE").contains(PULLER),
        "{}",
        longer.result("MESSAGE")
    );
    Ok(())
}
