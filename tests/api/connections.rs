//! Connections to registries as clients make them: certificates without a chain, proxies, slow answers. Each with a working
//! password in the file and a stored one that is rejected.

use std::fs;

use anyhow::{Context as _, Result};
use http::StatusCode;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use test_cluster::{
    certificates::{Authority, ServerCertificate},
    listener::{ConnectProxy, Reply, ScriptedServer},
    program::Program,
};

use crate::{
    field_registries::{Caller, NAME, STORED, caller, is_manifest, ok},
    world::{SECRET, World},
};

const HOST: &str = "registry.field.test";

/// A Basic registry that knows the password of the file alone.
fn registry(certificate: &ServerCertificate) -> Result<ScriptedServer> {
    ScriptedServer::start(Some(certificate), |request| match caller(request) {
        Caller::Stored if is_manifest(request) => Reply::manifest(),
        Caller::Stored => ok(),
        _ => Reply::challenge("Basic realm=\"registry\""),
    })
}

/// A certificate for `host` that nobody else signed.
fn self_signed(host: &str, is_ca: bool) -> Result<ServerCertificate> {
    let mut params = CertificateParams::new(vec![host.to_owned()])?;
    if is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate()?;
    Ok(ServerCertificate {
        certificate: params.self_signed(&key)?.pem(),
        key: key.serialize_pem(),
    })
}

