//! `HTTPS_PROXY` and its kin: for registries only, by CONNECT; never for the API server.

use std::net::SocketAddr;

use anyhow::Result;
use test_cluster::{listener::ConnectProxy, registry::OPENSHIFT};

use crate::{
    interception::to_openshift,
    world::{World, registries},
};

/// An address without a listener: a connection past the proxy is refused.
const NOWHERE: &str = "127.0.0.1:1";

#[tokio::test]
async fn each_proxy_variable_applies_to_registries_only() -> Result<()> {
    let world = World::new("proxy").await?;
    let image = world.push("app:v1")?;
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let proxy = ConnectProxy::start(registries().routes())?;
        let outcome = world
            .program()
            .without("PULL_SECRET_CONNECT_TO")
            .env(variable, proxy.url())
            .env("PULL_SECRET_IMAGE", &image)
            .run()
            .await?;
        assert_eq!(
            (outcome.result("STATUS"), outcome.result("VERIFIED")),
            ("SUCCESS", "pull"),
            "{outcome}"
        );
        let targets = proxy.targets();
        assert!(
            !targets.is_empty() && targets.iter().all(|target| target == OPENSHIFT),
            "{variable}: {targets:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn no_proxy_connects_to_the_registry_directly() -> Result<()> {
    let world = World::new("no-proxy").await?;
    let image = world.push("app:v1")?;
    for (variable, names) in [
        ("NO_PROXY", "image-registry.openshift-image-registry.svc"),
        ("no_proxy", "elsewhere.test,.svc"),
        ("NO_PROXY", "*"),
    ] {
        let proxy = ConnectProxy::start([])?;
        let outcome = world
            .program()
            .env("HTTPS_PROXY", proxy.url())
            .env(variable, names)
            .env("PULL_SECRET_IMAGE", &image)
            .run()
            .await?;
        assert_eq!(
            (outcome.result("STATUS"), outcome.result("VERIFIED")),
            ("SUCCESS", "pull"),
            "{outcome}"
        );
        assert_eq!(proxy.targets(), Vec::<String>::new(), "{variable}={names}");
    }
    Ok(())
}

#[tokio::test]
async fn connect_to_sets_the_address_that_the_proxy_dials() -> Result<()> {
    let world = World::new("proxy-to").await?;
    let image = world.push("app:v1")?;
    let elsewhere: SocketAddr = NOWHERE.parse()?;
    let proxy = ConnectProxy::start([(NOWHERE.to_owned(), registries().openshift.host.address)])?;
    let outcome = world
        .program()
        .env("HTTPS_PROXY", proxy.url())
        .env("PULL_SECRET_CONNECT_TO", to_openshift(elsewhere))
        .env("PULL_SECRET_IMAGE", &image)
        .run()
        .await?;
    outcome
        .expect("SUCCESS", "created", "ok", 0)
        .expect_verified("pull");
    assert!(proxy.targets().iter().all(|target| target == NOWHERE));
    Ok(())
}

#[tokio::test]
async fn refusing_proxy_makes_the_registry_unavailable() -> Result<()> {
    let world = World::new("proxy-refuses").await?;
    let proxy = ConnectProxy::start([])?;
    let outcome = world
        .program()
        .without("PULL_SECRET_CONNECT_TO")
        .env("HTTPS_PROXY", proxy.url())
        .env("PULL_SECRET_TIMEOUT", "2s")
        .run()
        .await?;
    outcome
        .expect("WARNING", "created", "registry-unavailable", 0)
        .expect_verified("review");
    Ok(())
}
