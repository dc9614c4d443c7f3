//! The keys under `auths` that clients find: Docker Hub's own, and one that is narrowed by a path.

use anyhow::{Context as _, Error, Result};
use http::StatusCode;
use serde_json::Value;
use test_cluster::{
    access::ClusterAccess,
    clients::{Crane, Network, Skopeo},
    listener::{ConnectProxy, Reply},
    registry::push_image,
};

use crate::{
    interception::Scripted,
    registries::with_robot,
    world::{World, registries},
};

/// Docker Hub's API, by the host that serves it.
const HUB: &str = "registry-1.docker.io:443";
/// Host that crane connects to.
const HUB_INDEX: &str = "index.docker.io:443";
/// Docker Hub's token service.
const HUB_REALM: &str = "auth.docker.io:443";
/// The key that every client knows.
const HUB_KEY: &str = "https://index.docker.io/v1/";

#[tokio::test]
async fn docker_hub_credential_has_the_key_that_other_clients_look_up() -> Result<()> {
    let world = World::new("hub").await?;
    let repository = format!("{}/app:v1", world.namespace.name());
    push_image(registries().store, &repository)?;
    let basic = &registries().basic;
    let program = with_robot(&world, basic, "robot")?;
    let trusted = Scripted::trusted_by(&world)?;
    let real = (basic.host.name.as_str(), basic.host.address);
    let (hub, index) = (trusted.front(HUB, real)?, trusted.front(HUB_INDEX, real)?);
    let image = format!("docker.io/{repository}");
    let outcome = program
        .env("PULL_SECRET_REGISTRY", "docker.io")
        .env("PULL_SECRET_CONNECT_TO", format!("{HUB}={}", hub.address()))
        .env("PULL_SECRET_IMAGE", &image)
        .run()
        .await?;
    outcome
        .expect("SUCCESS", "created", "ok", 0)
        .expect_verified("pull");
    let document = world.document().await?;
    let entries: Value = serde_json::from_slice(&document)?;
    let keys: Vec<&String> = entries["auths"].as_object().context("auths")?.keys().collect();
    assert_eq!(keys, [HUB_KEY]);

    let routes = [
        (HUB.to_owned(), hub.address()),
        (HUB_INDEX.to_owned(), index.address()),
    ];
    let proxy = ConnectProxy::start(routes)?;
    let network = || Network {
        proxy: proxy.address(),
        ca: trusted.ca(),
    };
    if let Some(skopeo) = Skopeo::installed(network()).map_err(Error::msg)? {
        skopeo.pulls(Some(&document), &image).map_err(Error::msg)?;
        assert!(
            skopeo.pulls(None, &image).is_err(),
            "no proof: it pulls without a credential"
        );
    }
    let crane = Crane {
        binary: ClusterAccess::shared().binaries.crane.clone(),
        network: network(),
    };
    crane.pulls(Some(&document), &image).map_err(Error::msg)
}

#[tokio::test]
async fn only_docker_hubs_own_token_service_gets_its_password_by_default() -> Result<()> {
    let world = World::new("hub-realm").await?;
    let trusted = Scripted::trusted_by(&world)?;
    let realm = trusted.server(HUB_REALM, |_| {
        Reply::json(StatusCode::OK, r#"{"token":"opaque"}"#)
    })?;
    let challenge = "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\"";
    let answer = move |request: &test_cluster::listener::ReceivedRequest| match request
        .headers
        .get(http::header::AUTHORIZATION)
        .map(|sent| sent.as_bytes())
    {
        Some(b"Bearer opaque") => Reply::manifest(),
        _ => Reply::challenge(challenge),
    };
    let hub = trusted.server(HUB, answer)?;
    let other = trusted.server("registry.other.test:443", answer)?;
    let to = format!(
        "{HUB}={},{HUB_REALM}={},registry.other.test:443={}",
        hub.address(),
        realm.address(),
        other.address()
    );
    let program = with_robot(&world, &registries().basic, "robot")?.env("PULL_SECRET_CONNECT_TO", to);

    let other = program.clone().env("PULL_SECRET_REGISTRY", "registry.other.test");
    other.expect("ERROR", "created", "registry-untrusted", 76).await?;
    assert_eq!(realm.record().connections, 0);

    let hub = program
        .env("PULL_SECRET_REGISTRY", "docker.io")
        .env("PULL_SECRET_IMAGE", "docker.io/team/app:v1");
    hub.expect("SUCCESS", "refreshed", "ok", 0)
        .await?
        .expect_verified("pull");
    let asked = realm.record().requests;
    let mut asked: Vec<&str> = asked.iter().map(|request| request.target.as_str()).collect();
    asked.sort_unstable();
    assert_eq!(
        asked,
        [
            "/token?service=registry.docker.io",
            "/token?service=registry.docker.io&scope=repository:team/app:pull"
        ],
        "the login and the image"
    );
    Ok(())
}

#[tokio::test]
async fn key_with_a_path_covers_only_the_images_below_it() -> Result<()> {
    let world = World::new("path").await?;
    let basic = &registries().basic;
    let (host, team) = (&basic.host.name, world.namespace.name().to_owned());
    for repository in [
        format!("{team}/app:v1"),
        format!("{team}-too/app:v1"),
        format!("other-{team}/app:v1"),
    ] {
        push_image(registries().store, &repository)?;
    }
    let image = format!("{host}/{team}/app:v1");
    let registry = format!("{host}/{team}");
    let program = with_robot(&world, basic, "robot")?.env("PULL_SECRET_REGISTRY", &registry);
    let outcome = program.clone().env("PULL_SECRET_IMAGE", &image).run().await?;
    outcome
        .expect("SUCCESS", "created", "ok", 0)
        .expect_verified("pull");
    let secret = world.secret().await?;
    let data = secret.data.context("data")?;
    assert_eq!(data["OCI_HOST"].0, host.as_bytes(), "the host alone");
    let document = world.document().await?;
    let entries: Value = serde_json::from_slice(&document)?;
    assert!(
        entries["auths"][&registry].is_object(),
        "the path is part of the key"
    );

    let proxy = ConnectProxy::start(registries().routes())?;
    let network = Network {
        proxy: proxy.address(),
        ca: registries().ca.clone(),
    };
    let beside = format!("{host}/{team}-too/app:v1");
    if let Some(skopeo) = Skopeo::installed(network).map_err(Error::msg)? {
        skopeo.pulls(Some(&document), &image).map_err(Error::msg)?;
        assert!(
            skopeo.pulls(Some(&document), &beside).is_err(),
            "the entry is narrowed"
        );
    }
    // The kubelet compares paths by prefix, so it would use the entry: both facts are reported.
    let outcome = program.clone().env("PULL_SECRET_IMAGE", &beside).run().await?;
    outcome.expect("SUCCESS", "unchanged", "ok", 0);
    assert!(
        outcome.report["warnings"].to_string().contains("skopeo"),
        "{outcome}"
    );
    let other = program
        .env("PULL_SECRET_IMAGE", format!("{host}/other-{team}/app:v1"))
        .run()
        .await?;
    other
        .expect("ERROR", "none", "invalid-configuration", 64)
        .expect_message("PULL_SECRET_IMAGE");
    Ok(())
}
