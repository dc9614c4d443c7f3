//! Passwords in names: in keys of the document, and in names that a registry or an admission webhook chooses.

use std::fs;

use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::StatusCode;
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::api::PostParams;
use serde_json::json;
use test_cluster::{
    listener::{ReceivedRequest, Reply},
    program::{Outcome, Program},
};

use crate::{
    interception::{Scripted, before_api_server, is_write, json_answer, to},
    world::{SECRET, World},
};

const REGISTRY: &str = "registry.test:5000";
const MODES: [&str; 4] = ["verify", "plan", "doctor", "ensure"];
const USERNAME: &str = "team+robot";
const PASSWORD: &str = "s3cr3t-robot-pass";
const OLD_PASSWORD: &str = "an-older-robot-pass";

fn robot(world: &World) -> Result<Program> {
    fs::write(world.runner.file("robot"), PASSWORD)?;
    Ok(world
        .program()
        .without("PULL_SECRET_SERVICE_ACCOUNT")
        .env("PULL_SECRET_REGISTRY", REGISTRY)
        .env("PULL_SECRET_USERNAME", USERNAME)
        .env("PULL_SECRET_TOKEN_FILE", world.runner.file("robot"))
        .canary(PASSWORD)
        .canary(OLD_PASSWORD))
}

/// Everything that came out.
fn everything(outcome: &Outcome) -> String {
    let output = &outcome.output;
    format!("{}\n{}\n{:?}", output.stdout, output.stderr, output.results)
}

/// A registry that accepts every login.
fn any_login(request: &ReceivedRequest) -> Reply {
    if request.headers.contains_key("authorization") {
        Reply::json(StatusCode::OK, "{}")
    } else {
        Reply::challenge("Basic realm=\"registry\"")
    }
}

