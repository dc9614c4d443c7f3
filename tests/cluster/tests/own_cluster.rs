//! Control planes of a test's own: options, restarts, faults.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use test_cluster::{
    control_plane::{Cluster, Options, SigningKey},
    namespace::TestNamespace,
};

/// The claims in a token's second part.
fn claims(token: &str) -> Result<Value> {
    let payload = token.split('.').nth(1).context("a token has three parts")?;
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?)
}

#[tokio::test]
async fn tokens_are_granted_for_no_longer_than_the_maximum() -> Result<()> {
    let hour = Duration::from_secs(3600);
    let cluster = Cluster::start(Options::new().max_token_lifetime(hour)).await?;
    let namespace = TestNamespace::within(cluster.access(), "short").await?;
    namespace.service_account("runner").await?;
    let claims = claims(&namespace.token("runner", None, 24 * 3600).await?)?;
    let seconds = |name: &str| claims[name].as_u64().unwrap_or_default();
    assert_eq!(seconds("exp") - seconds("iat"), hour.as_secs());
    Ok(())
}

#[tokio::test]
async fn another_signing_key_ends_the_tokens_and_keeps_the_objects() -> Result<()> {
    let mut cluster = Cluster::start(Options::new()).await?;
    let access = cluster.access().clone();
    let namespace = TestNamespace::within(&access, "rotated").await?;
    namespace.service_account("runner").await?;
    let before = namespace.token("runner", None, 3600).await?;
    let now = claims(&before)?["iat"].as_u64().context("a token has iat")?;
    assert!(access.client_of(&before).await?.apiserver_version().await.is_ok());

    cluster
        .restart_with(Options::new().signing_key(SigningKey::generate()?))
        .await?;

    assert_eq!(cluster.access().api_server, access.api_server);
    let accepted = async |token: &str| -> Result<bool> {
        let client = access.client_of(token).await?;
        Ok(
            kube::Api::<k8s_openapi::api::authentication::v1::SelfSubjectReview>::all(client)
                .create(&Default::default(), &Default::default())
                .await
                .is_ok(),
        )
    };
    assert!(!accepted(&before).await?, "the old key is gone");
    let after = namespace.token("runner", None, 3600).await?;
    assert!(accepted(&after).await?);

    // The suite's own signature counts as the API server's; the time in the claims is still checked.
    let mut forged = claims(&after)?;
    assert!(accepted(&cluster.signing_key().sign(&forged)?).await?);
    forged["exp"] = Value::from(now - 60);
    assert!(!accepted(&cluster.signing_key().sign(&forged)?).await?);
    Ok(())
}

#[tokio::test]
async fn unknown_tokens_go_to_the_authentication_webhook() -> Result<()> {
    let webhook = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let directory = tempfile::tempdir()?;
    let kubeconfig = directory.path().join("webhook.json");
    let server = format!("https://{}", webhook.local_addr()?);
    fs::write(
        &kubeconfig,
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "webhook",
            "contexts": [{ "name": "webhook", "context": { "cluster": "webhook", "user": "api-server" } }],
            "clusters": [{ "name": "webhook", "cluster": { "server": server } }],
            "users": [{ "name": "api-server", "user": {} }],
        })
        .to_string(),
    )?;
    let options = Options::new()
        .authentication_webhook(kubeconfig)
        .admission_plugins("AlwaysPullImages")
        .feature_gate("AllAlpha", false);
    let cluster = Cluster::start(options).await?;

    let namespace = TestNamespace::within(cluster.access(), "options").await?;
    namespace.service_account("runner").await?;
    let identity = namespace.identity("runner").await?;
    let pod = namespace.api::<Pod>().get(identity.pod()).await?;
    let policy = pod
        .spec
        .and_then(|spec| spec.containers.into_iter().next()?.image_pull_policy);
    assert_eq!(policy.as_deref(), Some("Always"));

    let stranger = cluster.access().client_of("a-robots-password").await?;
    let (asked, answer) = tokio::join!(
        async {
            let (connection, _) = tokio::time::timeout(Duration::from_secs(30), webhook.accept()).await??;
            drop((connection, webhook));
            anyhow::Ok(())
        },
        stranger.apiserver_version(),
    );
    asked.context("the webhook was not asked")?;
    assert!(answer.is_err(), "the token is unknown");
    Ok(())
}

#[tokio::test]
async fn a_frozen_api_server_answers_nothing_until_it_thaws() -> Result<()> {
    let cluster = Cluster::start(Options::new()).await?;
    let client = cluster.access().client().await?;
    client.apiserver_version().await?;

    cluster.freeze()?;
    let frozen = tokio::time::timeout(Duration::from_millis(500), client.apiserver_version()).await;
    assert!(frozen.is_err(), "it answered");

    cluster.thaw()?;
    client.apiserver_version().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_api_server_is_idle_when_frozen() -> Result<()> {
    let cluster = Cluster::start(Options::new()).await?;
    let client = cluster.access().client().await?;
    let [api_server, ..] = cluster.access().pids[..] else {
        panic!("the API server's process id comes first");
    };
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let client = client.clone();
        callers.spawn(async move { while client.apiserver_version().await.is_ok() {} });
    }
    for _ in 0..20 {
        // So that it is at work, whatever the scheduler does with the callers.
        client.apiserver_version().await?;
        cluster.freeze()?;
        let moving = threads_that_move(api_server)?;
        assert!(moving.is_empty(), "threads that are not stopped: {moving:?}");
        cluster.thaw()?;
    }
    callers.shutdown().await;
    Ok(())
}

/// State of the threads of a process that aren't stopped: the third field of their `stat` (proc(5)).
fn threads_that_move(pid: u32) -> Result<Vec<String>> {
    let mut moving = Vec::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let stat = fs::read_to_string(thread?.path().join("stat"))?;
        let (_, after_the_name) = stat.rsplit_once(") ").context("a name in parentheses")?;
        if !after_the_name.starts_with('T') {
            moving.push(after_the_name.chars().take(1).collect());
        }
    }
    Ok(moving)
}

#[tokio::test]
async fn server_with_invalid_flags_fails_at_once() {
    let started = std::time::Instant::now();
    let error = Cluster::start(Options::new().flag("no-such-flag", "x"))
        .await
        .map(drop)
        .expect_err("the flag is unknown");
    assert!(
        format!("{error:#}").contains("unknown flag: --no-such-flag"),
        "{error:#}"
    );
    assert!(started.elapsed() < Duration::from_secs(60), "it was waited for");
}

#[tokio::test]
async fn the_state_file_is_all_that_another_process_needs() -> Result<()> {
    let cluster = Cluster::start(Options::new()).await?;
    let (variable, path) = cluster.environment()?;
    assert_eq!(variable, "TEST_CLUSTER");
    let read = test_cluster::access::ClusterAccess::read(&path)?;
    read.client().await?.apiserver_version().await?;
    drop(cluster);
    assert!(!Path::new(&path).exists());
    let error = test_cluster::access::ClusterAccess::read(&path).expect_err("the cluster has ended");
    assert!(error.to_string().contains("has the cluster ended?"), "{error}");
    Ok(())
}
