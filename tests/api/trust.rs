//! A credential goes where it belongs and nowhere else.

use std::net::{Ipv6Addr, TcpListener};

use anyhow::{Context as _, Result};
use http::StatusCode;
use test_cluster::{
    access::ClusterAccess,
    certificates::Authority,
    listener::{Forwarder, Reply, ScriptedServer},
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
    // The registry's redirect is followed once, without the token; the realm is not asked.
    let record = evil.record();
    assert_eq!(record.requests.len(), 1);
    assert!(record.requests.iter().all(|request| request.target == "/v2/"));
    assert!(!record.contains("authorization"));
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

/// What a Service named `kubernetes` does to a pod with service links, without and with another `kube-root-ca.crt`.
#[tokio::test]
async fn s17_the_mounted_ca_decides_which_server_gets_the_token() -> Result<()> {
    let world = World::new("s17-service").await?;
    let authority = Authority::new("attacker")?;
    let listener = ScriptedServer::start(Some(&authority.issue(&["127.0.0.1"])?), |_| {
        Reply::status(StatusCode::FORBIDDEN)
    })?;
    let program = world
        .program()
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", listener.address().port().to_string());
    for mode in ["ensure", "verify", "plan", "doctor"] {
        let outcome = program.clone().env("PULL_SECRET_MODE", mode).run().await?;
        assert_eq!(outcome.result("STATUS"), "ERROR", "{outcome}");
        assert_eq!(listener.record().requests.len(), 0, "{mode}");
    }
    std::fs::write(world.runner.file("ca.crt"), authority.pem())?;
    program.run().await?;
    assert!(listener.record().contains(world.runner.token()), "it decides");
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
    // Only the redirect is followed, without the password.
    let record = evil.record();
    assert!(record.requests.iter().all(|request| request.target == "/v2/"));
    assert_eq!((record.requests.len(), plain.record().connections), (1, 0));
    assert!(!record.contains("authorization"));
    Ok(())
}

#[tokio::test]
async fn r4_image_redirect_is_followed_without_the_credential() -> Result<()> {
    const REGISTRY: &str = "registry.test:5000";
    let world = World::new("redirected-image").await?;
    let trusted = Scripted::trusted_by(&world)?;
    let evil = trusted.server("evil.test:443", |request| {
        if request.target.contains("/app/") {
            Reply::manifest()
        } else {
            Reply::status(StatusCode::OK)
        }
    })?;
    let server = trusted.server(REGISTRY, |request| {
        match (
            request.headers.contains_key("authorization"),
            request.target.contains("/manifests/"),
        ) {
            (false, _) => Reply::challenge("Basic realm=\"registry\""),
            (true, true) => Reply::redirect(&format!("https://evil.test{}", request.target)),
            (true, false) => Reply::json(StatusCode::OK, "{}"),
        }
    })?;
    std::fs::write(world.runner.file("robot"), "a-robots-password")?;
    for (image, expected, verified) in [
        ("app", ("SUCCESS", "created", "ok", 0), "pull"),
        // Another answer than a manifest.
        ("other", ("ERROR", "none", "registry-protocol", 76), "none"),
    ] {
        let outcome = world
            .program()
            .without("PULL_SECRET_SERVICE_ACCOUNT")
            .env(
                "PULL_SECRET_MODE",
                if image == "app" { "ensure" } else { "verify" },
            )
            .env("PULL_SECRET_REGISTRY", REGISTRY)
            .env("PULL_SECRET_USERNAME", "robot")
            .env("PULL_SECRET_TOKEN_FILE", world.runner.file("robot"))
            .env("PULL_SECRET_IMAGE", format!("{REGISTRY}/team/{image}:v1"))
            .env(
                "PULL_SECRET_CONNECT_TO",
                format!("{REGISTRY}={},evil.test:443={}", server.address(), evil.address()),
            )
            .canary("a-robots-password")
            .run()
            .await?;
        let (status, action, reason, code) = expected;
        outcome
            .expect(status, action, reason, code)
            .expect_verified(verified);
        let is_named = outcome.result("MESSAGE").contains("evil.test");
        assert_eq!(is_named, image == "other", "{outcome}");
    }
    let record = evil.record();
    assert_eq!(record.requests.len(), 3, "HEAD; HEAD and GET");
    assert!(!record.contains("authorization"));
    Ok(())
}

/// As the kubelet sets it in a cluster with IPv6: without brackets. The real API server, at `[::1]`.
#[tokio::test]
async fn api_server_with_an_ipv6_address_is_reached() -> Result<()> {
    let world = World::new("ipv6").await?;
    let image = world.push("app:v1")?;
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).context("cannot listen at [::1]")?;
    let port = listener.local_addr()?.port().to_string();
    let _forwarder = Forwarder::start(listener, ClusterAccess::shared().api_server)?;
    let mut action = "created";
    for host in ["::1", "0:0:0:0:0:0:0:1"] {
        let program = world
            .program()
            .env("PULL_SECRET_IMAGE", &image)
            .env("KUBERNETES_SERVICE_HOST", host)
            .env("KUBERNETES_SERVICE_PORT", &port);
        // A proxy is never used for the API server.
        let program = program
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .env("NO_PROXY", ".svc");
        program.expect("SUCCESS", action, "ok", 0).await?;
        action = "unchanged";
        for mode in ["verify", "plan", "doctor"] {
            let program = program.clone().env("PULL_SECRET_MODE", mode);
            program.expect("SUCCESS", "none", "ok", 0).await?;
        }
    }
    // A certificate for other addresses is refused.
    let authority = Authority::new("kubernetes")?;
    std::fs::write(world.runner.file("ca.crt"), authority.pem())?;
    let other = ScriptedServer::start(Some(&authority.issue(&["127.0.0.1", "fd00::1"])?), |_| {
        Reply::status(StatusCode::OK)
    })?;
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port().to_string();
    let _other = Forwarder::start(listener, other.address())?;
    let outcome = world
        .program()
        .env("KUBERNETES_SERVICE_HOST", "::1")
        .env("KUBERNETES_SERVICE_PORT", &port)
        .run()
        .await?;
    outcome
        .expect("ERROR", "none", "api-untrusted", 64)
        .expect_message("its certificate is for 127.0.0.1 and another name");
    assert_eq!(other.record().requests.len(), 0);
    Ok(())
}
