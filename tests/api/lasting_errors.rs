//! Errors of the API server that do not pass by themselves are not retryable: another CA, a refused object, a namespace
//! that is being deleted.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};
use http::StatusCode;
use k8s_openapi::{
    api::core::v1::{ConfigMap, Namespace},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::json;
use test_cluster::{
    certificates::Authority,
    listener::{Reply, ScriptedServer},
    program::Program,
};

use crate::{
    interception::{before_api_server, json_answer, through},
    world::{SECRET, World, renewing, short_lived},
};

const MODES: [&str; 4] = ["ensure", "verify", "plan", "doctor"];

#[tokio::test]
async fn o4_an_untrusted_api_server_gets_no_request_and_ends_with_64() -> Result<()> {
    let world = World::new("untrusted-api").await?;
    let (mounted, other) = (Authority::new("kubernetes")?, Authority::new("kubernetes")?);
    fs::write(world.runner.file("ca.crt"), mounted.pem())?;
    let certificates = [
        ("another CA", other.issue(&["127.0.0.1"])?),
        ("expired", mounted.issue_expired("127.0.0.1")?),
        ("another name", mounted.issue(&["kubernetes.test"])?),
    ];
    for (name, certificate) in certificates {
        let server = ScriptedServer::start(Some(&certificate), |_| Reply::status(StatusCode::OK))?;
        for mode in MODES {
            let outcome = world
                .program()
                .env("PULL_SECRET_MODE", mode)
                .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
                .env("KUBERNETES_SERVICE_PORT", server.address().port().to_string())
                .timeout(Duration::from_secs(20))
                .run()
                .await?;
            let ended = (outcome.result("REASON"), outcome.output.exit);
            assert_eq!(ended, ("api-untrusted", 64), "{name} {mode}: {outcome}");
        }
        assert!(server.record().requests.is_empty(), "{name}");
    }
    Ok(())
}

/// The program, which ends within the time that a refusal takes that is not tried again.
async fn expect_rejected(program: &Program, action: &str, cause: &str) -> Result<()> {
    program
        .clone()
        .timeout(Duration::from_secs(20))
        .run()
        .await?
        .expect("ERROR", action, "api-rejected", 65)
        .expect_message(cause);
    Ok(())
}

#[tokio::test]
async fn o5_a_secret_that_grows_too_large_is_rejected_for_good() -> Result<()> {
    let world = World::new("too-large").await?;
    // Valid for the API server, which allows 1 MiB, and without room for another entry.
    let padding = "x".repeat((1 << 20) - 100);
    let document = json!({"auths": {}, "padding": padding}).to_string();
    world
        .namespace
        .create_docker_config_json(SECRET, document.as_bytes())
        .await?;
    let before = world.secret().await?;
    expect_rejected(&world.program(), "none", "the field data is too long (422)").await?;
    assert_eq!(world.secret().await?, before);
    Ok(())
}

#[tokio::test]
async fn o5_an_answer_that_repeats_is_rejected_for_good() -> Result<()> {
    let world = World::new("refused").await?;
    for (status, cause) in [
        (400, "400 Bad Request"),
        (413, "too large (413)"),
        (415, "415 Unsupported Media Type"),
    ] {
        let proxy = before_api_server(&world, move |_| {
            let status = StatusCode::from_u16(status).unwrap_or_default();
            json_answer(status, &json!({"kind": "Status", "message": "no"}))
        })?;
        expect_rejected(&through(&world, &proxy), "none", cause).await?;
    }
    Ok(())
}

#[tokio::test]
async fn o6_a_namespace_being_deleted_is_reported_as_such() -> Result<()> {
    let world = World::new("ending").await?;
    let program = world.program();
    short_lived(&program)
        .run()
        .await?
        .expect("SUCCESS", "created", "ok", 0);
    let namespaces: Api<Namespace> = Api::all(world.namespace.client());
    let held = ConfigMap {
        metadata: ObjectMeta {
            name: Some("held".to_owned()),
            finalizers: Some(vec!["example.test/hold".to_owned()]),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    };
    let config_maps: Api<ConfigMap> = world.namespace.api();
    config_maps.create(&PostParams::default(), &held).await?;
    namespaces
        .delete(world.namespace.name(), &DeleteParams::default())
        .await?;
    let phase = namespaces.get(world.namespace.name()).await?.status;
    let phase = phase.and_then(|status| status.phase).context("a phase")?;
    assert_eq!(phase, "Terminating");
    for mode in ["ensure", "plan", "doctor"] {
        // The Secret is there, or another one is to be created.
        for program in [
            renewing(&program),
            program.clone().env("PULL_SECRET_NAME", "another"),
        ] {
            let outcome = program.env("PULL_SECRET_MODE", mode).run().await?;
            let (reason, exit) = (outcome.result("REASON"), outcome.output.exit);
            if reason != "api-forbidden" {
                assert_eq!((reason, exit), ("namespace-missing", 64), "{mode}: {outcome}");
                outcome.expect_message("is being deleted");
            }
        }
    }
    Ok(())
}
