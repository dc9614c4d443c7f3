//! A refresh keeps what belongs to others; where nothing is due, nothing is written.

use anyhow::{Context as _, Result};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use serde_json::json;
use test_cluster::registry::OPENSHIFT;

use crate::{
    first_run::claims,
    world::{SECRET, World, assert_pulls},
};

#[tokio::test]
async fn steady_state_makes_one_api_call_no_review_and_no_write() -> Result<()> {
    let world = World::new("steady").await?;
    let image = world.push("app:v1")?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image);
    program.expect("SUCCESS", "created", "ok", 0).await?;
    let before = world.secret().await?;

    let mark = world.mark().await?;
    program
        .expect("SUCCESS", "unchanged", "ok", 0)
        .await?
        .expect_verified("pull");
    let requests = world.requests(mark).await?;
    let calls: Vec<_> = requests
        .iter()
        .map(|request| (request.verb.as_str(), request.resource.as_str()))
        .collect();
    assert_eq!(calls, [("get", "secrets")]);
    assert_eq!(world.secret().await?, before);
    Ok(())
}

#[tokio::test]
async fn first_run_makes_five_calls_and_a_refresh_four() -> Result<()> {
    let world = World::new("calls").await?;
    let image = world.push("app:v1")?;
    let mark = world.mark().await?;
    world
        .program()
        .env("PULL_SECRET_IMAGE", &image)
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    assert_eq!(
        calls(&world.requests(mark).await?),
        [
            "get secrets",
            "patch secrets",
            "create serviceaccounts/token",
            "patch secrets",
            "get secrets"
        ]
    );

    let mark = world.mark().await?;
    // Nearly all of the lifetime must be left, so that a refresh is due at once.
    let due = world
        .program()
        .env("PULL_SECRET_IMAGE", &image)
        .env("PULL_SECRET_NEXT_RUN_WITHIN", "24h");
    due.expect("FAILURE", "refreshed", "expires-before-next-run", 78)
        .await?;
    assert_eq!(
        calls(&world.requests(mark).await?),
        [
            "get secrets",
            "create serviceaccounts/token",
            "patch secrets",
            "get secrets"
        ]
    );
    world.assert_pulls(&image).await
}

#[tokio::test]
async fn refresh_keeps_every_unmanaged_byte() -> Result<()> {
    let world = World::new("foreign").await?;
    let image = world.push("app:v1")?;
    let head = r#"{ "credHelpers":{"x.test":"h\u00e9lper"} ,"n":[2.50,1E+2,-0,12345678901234567890123],"#;
    let entries = r#""auths" :{ "other.test":{"auth":"dXNlcjpwYXNz" , "email":"\/","x":"\ud800"},"#;
    let tail = r#" "last.test":{"username":"u","password":"p","auth":"dTpw"} } , "HttpHeaders":{"a":"b"}}"#;
    let stale = format!("{head}{entries}\"{OPENSHIFT}\":{{\"auth\":\"b2xkOm9sZA==\"}},{tail}");
    let mut secret: Secret = serde_json::from_value(json!({
        "metadata": {
            "name": SECRET,
            "labels": {"team": "blue"},
            "annotations": {"note": "kept", "openshift.io/display-name": "Renamed by hand"},
            "finalizers": ["example.test/hold"],
        },
        "type": "kubernetes.io/dockerconfigjson",
    }))?;
    secret.data = Some(
        [
            (".dockerconfigjson", stale.as_bytes()),
            ("extra", b"\x00\xff".as_slice()),
        ]
        .map(|(key, value)| (key.to_owned(), ByteString(value.to_vec())))
        .into(),
    );
    let before = world.namespace.create(&secret).await?;

    world
        .program()
        .env("PULL_SECRET_IMAGE", &image)
        .expect("SUCCESS", "refreshed", "ok", 0)
        .await?;
    let document = String::from_utf8(world.document().await?)?;
    let start = format!("{head}{entries}\"{OPENSHIFT}\":{{\"username\":\"<token>\",");
    assert!(
        document.starts_with(&start),
        "everything before our entry is as it was"
    );
    assert!(
        document.ends_with(&format!("}},{tail}")),
        "everything behind our entry is as it was"
    );
    let after = world.secret().await?;
    assert_eq!(after.metadata.uid, before.metadata.uid);
    assert_eq!(after.metadata.finalizers, before.metadata.finalizers);
    assert_eq!(
        after
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get("team"))
            .map(String::as_str),
        Some("blue")
    );
    let annotations = after.metadata.annotations.context("annotations")?;
    assert_eq!(annotations["note"], "kept");
    assert_eq!(annotations["openshift.io/display-name"], "Renamed by hand");
    assert_eq!(after.data.context("data")?["extra"].0, b"\x00\xff");
    world.assert_pulls(&image).await?;
    release(&world).await
}

