//! Number and kind of the API calls: reviews only if the registry leaves a question.

use anyhow::Result;
use test_cluster::{audit::AuditedRequest, program::Program, registry::OPENSHIFT};

use crate::{
    inconclusive_registries::{Cause, InconclusiveRegistry},
    refresh::{calls, verbs},
    registries::with_robot,
    world::{World, registries, renewing, short_lived},
};

/// The reviews among the requests: of the credential itself, and of its access to one image.
fn reviews(requests: &[AuditedRequest]) -> (usize, usize) {
    let count = |resource: &str| {
        requests
            .iter()
            .filter(|request| request.resource == resource)
            .count()
    };
    (count("selfsubjectreviews"), count("selfsubjectaccessreviews"))
}

async fn asked(world: &World, program: &Program) -> Result<(Vec<String>, (usize, usize))> {
    let mark = world.mark().await?;
    program.run().await?;
    let requests = world.requests(mark).await?;
    Ok((calls(&requests), reviews(&requests)))
}

#[tokio::test]
async fn inconclusive_registry_is_reviewed_once_per_credential_and_image() -> Result<()> {
    let world = World::new("reviews").await?;
    let images = format!("{},{}", world.push("app:v1")?, world.push("other:v1")?);
    let ensure = world.program().env("PULL_SECRET_IMAGE", &images);
    ensure.expect("SUCCESS", "created", "ok", 0).await?;
    let one_get = vec!["get secrets".to_owned()];
    for (cause, access_reviews) in [
        (Cause::Unreachable, 2),
        (Cause::Untrusted, 2),
        // By its answer it is not OpenShift's, so there is no image stream to review.
        (Cause::Anonymous, 0),
    ] {
        let inconclusive = InconclusiveRegistry::start(&world, OPENSHIFT, cause)?;
        // The stand-in is trusted by no CA of the suite's own registries.
        let seen = asked(&world, &inconclusive.instead_of(OPENSHIFT, &ensure)).await?;
        assert_eq!(seen, (one_get.clone(), (1, access_reviews)), "{cause:?}");
    }
    for (depth, expected) in [("api", (1, 2)), ("structure", (0, 0))] {
        let seen = asked(&world, &ensure.clone().env("PULL_SECRET_VERIFY", depth)).await?;
        assert_eq!(seen, (one_get.clone(), expected), "{depth}");
    }
    Ok(())
}

#[tokio::test]
async fn no_review_is_sent_if_the_registry_answered() -> Result<()> {
    let world = World::new("no-reviews").await?;
    let image = world.push("app:v1")?;
    let login = world.program();
    let (_, seen) = asked(&world, &login).await?;
    assert_eq!(seen, (0, 0), "accepted");
    for image in [
        image.clone(),
        image.replace(":v1", ":gone"),
        image.replace("/app:", "/gone:"),
    ] {
        let (calls, seen) = asked(&world, &login.clone().env("PULL_SECRET_IMAGE", &image)).await?;
        assert_eq!((calls, seen), (vec!["get secrets".to_owned()], (0, 0)), "{image}");
    }
    Ok(())
}

#[tokio::test]
async fn registry_refusal_is_reviewed_once_per_credential_and_image() -> Result<()> {
    let world = World::new("refusal").await?;
    let images = format!("{},{}", world.push("app:v1")?, world.push("other:v1")?);
    let program = world.program().env("PULL_SECRET_IMAGE", &images);
    short_lived(&program)
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    world.revoke_pull().await?;
    assert_eq!(
        asked(&world, &program).await?,
        (vec!["get secrets".to_owned()], (1, 2)),
        "the stored one"
    );
    let refresh = [
        "get secrets",
        "create serviceaccounts/token",
        "patch secrets",
        "get secrets",
    ];
    let (calls, seen) = asked(&world, &renewing(&program)).await?;
    assert_eq!(calls, refresh);
    assert_eq!(
        seen,
        (2, 4),
        "the new one, and the stored one where the new one was refused"
    );
    Ok(())
}

#[tokio::test]
async fn robot_password_is_never_reviewed() -> Result<()> {
    let world = World::new("robot-reviews").await?;
    let basic = &registries().basic;
    let robot = with_robot(&world, basic, "robot")?;
    for cause in [
        Cause::Unreachable,
        Cause::Untrusted,
        Cause::Anonymous,
        Cause::OtherProtocol,
    ] {
        let inconclusive = InconclusiveRegistry::start(&world, &basic.host.name, cause)?;
        let mark = world.mark().await?;
        inconclusive.instead_of(&basic.host.name, &robot).run().await?;
        let requests = world.requests(mark).await?;
        assert_eq!(reviews(&requests), (0, 0), "{cause:?}");
        assert!(
            !requests.is_empty() && requests.len() <= 4,
            "a first run requests no token: {:?}",
            verbs(&requests)
        );
    }
    Ok(())
}