#[tokio::test]
async fn s3_a_password_in_a_key_is_never_printed() -> Result<()> {
    const IN_KEY: &str = "pass-in-a-key-0123";
    let world = World::new("password-in-key").await?;
    let trusted = Scripted::trusted_by(&world)?;
    let server = trusted.server(REGISTRY, any_login)?;
    let program = robot(&world)?
        .env("PULL_SECRET_IMAGE", format!("{REGISTRY}/team/app:1.0"))
        .env(
            "PULL_SECRET_CONNECT_TO",
            format!("{REGISTRY}={}", server.address()),
        )
        .env("PULL_SECRET_LOG", "debug")
        .canary(IN_KEY);
    let good = STANDARD.encode("other:password");
    let own = STANDARD.encode(format!("{USERNAME}:{PASSWORD}"));
    let keys = [
        format!("https://robot:{IN_KEY}@quay.io"),
        format!("robot:{IN_KEY}@{REGISTRY}/team"),
        format!("//robot:{IN_KEY}@quay.io"),
        format!("http://{IN_KEY}@{REGISTRY}"),
        format!("robot:a@b/{IN_KEY}@quay.io"),
        format!("robot:{}@quay.io", IN_KEY.replace('-', "%2D")),
        format!("robot:{IN_KEY}%40quay.io"),
        format!("quay.io:{IN_KEY}"),
    ];
    for (index, key) in keys.iter().enumerate() {
        let upper = key.replace("robot", "ROBOT");
        let documents = [
            // Broken, of a wrong type, unwrapped, twice, in another case, before the managed entry, no longer configured.
            json!({"auths": {key: {"auth": "!!!"}}}).to_string(),
            json!({"auths": {key: 5}}).to_string(),
            json!({key: {"auth": good}}).to_string(),
            format!(r#"{{"auths":{{"{key}":{{}},"{key}":{{}}}}}}"#),
            json!({"auths": {key: {}, upper: {}}}).to_string(),
            json!({"auths": {key: {"auth": good, "Auth": good}}}).to_string(),
            json!({"auths": {key: {"auth": good}, REGISTRY: {"auth": own}}}).to_string(),
            json!({"auths": {key: {"auth": own}, REGISTRY: {"auth": own}}}).to_string(),
            json!({"auths": {REGISTRY: {"auth": own}}, "credHelpers": {key: "x"}}).to_string(),
            json!({"auths": {REGISTRY: {"auth": own}}, "credHelpers": {key: 5}}).to_string(),
        ];
        // Each place for the first key, then one of them for each spelling.
        let places = if index == 0 {
            0..documents.len()
        } else {
            index..index + 1
        };
        for document in &documents[places] {
            world.store(&document).await?;
            for mode in MODES {
                // Every run checks its outputs for the canary.
                let outcome = program.clone().env("PULL_SECRET_MODE", mode).run().await?;
                assert!(
                    !everything(&outcome).contains("%2D"),
                    "{mode} {document}: {outcome}"
                );
            }
            world.namespace.delete_secret(SECRET).await?;
        }
    }
    Ok(())
}

/// Names by which a server that knows user name and password could give them away.
fn spellings(username: &str, password: &str) -> Vec<String> {
    let pair = format!("{username}:{password}");
    let hexadecimal = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let base64 = |text: &str| {
        STANDARD
            .encode(text)
            .trim_end_matches('=')
            .replace(['+', '/'], "-")
    };
    vec![
        base64(&pair),
        base64(&pair).to_lowercase(),
        base64(password),
        base64(&format!("x{password}")),
        base64(&format!("xy{password}")).to_lowercase(),
        hexadecimal(&pair),
        hexadecimal(password).to_uppercase(),
        hexadecimal(&base64(&pair)),
        password.replace('-', "."),
        password.to_uppercase(),
        password.to_owned(),
    ]
}

/// At most 60 characters a label, as DNS has it.
fn host(spelling: &str) -> String {
    let labels = spelling.as_bytes().chunks(60).map(String::from_utf8_lossy);
    format!("{}.evil.test", labels.collect::<Vec<_>>().join("."))
}

#[tokio::test]
async fn s4_a_realm_named_by_a_secret_is_not_printed() -> Result<()> {
    let world = World::new("realm-encoded").await?;
    let trusted = Scripted::trusted_by(&world)?;
    let auth = STANDARD.encode(format!("{USERNAME}:{OLD_PASSWORD}"));
    let stored = json!({"auths": {REGISTRY: {"auth": auth}}}).to_string();
    world.store(&stored).await?;
    let names = spellings(USERNAME, PASSWORD)
        .into_iter()
        .chain(spellings(USERNAME, OLD_PASSWORD))
        .chain([world.runner.token().to_owned()]);
    for name in names {
        let realm = format!("Bearer realm=\"https://{}/token\"", host(&name));
        let server = trusted.server(REGISTRY, move |_| Reply::challenge(&realm))?;
        let to = format!("{REGISTRY}={}", server.address());
        for mode in MODES {
            let outcome = robot(&world)?
                .env("PULL_SECRET_MODE", mode)
                .env("PULL_SECRET_CONNECT_TO", &to)
                .run()
                .await?;
            let text = everything(&outcome);
            assert!(!text.contains("evil.test"), "{mode}: {outcome}");
            assert!(!text.contains(&name), "{mode}: {outcome}");
            if mode != "doctor" {
                let ended = (outcome.result("REASON"), outcome.output.exit);
                assert_eq!(ended, ("registry-untrusted", 76), "{mode} {name}: {outcome}");
                outcome.expect_message("another host");
            }
        }
    }
    // A name without a credential is printed, so that the reader can check it.
    let server = trusted.server(REGISTRY, |_| {
        Reply::challenge("Bearer realm=\"https://auth.evil.test/token\"")
    })?;
    let outcome = robot(&world)?
        .env(
            "PULL_SECRET_CONNECT_TO",
            format!("{REGISTRY}={}", server.address()),
        )
        .run()
        .await?;
    outcome.expect_message("auth.evil.test");
    Ok(())
}

#[tokio::test]
async fn s4_a_webhook_named_by_a_secret_is_not_printed() -> Result<()> {
    let world = World::new("webhook-encoded").await?;
    let trusted = Scripted::trusted_by(&world)?;
    let server = trusted.server(REGISTRY, any_login)?;
    let auth = STANDARD.encode(format!("{USERNAME}:{OLD_PASSWORD}"));
    let stored = json!({"auths": {REGISTRY: {"auth": auth}}}).to_string();
    world.store(&stored).await?;
    let names = spellings(USERNAME, PASSWORD)
        .into_iter()
        .chain(spellings(USERNAME, OLD_PASSWORD));
    for name in names.chain(["validate.example".to_owned()]) {
        for text in [
            format!("admission webhook \"{name}\" denied the request: {name}"),
            format!(
                "secrets is forbidden: ValidatingAdmissionPolicy '{name}' with binding 'b' denied request: {name}"
            ),
        ] {
            let proxy = before_api_server(&world, move |request| {
                if !is_write(request) {
                    return test_cluster::listener::Action::Forward;
                }
                let status = json!({
                    "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 403,
                    "reason": "Forbidden", "message": text, "details": {"name": text, "kind": "secrets"},
                });
                json_answer(StatusCode::FORBIDDEN, &status)
            })?;
            let program = robot(&world)?.env(
                "PULL_SECRET_CONNECT_TO",
                format!("{REGISTRY}={}", server.address()),
            );
            let outcome = to(&program, &proxy).run().await?;
            outcome.expect("ERROR", "none", "api-forbidden", 77);
            if name == "validate.example" {
                outcome.expect_message(&name);
            } else {
                assert!(!everything(&outcome).contains(&name), "{outcome}");
                outcome.expect_message("an admission ");
            }
        }
    }
    Ok(())
}

/// Names that Kubernetes accepts: at most 63 characters, with a domain.
fn object_names() -> Vec<String> {
    let spellings = spellings(USERNAME, PASSWORD)
        .into_iter()
        .chain(spellings(USERNAME, OLD_PASSWORD));
    spellings
        .map(|name| name.chars().take(63).collect::<String>())
        .map(|name| format!("hold.test/{}", name.trim_end_matches(['-', '.', '_'])))
        .collect()
}

#[tokio::test]
async fn s3_s4_a_name_in_the_secrets_metadata_is_not_printed() -> Result<()> {
    let world = World::new("metadata-encoded").await?;
    let trusted = Scripted::trusted_by(&world)?;
    let server = trusted.server(REGISTRY, any_login)?;
    let program = robot(&world)?
        .env(
            "PULL_SECRET_CONNECT_TO",
            format!("{REGISTRY}={}", server.address()),
        )
        .env("PULL_SECRET_LOG", "debug");
    let auth = STANDARD.encode(format!("{USERNAME}:{OLD_PASSWORD}"));
    for name in object_names() {
        world
            .store(&json!({"auths": {REGISTRY: {"auth": auth}}, "credHelpers": {REGISTRY: name}}).to_string())
            .await?;
        let mut secret = world.secret().await?;
        let label = name.trim_start_matches("hold.test/").to_owned();
        secret.metadata.labels = Some([(name.clone(), label.clone())].into());
        let annotations = [
            (name.clone(), name.clone()),
            ("openshift.io/display-name".to_owned(), name.clone()),
            ("ensure-pull-secret/expires-at".to_owned(), name.clone()),
            ("ensure-pull-secret/credential-id".to_owned(), name.clone()),
            ("ensure-pull-secret/service-account".to_owned(), name.clone()),
        ];
        secret.metadata.annotations = Some(annotations.into());
        secret.metadata.owner_references = Some(vec![OwnerReference {
            api_version: "hold.test/v1".to_owned(),
            kind: label.clone(),
            name: label,
            uid: "1".to_owned(),
            ..OwnerReference::default()
        }]);
        secret.metadata.finalizers = Some(vec![name.clone()]);
        secret.metadata.managed_fields = None;
        let writer = PostParams {
            field_manager: Some(name.clone()),
            ..PostParams::default()
        };
        world
            .namespace
            .api::<Secret>()
            .replace(SECRET, &writer, &secret)
            .await?;
        for is_deleted in [false, true] {
            if is_deleted {
                world.namespace.delete_secret(SECRET).await?;
            }
            // Until it is deleted, a run would replace the older password, which is no secret of a later run then.
            for mode in MODES.into_iter().filter(|mode| is_deleted || *mode != "ensure") {
                // Every run checks its outputs for the canary.
                let outcome = program.clone().env("PULL_SECRET_MODE", mode).run().await?;
                assert!(!everything(&outcome).contains(&name), "{mode} {name}: {outcome}");
                if is_deleted && mode != "doctor" {
                    outcome.expect("ERROR", "none", "secret-terminating", 65);
                    outcome.expect_message("is held by the finalizer redacted;");
                }
            }
        }
        let mut secret = world.secret().await?;
        secret.metadata.finalizers = None;
        world.namespace.replace(&secret).await?;
    }
    Ok(())
}

#[tokio::test]
async fn s3_a_robots_password_in_a_wrong_variable_is_not_printed() -> Result<()> {
    let world = World::new("wrong-variable").await?;
    let trusted = Scripted::trusted_by(&world)?;
    let server = trusted.server(REGISTRY, any_login)?;
    let program = robot(&world)?
        .env(
            "PULL_SECRET_CONNECT_TO",
            format!("{REGISTRY}={}", server.address()),
        )
        .env("PULL_SECRET_LOG", "debug");
    for (name, value, exit) in [
        // Refused, and valid.
        ("PULL_SECRET_MODE", PASSWORD.to_owned(), 64),
        ("PULL_SECRET_REGISTRY", format!("{PASSWORD}/"), 64),
        ("PULL_SECRET_DISPLAY_NAME", format!("Quay {PASSWORD}"), 64),
        ("PULL_SECRET_REGISTRY_CA_FILE", format!("/{PASSWORD}"), 64),
        ("PULL_SECRET_NAME", PASSWORD.to_owned(), 77),
        ("PULL_SECRET_IMAGE", format!("{REGISTRY}/team/{PASSWORD}:1.0"), 76),
    ] {
        // Every run checks its outputs for the canary.
        let outcome = program.clone().env(name, &value).run().await?;
        assert_eq!(outcome.output.exit, exit, "{name}={value}: {outcome}");
    }
    let argument = program.argument(format!("--password={PASSWORD}")).run().await?;
    assert_eq!(argument.output.exit, 64);
    Ok(())
}
