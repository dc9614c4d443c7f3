//! A Kubernetes token is sent to trusted hosts only, in whatever part of a user name or password it is.

use std::fs;

use anyhow::Result;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::{StatusCode, header};
use serde_json::{Value, json};
use test_cluster::{
    listener::{Reply, ScriptedServer},
    program::{Outcome, Program},
    registry::OPENSHIFT,
};

use crate::{
    interception::Scripted,
    world::{PULLER, SECRET, World},
};

const REGISTRY: &str = "registry.evil.test:5000";
const LOGIN_TOKEN: &str = "sha256~Zm9yLXRlc3RzLW9ubHktMTIzNDU2Nzg5MC1hYmNkZWY";
const ROBOT: &str = "s3cr3t-robot-pass";

/// The program for a registry that is not trusted with Kubernetes tokens.
fn program(world: &World, server: &ScriptedServer) -> Program {
    world
        .program()
        .without("PULL_SECRET_SERVICE_ACCOUNT")
        .env("PULL_SECRET_REGISTRY", REGISTRY)
        .env("PULL_SECRET_IMAGE", format!("{REGISTRY}/team/app:1.0"))
        .env("PULL_SECRET_TOKEN_FILE", world.runner.file("robot"))
        .env(
            "PULL_SECRET_CONNECT_TO",
            format!("{REGISTRY}={}", server.address()),
        )
        .canary(LOGIN_TOKEN)
        .canary(ROBOT)
}

/// A registry with Basic authentication that accepts every login, but serves no image.
fn accepting(trusted: &Scripted) -> Result<ScriptedServer> {
    trusted.server(REGISTRY, |request| {
        if !request.headers.contains_key(header::AUTHORIZATION) {
            Reply::challenge("Basic realm=\"registry\"")
        } else if request.target.contains("/manifests/") {
            Reply::status(StatusCode::FORBIDDEN)
        } else {
            Reply::json(StatusCode::OK, "{}")
        }
    })
}

/// User names and passwords that were sent.
fn sent(server: &ScriptedServer) -> Vec<String> {
    let record = server.record();
    let authorization = record.requests.iter().filter_map(|request| {
        let value = request.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let decoded = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
        Some(String::from_utf8_lossy(&decoded).into_owned())
    });
    authorization.collect()
}

fn expect_refused(outcome: &Outcome, variable: &str) {
    outcome
        .expect("ERROR", "none", "invalid-configuration", 64)
        .expect_message(variable);
}

/// The token with padding behind its segments.
fn padded(token: &str) -> String {
    let segment = |segment: &str| format!("{segment}{}", "=".repeat((4 - segment.len() % 4) % 4));
    token.split('.').map(segment).collect::<Vec<_>>().join(".")
}

