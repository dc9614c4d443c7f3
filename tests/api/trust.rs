//! A credential goes where it belongs and nowhere else.

use anyhow::Result;
use http::StatusCode;
use test_cluster::{
    certificates::Authority,
    listener::{Reply, ScriptedServer},
};

use crate::{
    interception::Scripted,
    world::{SECRET, World},
};

#[tokio::test]
async fn kubernetes_token_for_an_untrusted_registry_exits_with_64_unsent() -> Result<()> {
    let world = World::new("untrusted").await?;
    let authority = Authority::new("registries")?;
    let listener = ScriptedServer::start(Some(&authority.issue(&["registry.evil.test"])?), |_| {
        Reply::challenge("Basic realm=\"evil\"")
    })?;
    std::fs::write(world.runner.file("service-ca.crt"), authority.pem())?;
    let program = world
        .program()
        .env("PULL_SECRET_REGISTRY", "registry.evil.test")
        .env(
            "PULL_SECRET_CONNECT_TO",
            format!("registry.evil.test:443={}", listener.address()),
        );
    let mark = world.mark().await?;
    let outcome = program.run().await?;
    outcome
        .expect("ERROR", "none", "invalid-configuration", 64)
        .expect_message("PULL_SECRET_TRUSTED_HOSTS");
    assert_eq!(world.requests(mark).await?.len(), 0, "no token is requested");
    assert!(world.namespace.secret(SECRET).await?.is_none());

    // From a file and from the Secret: the rule depends on the token, not on its source.
    let token = world.namespace.token(crate::world::PULLER, None, 3600).await?;
    std::fs::write(world.runner.file("other-token"), &token)?;
    let from_file = program
        .clone()
        .without("PULL_SECRET_SERVICE_ACCOUNT")
        .env("PULL_SECRET_TOKEN_FILE", world.runner.file("other-token"))
        .canary(&token);
    from_file
        .expect("ERROR", "none", "invalid-configuration", 64)
        .await?;
    let stored = format!(
        r#"{{"auths":{{"registry.evil.test":{{"username":"u","password":"{token}","auth":"{}"}}}}}}"#,
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("u:{token}"))
    );
    world.store(&stored).await?;
    let verify = program.env("PULL_SECRET_MODE", "verify").canary(&token);
    verify
        .expect("ERROR", "none", "invalid-configuration", 64)
        .await?;

    let record = listener.record();
    assert!(
        !record.contains("authorization"),
        "{} requests",
        record.requests.len()
    );
    assert!(!record.contains(&token));
    Ok(())
}