/// The program with a working password in its file, and a rejected one stored.
async fn robot(world: &World) -> Result<Program> {
    fs::write(world.runner.file("robot"), STORED)?;
    let stored =
        format!(r#"{{"auths":{{"{NAME}":{{"username":"robot","password":"x","auth":"cm9ib3Q6eA=="}}}}}}"#);
    world
        .namespace
        .create_docker_config_json(SECRET, stored.as_bytes())
        .await?;
    Ok(world
        .program()
        .without("PULL_SECRET_SERVICE_ACCOUNT")
        .env("PULL_SECRET_REGISTRY", NAME)
        .env("PULL_SECRET_USERNAME", "robot")
        .env("PULL_SECRET_TOKEN_FILE", world.runner.file("robot"))
        .env("PULL_SECRET_IMAGE", format!("{NAME}/team/app:1.0"))
        .canary(STORED))
}

#[tokio::test]
async fn r6_a_registrys_own_certificate_is_accepted_from_each_source() -> Result<()> {
    let world = World::new("own-certificate").await?;
    let program = robot(&world).await?;
    let file = |name: &str| world.runner.file(name);
    for (is_ca, host) in [(true, HOST), (false, HOST), (true, "other.test")] {
        let certificate = self_signed(host, is_ca)?;
        let server = registry(&certificate)?;
        let program = program
            .clone()
            .env("PULL_SECRET_CONNECT_TO", format!("{NAME}={}", server.address()));
        fs::write(file("own.pem"), &certificate.certificate)?;
        fs::create_dir_all(file("own"))?;
        fs::write(file("own").join("own.crt"), &certificate.certificate)?;
        program
            .clone()
            .env("PULL_SECRET_MODE", "plan")
            .run()
            .await?
            .expect_message(if host == HOST {
                "unknown CA"
            } else {
                "is for other.test"
            });
        for (variable, source) in [
            ("PULL_SECRET_REGISTRY_CA_FILE", "own.pem"),
            ("SSL_CERT_FILE", "own.pem"),
            ("SSL_CERT_DIR", "own"),
        ] {
            let outcome = program.clone().env(variable, file(source)).run().await?;
            if host == HOST {
                assert_eq!(
                    (outcome.result("STATUS"), outcome.result("VERIFIED")),
                    ("SUCCESS", "pull"),
                    "{variable}: {outcome}"
                );
            } else {
                assert_eq!(
                    (outcome.result("REASON"), outcome.output.exit),
                    ("registry-untrusted", 76),
                    "{variable}: {outcome}"
                );
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn r7_a_registry_that_no_proxy_excludes_is_dialled_directly() -> Result<()> {
    let world = World::new("no-proxy-go").await?;
    let authority = Authority::new("registries")?;
    fs::write(world.runner.file("service-ca.crt"), authority.pem())?;
    let server = registry(&authority.issue(&[HOST])?)?;
    let program = robot(&world)
        .await?
        .env("PULL_SECRET_CONNECT_TO", format!("{NAME}={}", server.address()));
    for (variable, names) in [
        ("NO_PROXY", "*.field.test"),
        ("no_proxy", "registry.field.test:5000"),
        ("NO_PROXY", "other.test, *.test:5000"),
    ] {
        // R8: neither is used.
        for (name, proxy) in [
            ("HTTPS_PROXY", "https://127.0.0.1:1"),
            ("ALL_PROXY", "socks5://127.0.0.1:1"),
        ] {
            let outcome = program
                .clone()
                .env(name, proxy)
                .env(variable, names)
                .run()
                .await?;
            assert_eq!(
                (outcome.result("STATUS"), outcome.result("VERIFIED")),
                ("SUCCESS", "pull"),
                "{variable}={names} {name}={proxy}: {outcome}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn r9_a_proxy_that_cannot_be_used_is_never_bypassed() -> Result<()> {
    let world = World::new("unusable-proxy").await?;
    let authority = Authority::new("registries")?;
    fs::write(world.runner.file("service-ca.crt"), authority.pem())?;
    let server = registry(&authority.issue(&[HOST])?)?;
    let bearer = ScriptedServer::start(Some(&authority.issue(&[HOST])?), |_| {
        Reply::challenge("Bearer realm=\"https://auth.field.test/token\",service=\"s\"")
    })?;
    let program = robot(&world)
        .await?
        .env("HTTPS_PROXY", "http://user:a-proxys^password@127.0.0.1:1")
        .canary("a-proxys^password");
    program
        .clone()
        .env("PULL_SECRET_CONNECT_TO", format!("{NAME}={}", server.address()))
        .run()
        .await?
        .expect("ERROR", "none", "invalid-configuration", 64)
        .expect_message("HTTPS_PROXY");
    // The registry doesn't use it, its token service would.
    program
        .clone()
        .env("NO_PROXY", HOST)
        .env("PULL_SECRET_TRUSTED_HOSTS", "auth.field.test")
        .env(
            "PULL_SECRET_CONNECT_TO",
            format!(
                "{NAME}={},auth.field.test:443={}",
                bearer.address(),
                server.address()
            ),
        )
        .run()
        .await?
        .expect("ERROR", "none", "registry-protocol", 76)
        .expect_message("the proxy in HTTPS_PROXY can't be used");
    assert_eq!(server.record().connections, 0);
    Ok(())
}

#[tokio::test]
async fn a_proxy_that_is_down_or_forbids_is_named() -> Result<()> {
    let world = World::new("proxy-named").await?;
    let program = robot(&world).await?.env("PULL_SECRET_TIMEOUT", "4s");
    let proxy = ConnectProxy::start([])?;
    program
        .clone()
        .env("HTTPS_PROXY", proxy.url())
        .run()
        .await?
        .expect("ERROR", "none", "registry-unavailable", 75)
        .expect_message("answers CONNECT with 502");
    program
        .clone()
        .env("HTTPS_PROXY", "http://127.0.0.1:1")
        .run()
        .await?
        .expect("ERROR", "none", "registry-unavailable", 75)
        .expect_message("the proxy 127.0.0.1:1 (HTTPS_PROXY) refuses the connection");
    let forbids = ScriptedServer::start(None, |_| Reply::status(StatusCode::FORBIDDEN))?;
    let url = format!("http://{}", forbids.address());
    program
        .clone()
        .env("HTTPS_PROXY", url)
        .run()
        .await
        .context("a run")?
        .expect("ERROR", "none", "registry-protocol", 76)
        .expect_message("answers CONNECT with 403");
    Ok(())
}
