//! The control plane itself: what a test may rely on.

use anyhow::{Context as _, Result};
use k8s_openapi::api::{
    authentication::v1::SelfSubjectReview,
    core::v1::{ConfigMap, Secret},
};
use kube::{Api, api::PostParams};
use serde_json::json;
use test_cluster::{access::ClusterAccess, namespace::TestNamespace};

/// User of a token, as the API server authenticates it; none if it rejects the token.
async fn user_of(access: &ClusterAccess, token: &str) -> Result<Option<String>> {
    let reviews = Api::<SelfSubjectReview>::all(access.client_of(token).await?);
    match reviews
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await
    {
        Ok(review) => Ok(review
            .status
            .and_then(|status| status.user_info)
            .and_then(|user| user.username)),
        Err(kube::Error::Api(status)) if status.code == 401 => Ok(None),
        Err(error) => Err(error).context("cannot ask who a token is"),
    }
}

#[tokio::test]
async fn api_server_has_the_pinned_version() -> Result<()> {
    let go_mod = std::fs::read_to_string(
        test_cluster::servers::Module::Kubernetes
            .directory()?
            .join("go.mod"),
    )?;
    let pinned = test_cluster::servers::pins::KubernetesVersion::pinned(&go_mod)?;
    let version = ClusterAccess::shared()
        .client()
        .await?
        .apiserver_version()
        .await?;
    if std::env::var_os("KUBEBUILDER_ASSETS").is_none() {
        assert_eq!(version.git_version, pinned.to_string());
    }
    assert!(version.git_version.starts_with("v1."), "{}", version.git_version);
    Ok(())
}

#[tokio::test]
async fn an_identity_is_the_service_account_bound_to_its_pod() -> Result<()> {
    let namespace = TestNamespace::new("identity").await?;
    namespace.service_account("runner").await?;
    let identity = namespace.identity("runner").await?;
    for (file, part) in [
        ("token", identity.token()),
        ("ca.crt", "BEGIN CERTIFICATE"),
        ("service-ca.crt", "BEGIN CERTIFICATE"),
        ("namespace", namespace.name()),
    ] {
        let content = std::fs::read_to_string(identity.file(file))?;
        assert!(content.contains(part), "{file}: {content}");
    }
    assert_ne!(
        std::fs::read(identity.file("ca.crt"))?,
        std::fs::read(identity.file("service-ca.crt"))?,
        "the registries have an authority of their own"
    );
    let access = namespace.access();
    let expected = format!("system:serviceaccount:{}:runner", namespace.name());
    assert_eq!(user_of(access, identity.token()).await?, Some(expected));

    identity.delete_pod().await?;

    // The API server's cache of accepted tokens keeps it for up to 10 s.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while user_of(access, identity.token()).await?.is_some() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the token outlives its pod"
        );
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_grant_is_in_force_when_it_returns_and_no_more_when_revoked() -> Result<()> {
    let namespace = TestNamespace::new("grant").await?;
    namespace.service_account("reader").await?;
    let identity = namespace.identity("reader").await?;
    let client = namespace.access().client_of(identity.token()).await?;
    let secrets = Api::<Secret>::namespaced(client, namespace.name());
    let read = async || secrets.get_opt("any").await;
    assert!(matches!(read().await, Err(kube::Error::Api(status)) if status.code == 403));
    for _ in 0..5 {
        let rules = json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"] }]);
        namespace.grant("reader", "read-secrets", rules).await?;
        assert!(read().await?.is_none());
        namespace.revoke("reader", "read-secrets").await?;
        assert!(matches!(read().await, Err(kube::Error::Api(status)) if status.code == 403));
    }
    Ok(())
}

#[tokio::test]
async fn manifests_land_in_the_tests_namespace() -> Result<()> {
    let namespace = TestNamespace::new("manifest").await?;
    let manifests = "
# A comment of its own.
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  namespace: another
data:
  key: value
---
{\"apiVersion\": \"v1\", \"kind\": \"ServiceAccount\", \"metadata\": {\"name\": \"runner\"}}
";
    namespace.apply(manifests).await?;
    namespace.apply(manifests).await?;
    let settings = namespace.api::<ConfigMap>().get("settings").await?;
    assert_eq!(settings.data.unwrap_or_default()["key"], "value");
    namespace.identity("runner").await?;
    Ok(())
}

#[tokio::test]
async fn a_stored_document_keeps_every_byte() -> Result<()> {
    let namespace = TestNamespace::new("bytes").await?;
    let document = b" {\"auths\" : {\"a.example\":{\"x\":2.50,\"y\":\"\\u00e9\\/\"}}}\n";
    namespace.create_docker_config_json("pull", document).await?;
    assert_eq!(namespace.docker_config_json("pull").await?, document);
    assert!(namespace.secret("other").await?.is_none());
    namespace.delete_secret("pull").await?;
    assert!(namespace.secret("pull").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn the_audit_log_shows_the_requests_of_one_client_in_one_namespace() -> Result<()> {
    let namespace = TestNamespace::new("audit").await?;
    let other = TestNamespace::new("audit-other").await?;
    let audit = namespace.access().audit();
    let before = namespace.secret("before").await.map(|_| audit.mark())?.await?;
    assert!(namespace.secret("after").await?.is_none());
    other.secret("elsewhere").await?;
    namespace
        .create_docker_config_json("pull", b"[]")
        .await
        .expect_err("it is no object");

    let requests = audit
        .requests(ClusterAccess::USER_AGENT, namespace.name(), before)
        .await?;

    let seen: Vec<_> = requests
        .iter()
        .map(|request| {
            (
                request.verb.as_str(),
                request.resource.as_str(),
                request.name.as_str(),
                request.code,
                request.user.as_str(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("get", "secrets", "after", 404, "admin"),
            ("create", "secrets", "pull", 422, "admin")
        ]
    );
    assert!(
        audit
            .requests("no-such-agent/", namespace.name(), before)
            .await?
            .is_empty()
    );
    Ok(())
}