#[tokio::test]
async fn realm_and_redirect_on_another_host_never_get_the_token() -> Result<()> {
    let world = World::new("realm-evil").await?;
    let authority = Authority::new("registries")?;
    let evil = ScriptedServer::start(Some(&authority.issue(&["evil.test"])?), |_| {
        Reply::json(StatusCode::OK, r#"{"token":"stolen"}"#)
    })?;
    std::fs::write(world.runner.file("service-ca.crt"), authority.pem())?;
    let registry = test_cluster::registry::OPENSHIFT;
    let host = registry.split(':').next().unwrap_or_default().to_owned();
    for (reply, reason) in [
        (
            Reply::challenge("Bearer realm=\"https://evil.test/token\""),
            "registry-untrusted",
        ),
        (Reply::redirect("https://evil.test/v2/"), "registry-protocol"),
    ] {
        let server =
            ScriptedServer::start(Some(&authority.issue(&[host.as_str()])?), move |_| reply.clone())?;
        let to = format!("{registry}={},evil.test:443={}", server.address(), evil.address());
        let outcome = world.program().env("PULL_SECRET_CONNECT_TO", to).run().await?;
        assert_eq!(
            (outcome.result("REASON"), outcome.output.exit),
            (reason, 76),
            "{outcome}"
        );
        assert_eq!(
            outcome.result("VERIFIED"),
            "review",
            "the API server accepts the new token, so it is written"
        );
        assert!(!server.record().contains("authorization"));
    }
    assert_eq!(evil.record().connections, 0);
    Ok(())
}

#[tokio::test]
async fn api_server_with_a_certificate_of_the_registry_ca_gets_no_request() -> Result<()> {
    let world = World::new("wrong-api-ca").await?;
    let authority = Authority::new("registries")?;
    let listener = ScriptedServer::start(Some(&authority.issue(&["127.0.0.1"])?), |_| {
        Reply::status(StatusCode::OK)
    })?;
    std::fs::write(world.runner.file("service-ca.crt"), authority.pem())?;
    let program = world
        .program()
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", listener.address().port().to_string());
    program.expect("ERROR", "none", "api-untrusted", 64).await?;
    assert_eq!(listener.record().requests.len(), 0);
    Ok(())
}

#[tokio::test]
async fn robot_password_is_sent_to_no_untrusted_realm_or_redirect() -> Result<()> {
    const REGISTRY: &str = "registry.test:5000";
    let world = World::new("robot-evil").await?;
    let trusted = Scripted::trusted_by(&world)?;
    let evil = trusted.server("evil.test:443", |_| {
        Reply::json(StatusCode::OK, r#"{"token":"stolen"}"#)
    })?;
    let plain = ScriptedServer::start(None, |_| Reply::json(StatusCode::OK, r#"{"token":"stolen"}"#))?;
    let password = "a-robots-password";
    std::fs::write(world.runner.file("robot"), password)?;
    let bearer = |realm: &str| Reply::challenge(&format!("Bearer realm=\"{realm}\",service=\"s\""));
    let cases = [
        (
            "another host",
            bearer("https://evil.test/token"),
            "registry-untrusted",
        ),
        (
            "another port",
            bearer("https://registry.test:5001/token"),
            "registry-untrusted",
        ),
        (
            "without TLS",
            bearer("http://registry.test:5000/token"),
            "registry-protocol",
        ),
        (
            "a user in it",
            bearer("https://registry.test:5000@evil.test/token"),
            "registry-untrusted",
        ),
        (
            "a redirect",
            Reply::redirect("https://evil.test/v2/"),
            "registry-protocol",
        ),
    ];
    for (name, reply, reason) in cases {
        let challenge = reply.clone();
        let server = trusted.server(REGISTRY, move |_| challenge.clone())?;
        let to = format!(
            "{REGISTRY}={},evil.test:443={evil},registry.test:5001={evil},registry.test:80={}",
            server.address(),
            plain.address(),
            evil = evil.address(),
        );
        let outcome = world
            .program()
            .without("PULL_SECRET_SERVICE_ACCOUNT")
            .env("PULL_SECRET_REGISTRY", REGISTRY)
            .env("PULL_SECRET_USERNAME", "robot")
            .env("PULL_SECRET_TOKEN_FILE", world.runner.file("robot"))
            .env("PULL_SECRET_CONNECT_TO", to)
            .canary(password)
            .run()
            .await?;
        assert_eq!(
            (outcome.result("REASON"), outcome.output.exit),
            (reason, 76),
            "{name}: {outcome}"
        );
        assert!(!server.record().contains("authorization"), "{name}");
    }
    assert_eq!((evil.record().connections, plain.record().connections), (0, 0));
    Ok(())
}

#[tokio::test]
async fn image_redirect_is_not_followed_with_the_credential() -> Result<()> {
    const REGISTRY: &str = "registry.test:5000";
    let world = World::new("redirected-image").await?;
    let trusted = Scripted::trusted_by(&world)?;
    let evil = trusted.server("evil.test:443", |_| Reply::status(StatusCode::OK))?;
    let server = trusted.server(REGISTRY, |request| {
        match (
            request.headers.contains_key("authorization"),
            request.target.contains("/manifests/"),
        ) {
            (false, _) => Reply::challenge("Basic realm=\"registry\""),
            (true, true) => Reply::redirect("https://evil.test/v2/team/app/manifests/v1"),
            (true, false) => Reply::json(StatusCode::OK, "{}"),
        }
    })?;
    std::fs::write(world.runner.file("robot"), "a-robots-password")?;
    let outcome = world
        .program()
        .without("PULL_SECRET_SERVICE_ACCOUNT")
        .env("PULL_SECRET_REGISTRY", REGISTRY)
        .env("PULL_SECRET_USERNAME", "robot")
        .env("PULL_SECRET_TOKEN_FILE", world.runner.file("robot"))
        .env("PULL_SECRET_IMAGE", format!("{REGISTRY}/team/app:v1"))
        .env(
            "PULL_SECRET_CONNECT_TO",
            format!("{REGISTRY}={},evil.test:443={}", server.address(), evil.address()),
        )
        .canary("a-robots-password")
        .run()
        .await?;
    outcome
        .expect("ERROR", "created", "registry-protocol", 76)
        .expect_verified("none");
    assert_eq!(evil.record().connections, 0);
    Ok(())
}