#[tokio::test]
async fn metadata_is_repaired_without_a_token_request() -> Result<()> {
    let world = World::new("metadata").await?;
    let image = world.push("app:v1")?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image);
    program.expect("SUCCESS", "created", "ok", 0).await?;
    let document = world.document().await?;

    let mark = world.mark().await?;
    let renamed = program.clone().env("PULL_SECRET_DISPLAY_NAME", "Models");
    renamed.expect("SUCCESS", "refreshed", "ok", 0).await?;
    assert_eq!(
        calls(&world.requests(mark).await?),
        ["get secrets", "patch secrets", "get secrets"]
    );
    assert_eq!(world.document().await?, document);
    // If the variable is unset again, the stored name is kept.
    program.expect("SUCCESS", "unchanged", "ok", 0).await?;
    let annotations = world
        .secret()
        .await?
        .metadata
        .annotations
        .context("annotations")?;
    assert_eq!(annotations["openshift.io/display-name"], "Models");
    Ok(())
}

/// `verb resource` of each request but the reviews, in order.
pub fn calls(requests: &[test_cluster::audit::AuditedRequest]) -> Vec<String> {
    let mut calls = verbs(requests);
    calls.retain(|call| !call.contains("selfsubject"));
    calls
}

/// `verb resource` of each request, in order.
pub fn verbs(requests: &[test_cluster::audit::AuditedRequest]) -> Vec<String> {
    requests
        .iter()
        .map(|request| match request.subresource.as_str() {
            "" => format!("{} {}", request.verb, request.resource),
            subresource => format!("{} {}/{subresource}", request.verb, request.resource),
        })
        .collect()
}

/// Takes the finalizer off, so that nothing holds the namespace.
async fn release(world: &World) -> Result<()> {
    let mut secret = world.secret().await?;
    secret.metadata.finalizers = None;
    world.namespace.replace(&secret).await.map(drop)
}

/// A backup has the object as it was, but the API server gives it another uid: the stored token was bound to the old one.
#[tokio::test]
async fn secret_restored_from_a_backup_gets_a_token_for_its_new_uid() -> Result<()> {
    let world = World::new("restored").await?;
    let image = world.push("app:v1")?;
    let quay = r#""quay.io":{"auth":"dGVhbTpub3QtYS1zZWNyZXQ=", "more": 1.0}"#;
    let mut secret = world.store(format!(r#"{{"auths":{{{quay}}},"x":[]}}"#)).await?;
    secret
        .data
        .get_or_insert_default()
        .insert("other".to_owned(), ByteString(b"kept".to_vec()));
    let labels = secret.metadata.labels.get_or_insert_default();
    labels.insert("velero.io/backup-name".to_owned(), "nightly".to_owned());
    world.namespace.replace(&secret).await?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image);
    program.expect("SUCCESS", "refreshed", "ok", 0).await?;
    let backup = world.secret().await?;
    let token = world.stored_token().await?;

    world.namespace.delete_secret(SECRET).await?;
    // As backup programs do, with and without the record of managers.
    for managers in [None, backup.metadata.managed_fields.clone()] {
        let mut restored = backup.clone();
        restored.metadata.managed_fields = managers;
        restored.metadata.uid = None;
        restored.metadata.resource_version = None;
        restored.metadata.creation_timestamp = None;
        let restored = world.namespace.create(&restored).await?;
        let uid = restored.metadata.uid.clone();
        assert_ne!(uid, backup.metadata.uid);

        let verify = program.clone().env("PULL_SECRET_MODE", "verify");
        verify
            .expect("FAILURE", "none", "credential-rejected", 67)
            .await?;
        assert_eq!(world.secret().await?, restored, "verify writes nothing");

        program.expect("SUCCESS", "refreshed", "ok", 0).await?;
        let new = world.stored_token().await?;
        assert_ne!(new, token);
        let claims = claims(&new)?;
        assert_eq!(claims["kubernetes.io"]["secret"]["uid"], json!(uid));
        let after = world.secret().await?;
        assert_eq!(after.metadata.uid, uid);
        let data = after.data.context("it has data")?;
        assert_eq!(data.get("other"), Some(&ByteString(b"kept".to_vec())));
        let labels = after.metadata.labels.context("it has labels")?;
        assert_eq!(
            labels.get("velero.io/backup-name").map(String::as_str),
            Some("nightly")
        );
        let document = String::from_utf8(world.document().await?)?;
        assert!(document.contains(quay) && document.contains(r#""x":[]"#));
        assert_pulls(document.as_bytes(), &image)?;
        program.expect("SUCCESS", "unchanged", "ok", 0).await?;
        verify.expect("SUCCESS", "none", "ok", 0).await?;
        world.namespace.delete_secret(SECRET).await?;
    }
    Ok(())
}
