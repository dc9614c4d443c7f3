//! Nothing that comes from outside makes the program panic, and what was stored stays.

use std::{ffi::OsString, os::unix::ffi::OsStringExt, sync::Arc};

use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::StatusCode;
use serde_json::Value;
use test_cluster::{
    certificates::Authority,
    listener::{Reply, ScriptedServer},
};

use crate::{
    interception::Scripted,
    world::{SECRET, World},
};

#[tokio::test]
async fn ambiguous_documents_are_left_unchanged() -> Result<()> {
    let cases: [(&str, &[u8], &str); 5] = [
        ("utf8", b"{\"auths\":{\"\xff\":{}}}", "document-unreadable"),
        ("twice", br#"{"auths":{},"auths":{}}"#, "document-ambiguous"),
        ("case", br#"{"Auths":{}}"#, "document-ambiguous"),
        (
            "entry-twice",
            br#"{"auths":{"a.test":{},"a.test":{}}}"#,
            "document-ambiguous",
        ),
        (
            "in-entry",
            br#"{"auths":{"a.test":{"auth":"dTpw","Auth":"dTpw"}}}"#,
            "document-ambiguous",
        ),
    ];
    for (name, document, reason) in cases {
        let world = World::new(&format!("unreadable-{name}")).await?;
        let before = world
            .namespace
            .create_docker_config_json(SECRET, document)
            .await?;
        for mode in ["ensure", "verify"] {
            let outcome = world.program().env("PULL_SECRET_MODE", mode).run().await?;
            outcome.expect("ERROR", "none", reason, 65);
        }
        assert_eq!(world.secret().await?, before);
    }
    Ok(())
}

#[tokio::test]
async fn invalid_unmanaged_entry_is_reported_and_the_managed_one_is_written() -> Result<()> {
    let world = World::new("foreign-broken").await?;
    let image = world.push("app:v1")?;
    let document = br#"{"auths":{"broken.test":{"auth":"!!!"}}}"#;
    world.store(document).await?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image);
    let outcome = program.run().await?;
    outcome
        .expect("FAILURE", "refreshed", "unmanaged-entry-invalid", 65)
        .expect_message("broken.test");
    outcome.expect_verified("pull");
    program
        .expect("FAILURE", "unchanged", "unmanaged-entry-invalid", 65)
        .await?;
    program
        .env("PULL_SECRET_STRICT", "false")
        .expect("FAILURE", "unchanged", "unmanaged-entry-invalid", 0)
        .await?;
    Ok(())
}

#[tokio::test]
async fn invalid_api_server_response_is_reported_as_such() -> Result<()> {
    let world = World::new("no-api").await?;
    let replies: Vec<(&str, Reply)> = vec![
        ("html", Reply::html(StatusCode::OK, "<html>sign in</html>")),
        (
            "html-404",
            Reply::html(StatusCode::NOT_FOUND, "<html>nothing here</html>"),
        ),
        ("empty", Reply::status(StatusCode::OK)),
        (
            "another-kind",
            Reply::json(
                StatusCode::OK,
                r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x"}}"#,
            ),
        ),
        ("not-http", Reply::Raw(b"SSH-2.0-OpenSSH\r\n".to_vec().into())),
        ("huge", Reply::json(StatusCode::OK, vec![b' '; 5 << 20])),
        ("closed", Reply::Close),
        ("reset", Reply::Reset),
        ("teapot", Reply::status(StatusCode::IM_A_TEAPOT)),
        ("redirect", Reply::redirect("https://127.0.0.1:1/")),
        (
            "secret-in-a-redirect",
            Reply::json(
                StatusCode::FOUND,
                r#"{"metadata":{"name":"x","uid":"u","resourceVersion":"1"}}"#,
            ),
        ),
        ("unavailable", Reply::status(StatusCode::SERVICE_UNAVAILABLE)),
    ];
    for (name, reply) in replies {
        let authority = Authority::new("kubernetes")?;
        std::fs::write(world.runner.file("ca.crt"), authority.pem())?;
        let server = ScriptedServer::start(Some(&authority.issue(&["127.0.0.1"])?), move |_| reply.clone())?;
        let outcome = world
            .program()
            .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            .env("KUBERNETES_SERVICE_PORT", server.address().port().to_string())
            .env("PULL_SECRET_TIMEOUT", "3s")
            .run()
            .await?;
        let ended = (
            outcome.result("STATUS"),
            outcome.result("REASON"),
            outcome.output.exit,
        );
        let expected = match name {
            // An unknown 4xx: it repeats until somebody acts.
            "html-404" | "teapot" => ("ERROR", "api-rejected", 65),
            _ => ("ERROR", "api-unavailable", 75),
        };
        assert_eq!(ended, expected, "{name}: {outcome}");
    }
    Ok(())
}

#[tokio::test]
async fn r10_google_key_file_is_stored_and_sent_whole() -> Result<()> {
    const REGISTRY: &str = "registry.test:5000";
    let key = "{\n  \"type\": \"service_account\",\n  \"private_key\": \"-----BEGIN PRIVATE KEY-----\\nNOT-REAL\\n\"\n}";
    let world = World::new("google-key").await?;
    let expected = format!("Basic {}", STANDARD.encode(format!("_json_key:{key}")));
    let server = Scripted::trusted_by(&world)?.server(REGISTRY, move |request| {
        match request.headers.get("authorization") {
            Some(sent) if *sent == expected => Reply::json(StatusCode::OK, "{}"),
            _ => Reply::challenge("Basic realm=\"registry\""),
        }
    })?;
    std::fs::write(world.runner.file("robot"), format!("{key}\r\n"))?;
    let program = world
        .program()
        .without("PULL_SECRET_SERVICE_ACCOUNT")
        .env("PULL_SECRET_REGISTRY", REGISTRY)
        .env("PULL_SECRET_USERNAME", "_json_key")
        .env("PULL_SECRET_TOKEN_FILE", world.runner.file("robot"))
        .env(
            "PULL_SECRET_CONNECT_TO",
            format!("{REGISTRY}={}", server.address()),
        )
        .canary(key);
    for action in ["created", "unchanged"] {
        let outcome = program.run().await?;
        outcome
            .expect("SUCCESS", action, "ok", 0)
            .expect_verified("login");
    }
    let document: Value = serde_json::from_slice(&world.document().await?)?;
    assert_eq!(document["auths"][REGISTRY]["password"], key);
    let outcome = program.env("PULL_SECRET_USERNAME", "robot").run().await?;
    outcome
        .expect("ERROR", "none", "invalid-configuration", 64)
        .expect_message("_json_key");
    Ok(())
}

#[tokio::test]
async fn token_file_without_a_token_is_rejected_and_odd_text_is_a_password() -> Result<()> {
    let world = World::new("token-files").await?;
    let basic = &crate::world::registries().basic;
    let program = world
        .program()
        .without("PULL_SECRET_SERVICE_ACCOUNT")
        .env("PULL_SECRET_REGISTRY", &basic.host.name)
        .env("PULL_SECRET_USERNAME", "robot")
        .env("PULL_SECRET_TOKEN_FILE", world.runner.file("robot"));
    for content in [&b""[..], b"\n", b"two\nlines", b"\xff\xfe", b"nul\0"] {
        std::fs::write(world.runner.file("robot"), content)?;
        let outcome = program.run().await?;
        outcome
            .expect("ERROR", "none", "invalid-configuration", 64)
            .expect_message("PULL_SECRET_TOKEN_FILE");
    }
    assert!(world.namespace.secret(SECRET).await?.is_none());
    for content in [
        "one",
        "eyJh.e30",
        "a.b.c.d",
        "eyJhbGciOiJub25lIn0.!!.x",
        "eyJhbGciOiJub25lIn0.bnVsbA.x",
    ] {
        std::fs::write(world.runner.file("robot"), content)?;
        let outcome = program.run().await?;
        assert_eq!(
            (outcome.result("REASON"), outcome.output.exit),
            ("credential-rejected", 67),
            "{content}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn known_variable_that_is_not_utf8_is_rejected_and_others_are_ignored() -> Result<()> {
    let world = World::new("not-utf8").await?;
    let unmanaged = world.program().env(
        OsString::from_vec(b"FOREIGN\xff".to_vec()),
        OsString::from_vec(b"\xff".to_vec()),
    );
    unmanaged.expect("SUCCESS", "created", "ok", 0).await?;
    let managed = world
        .program()
        .env("PULL_SECRET_DISPLAY_NAME", OsString::from_vec(b"\xff".to_vec()));
    let outcome = managed.run().await?;
    outcome
        .expect("ERROR", "none", "invalid-configuration", 64)
        .expect_message("PULL_SECRET_DISPLAY_NAME");
    Ok(())
}

#[tokio::test]
async fn invalid_registry_response_does_not_block_a_kubernetes_token() -> Result<()> {
    let authority = Arc::new(Authority::new("registries")?);
    let registry = test_cluster::registry::OPENSHIFT;
    let host = registry.split(':').next().unwrap_or_default().to_owned();
    let cases: Vec<(&str, Reply, &str, u8)> = vec![
        ("open", Reply::json(StatusCode::OK, "{}"), "registry-anonymous", 0),
        (
            "html",
            Reply::html(StatusCode::NOT_FOUND, "<html>"),
            "registry-protocol",
            76,
        ),
        (
            "no-challenge",
            Reply::status(StatusCode::UNAUTHORIZED),
            "registry-protocol",
            76,
        ),
        (
            "odd-challenge",
            Reply::challenge("Negotiate"),
            "registry-protocol",
            76,
        ),
        (
            "bare-400",
            Reply::status(StatusCode::BAD_REQUEST),
            "registry-unavailable",
            0,
        ),
        (
            "down",
            Reply::status(StatusCode::SERVICE_UNAVAILABLE),
            "registry-unavailable",
            0,
        ),
        ("hang", Reply::Hang, "registry-unavailable", 0),
        ("reset", Reply::Reset, "registry-unavailable", 0),
    ];
    for (name, reply, reason, exit) in cases {
        let world = World::new(&format!("registry-{name}")).await?;
        std::fs::write(world.runner.file("service-ca.crt"), authority.pem())?;
        let server =
            ScriptedServer::start(Some(&authority.issue(&[host.as_str()])?), move |_| reply.clone())?;
        let outcome = world
            .program()
            .env(
                "PULL_SECRET_CONNECT_TO",
                format!("{registry}={}", server.address()),
            )
            .env("PULL_SECRET_TIMEOUT", "6s")
            .run()
            .await?;
        let ended = (
            outcome.result("REASON"),
            outcome.output.exit,
            outcome.result("ACTION"),
            outcome.result("VERIFIED"),
        );
        assert_eq!(
            ended,
            (reason, i32::from(exit), "created", "review"),
            "{name}: {outcome}"
        );
        assert!(!world.stored_token().await?.is_empty());
    }
    Ok(())
}