#[tokio::test]
async fn s2_a_file_that_holds_a_token_is_for_trusted_hosts_only() -> Result<()> {
    let world = World::new("anywhere-file").await?;
    let trusted = Scripted::trusted_by(&world)?;
    let server = accepting(&trusted)?;
    let program = program(&world, &server);
    let issued = world.namespace.token(PULLER, None, 3600).await?;
    let mark = world.mark().await?;
    for token in [issued.as_str(), LOGIN_TOKEN] {
        let program = program.clone().canary(token);
        for content in [
            format!("Bearer {token}"),
            format!("bearer {token}\r\n"),
            format!("{token}."),
            format!("robot:{token}"),
            format!("serviceaccount:demo:{PULLER}:{token}"),
            format!("'{token}'"),
            padded(token),
            format!("x{}", padded(token)),
            format!("{{{token}}}"),
            format!("https://robot:{token}@{REGISTRY}"),
        ] {
            fs::write(world.runner.file("robot"), &content)?;
            for mode in ["ensure", "plan", "doctor"] {
                let outcome = program.clone().env("PULL_SECRET_MODE", mode).run().await?;
                expect_refused(&outcome, "PULL_SECRET_TRUSTED_HOSTS");
            }
        }
        // Reported with its host, whatever the registry answers.
        for registry in [REGISTRY, OPENSHIFT] {
            for content in [STANDARD.encode(token), STANDARD.encode(format!("{token}\n"))] {
                fs::write(world.runner.file("robot"), &content)?;
                let outcome = program
                    .clone()
                    .env("PULL_SECRET_REGISTRY", registry)
                    .without("PULL_SECRET_IMAGE")
                    .run()
                    .await?;
                expect_refused(&outcome, "base64 of a Kubernetes token");
            }
        }
    }
    let written = world.requests(mark).await?;
    assert!(
        written
            .iter()
            .all(|request| request.verb == "get" || request.resource.contains("review")),
        "only doctor asks, and only to read: {written:?}"
    );
    assert!(world.namespace.secret(SECRET).await?.is_none());
    assert_eq!(sent(&server), Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn s2_a_user_name_that_holds_a_token_is_refused() -> Result<()> {
    let world = World::new("anywhere-username").await?;
    let trusted = Scripted::trusted_by(&world)?;
    let server = accepting(&trusted)?;
    fs::write(world.runner.file("robot"), ROBOT)?;
    let issued = world.namespace.token(PULLER, None, 3600).await?;
    for token in [issued.as_str(), LOGIN_TOKEN] {
        for username in [
            token.to_owned(),
            format!("Bearer {token}"),
            format!("{token}."),
            format!("robot_{}", token.replace('.', "%2E").replace('~', "%7E")),
            STANDARD.encode(format!("robot:{token}")),
        ] {
            let program = program(&world, &server).canary(token);
            let outcome = program.env("PULL_SECRET_USERNAME", &username).run().await?;
            expect_refused(&outcome, "PULL_SECRET_USERNAME");
        }
    }
    assert_eq!(server.record().connections, 0);
    Ok(())
}

/// Document whose entry for the registry has this user name and password.
fn document(username: &str, password: &str) -> Value {
    json!({"auths": {REGISTRY: {"auth": STANDARD.encode(format!("{username}:{password}"))}}})
}

/// Entries that hold the token: user name and password.
fn entries(token: &str) -> Vec<(String, String)> {
    let pair = |username: &str, password: String| (username.to_owned(), password);
    vec![
        pair("system", format!("serviceaccount:demo:{PULLER}:{token}")),
        pair("robot", format!("Bearer {token}")),
        pair("robot", format!("{token}.")),
        pair("robot", padded(token)),
        pair("robot", STANDARD.encode(token)),
        pair("robot", format!("\"{token}\"")),
        pair(token, "x-oauth-basic".to_owned()),
        pair(&format!("Bearer {token}"), ROBOT.to_owned()),
    ]
}

#[tokio::test]
async fn s2_a_stored_token_is_sent_to_trusted_hosts_only() -> Result<()> {
    let world = World::new("anywhere-stored").await?;
    let trusted = Scripted::trusted_by(&world)?;
    let server = accepting(&trusted)?;
    let program = program(&world, &server).env("PULL_SECRET_USERNAME", "team+robot");
    fs::write(world.runner.file("robot"), ROBOT)?;
    let issued = world.namespace.token(PULLER, None, 3600).await?;
    let legacy = {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let claims = r#"{"iss":"kubernetes/serviceaccount","kubernetes.io/serviceaccount/namespace":"demo"}"#;
        format!(
            "{}.{}.{}",
            part(r#"{"alg":"RS256"}"#),
            part(claims),
            part("signature-signature")
        )
    };
    let mut secret = world
        .namespace
        .create_docker_config_json(SECRET, b"{\"auths\":{}}")
        .await?;
    for token in [issued.as_str(), legacy.as_str(), LOGIN_TOKEN] {
        for (username, password) in entries(token) {
            let data = secret.data.get_or_insert_default();
            let document = document(&username, &password).to_string();
            data.insert(
                ".dockerconfigjson".to_owned(),
                k8s_openapi::ByteString(document.into()),
            );
            secret.metadata.resource_version = None;
            secret.metadata.managed_fields = None;
            world.namespace.replace(&secret).await?;
            let program = program.clone().canary(token);

            let verify = program.clone().env("PULL_SECRET_MODE", "verify").run().await?;
            expect_refused(&verify, "PULL_SECRET_TRUSTED_HOSTS");
            for mode in ["plan", "doctor"] {
                program.clone().env("PULL_SECRET_MODE", mode).run().await?;
            }
            // This registry denies the pull, so no usable credential is replaced.
            let ensure = program.run().await?;
            ensure.expect("FAILURE", "refreshed", "pull-forbidden", 77);
        }
    }
    let sent = sent(&server);
    assert!(!sent.is_empty());
    assert!(
        sent.iter().all(|pair| *pair == format!("team+robot:{ROBOT}")),
        "only the robot's password is sent"
    );
    Ok(())
}

#[tokio::test]
async fn s2_a_stored_token_is_not_usable_at_a_host_that_is_not_trusted() -> Result<()> {
    let world = World::new("anywhere-usable").await?;
    let trusted = Scripted::trusted_by(&world)?;
    let server = trusted.server(REGISTRY, |_| Reply::json(StatusCode::BAD_REQUEST, "{}"))?;
    let issued = world.namespace.token(PULLER, None, 3600).await?;
    fs::write(world.runner.file("robot"), ROBOT)?;
    let stored = document("system", &format!("serviceaccount:demo:{PULLER}:{issued}"));
    world.store(stored.to_string()).await?;
    let ensure = program(&world, &server).env("PULL_SECRET_USERNAME", "team+robot");
    let outcome = ensure.canary(&issued).run().await?;
    outcome.expect("ERROR", "refreshed", "registry-protocol", 76);
    assert_eq!(sent(&server), Vec::<String>::new());
    Ok(())
}
