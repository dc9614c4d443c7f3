//! `PULL_SECRET_ACCESS=Push,Pull`: pushing is verified, and nothing is pushed.

use anyhow::Result;
use serde_json::json;
use test_cluster::registry::{push_image, request_log};

use crate::{
    registries::with_robot,
    world::{PULLER, World, registries},
};

#[tokio::test]
async fn push_to_openshift_is_verified_by_an_access_review() -> Result<()> {
    let world = World::new("push").await?;
    let image = world.push("app:v1")?;
    let program = world
        .program()
        .env("PULL_SECRET_IMAGE", &image)
        .env("PULL_SECRET_ACCESS", "Push,Pull");
    let may_pull_alone = program.run().await?;
    may_pull_alone
        .expect("FAILURE", "created", "pull-forbidden", 77)
        .expect_message("push");
    let grant = may_pull_alone.report["remedy"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(grant.contains("system:image-pusher"), "{grant}");

    let pushes = json!([{"apiGroups": ["image.openshift.io"], "resources": ["imagestreams/layers"], "verbs": ["update"]}]);
    world.namespace.grant(PULLER, "push", pushes).await?;
    program
        .expect("SUCCESS", "unchanged", "ok", 0)
        .await?
        .expect_verified("pull");
    let secret = world.secret().await?;
    let data = secret.data.unwrap_or_default();
    assert_eq!(data["ACCESS_TYPE"].0, br#"["Push","Pull"]"#);

    let log = request_log::read(&registries().openshift.request_log)?;
    let managed = log
        .iter()
        .filter(|request| request.path.contains(world.namespace.name()) && is_managed(request));
    let methods: Vec<&str> = managed.map(|request| request.method.as_str()).collect();
    assert!(
        !methods.is_empty() && methods.iter().all(|method| ["GET", "HEAD"].contains(method)),
        "{methods:?}"
    );
    Ok(())
}

#[tokio::test]
async fn push_to_other_registries_is_verified_by_a_cancelled_upload() -> Result<()> {
    let all = registries();
    for (name, registry, may_push) in [("basic", &all.basic, "robot"), ("token", &all.token, "pusher")] {
        let world = World::new(&format!("push-{name}")).await?;
        let repository = format!("{}/app", world.namespace.name());
        push_image(all.store, &format!("{repository}:v1"))?;
        let image = format!("{}/{repository}:v1", registry.host.name);
        let asked = || {
            with_robot(&world, registry, may_push).map(|program| {
                program
                    .env("PULL_SECRET_IMAGE", &image)
                    .env("PULL_SECRET_ACCESS", "Push,Pull")
            })
        };
        asked()?
            .expect("SUCCESS", "created", "ok", 0)
            .await?
            .expect_verified("pull");
        let log = request_log::read(&registry.request_log)?;
        let writes: Vec<&str> = log
            .iter()
            .filter(|request| is_managed(request) && request.path.contains(&repository))
            .map(|request| request.method.as_str())
            .filter(|method| !["GET", "HEAD"].contains(method))
            .collect();
        // An account that may push need not be allowed to delete: the registry expires the upload.
        assert_eq!(writes, ["POST", "DELETE"], "begun and cancelled");
    }

    let world = World::new("push-forbidden").await?;
    let repository = format!("{}/app:v1", world.namespace.name());
    push_image(all.store, &repository)?;
    let image = format!("{}/{repository}", all.token.host.name);
    let pulls_alone = with_robot(&world, &all.token, "robot")?
        .env("PULL_SECRET_IMAGE", &image)
        .env("PULL_SECRET_ACCESS", "Push,Pull");
    let outcome = pulls_alone.run().await?;
    outcome
        .expect("FAILURE", "created", "pull-forbidden", 77)
        .expect_message("push")
        .expect_verified("login");
    Ok(())
}

fn is_managed(request: &request_log::LoggedRequest) -> bool {
    request
        .user_agent
        .as_deref()
        .is_some_and(|agent| agent.starts_with("ensure-pull-secret/"))
}
