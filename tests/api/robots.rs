//! A robot's password is for its registry alone: the API server, whose webhooks could read it, never gets it.

use std::{fs, net::TcpListener};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::StatusCode;
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;
use test_cluster::{
    certificates::Authority,
    control_plane::{Cluster, Options},
    listener::{Reply, ScriptedServer},
    registry::push_image,
};

use crate::{
    registries::with_robot,
    world::{World, registries},
};

#[tokio::test]
async fn robot_password_never_reaches_the_api_server() -> Result<()> {
    // Sees every token that the API server doesn't know itself.
    let authority = Authority::new("webhooks")?;
    let webhook = ScriptedServer::start(Some(&authority.issue(&["127.0.0.1"])?), |_| {
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": {"authenticated": false},
        });
        Reply::json(StatusCode::OK, review.to_string())
    })?;
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "webhook",
        "contexts": [{"name": "webhook", "context": {"cluster": "webhook", "user": "api-server"}}],
        "users": [{"name": "api-server", "user": {}}],
        "clusters": [{"name": "webhook", "cluster": {
            "server": format!("https://{}/", webhook.address()),
            "certificate-authority-data": STANDARD.encode(authority.pem()),
        }}],
    });
    let shared = World::new("robots-webhook").await?;
    let file = shared.runner.file("webhook.kubeconfig");
    fs::write(&file, kubeconfig.to_string())?;
    let cluster = Cluster::start(Options::new().authentication_webhook(file)).await?;
    let world = World::within(cluster.access(), "robots").await?;
    fs::write(world.runner.file("service-ca.crt"), &registries().ca)?;

    let basic = &registries().basic;
    let repository = format!("{}/app:v1", world.namespace.name());
    push_image(registries().store, &repository)?;
    let program = with_robot(&world, basic, "robot")?
        .env("PULL_SECRET_CONNECT_TO", basic.connect_to())
        .env("PULL_SECRET_IMAGE", format!("{}/{repository}", basic.host.name))
        .env("PULL_SECRET_TIMEOUT", "4s");
    let mark = cluster.access().audit().mark().await?;
    program
        .expect("SUCCESS", "created", "ok", 0)
        .await?
        .expect_verified("pull");
    let no_api_server = format!(
        "{}={}",
        basic.host.name,
        TcpListener::bind("127.0.0.1:0")?.local_addr()?
    );
    let down = program.clone().env("PULL_SECRET_CONNECT_TO", no_api_server);
    down.expect("ERROR", "unchanged", "registry-unavailable", 75)
        .await?;
    let by_api = program.clone().env("PULL_SECRET_VERIFY", "api");
    by_api
        .expect("WARNING", "unchanged", "not-verified", 0)
        .await?
        .expect_verified("none");
    let verify = program.clone().env("PULL_SECRET_MODE", "verify");
    verify.expect("SUCCESS", "none", "ok", 0).await?;
    fs::remove_file(world.runner.file("service-ca.crt"))?;
    program
        .expect("ERROR", "unchanged", "registry-untrusted", 76)
        .await?;
    fs::write(world.runner.file("service-ca.crt"), &registries().ca)?;
    let wrong = "a-wrong-password";
    fs::write(world.runner.file("robot"), wrong)?;
    program
        .canary(wrong)
        .expect("FAILURE", "none", "credential-rejected", 67)
        .await?;

    let requests = cluster
        .access()
        .audit()
        .requests("ensure-pull-secret/", world.namespace.name(), mark)
        .await?;
    let reviews: Vec<_> = requests
        .iter()
        .filter(|request| request.resource.contains("review"))
        .collect();
    assert!(reviews.is_empty(), "{reviews:?}");
    let password = &basic.account("robot").context("an account")?.password;
    for secret in [password.as_str(), wrong] {
        assert!(!webhook.record().contains(secret));
        assert!(!webhook.record().contains(&STANDARD.encode(secret)));
    }

    // The webhook would have recorded it.
    let unknown = "not-a-token-of-this-cluster";
    let client = cluster.access().client_of(unknown).await?;
    let read = kube::Api::<Secret>::namespaced(client, world.namespace.name())
        .get_opt("any")
        .await;
    assert!(read.is_err());
    assert!(
        webhook.record().contains(unknown),
        "the webhook sees what the API server does not know"
    );
    Ok(())
}
