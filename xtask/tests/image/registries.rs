//! Pushes as in the node tier: the image of this machine's platform, to registries with credentials.

use std::{fs, path::PathBuf, process::Command};

use anyhow::Result;
use container_image::{BuildContext, Builder, BuiltImage, Destination, Labels, Platform, build_and_push};
use serde_json::json;
use test_cluster::{access::ClusterAccess, namespace::TestNamespace, program::BINARY};

use crate::setting::{User, proxy, pulls_without_credential, registries};

/// The shipped binary.
fn binary() -> PathBuf {
    let path = std::env::var_os(BINARY).expect("run the suite with `cargo xtask test`");
    path.into()
}

#[tokio::test]
async fn openshifts_registry_serves_the_pushed_image_by_digest_to_a_puller() -> Result<()> {
    let namespace = TestNamespace::new("image").await?;
    // system:image-builder, but for what it can do to Builds, and system:image-puller.
    let groups = ["", "image.openshift.io"];
    let push = json!({"apiGroups": groups, "resources": ["imagestreams/layers"], "verbs": ["get", "update"]});
    let create = json!({"apiGroups": groups, "resources": ["imagestreams"], "verbs": ["create"]});
    let pull = json!({"apiGroups": groups, "resources": ["imagestreams/layers"], "verbs": ["get"]});
    let host = &registries().openshift.host.name;
    let mut users = Vec::new();
    for (account, rules) in [("builder", json!([push, create])), ("puller", json!([pull]))] {
        namespace.service_account(account).await?;
        namespace.grant(account, account, rules).await?;
        let token = namespace.token(account, None, 3600).await?;
        users.push(User::new(host, "<token>", &token));
    }
    let [builder, puller] = &users[..] else {
        panic!("two users")
    };
    let reference = format!("{host}/{}/ensure-pull-secret", namespace.name());

    let refused = build_and_push(&binary(), &puller.destination(&reference)).await;
    let error = format!("{:#}", refused.expect_err("it may only pull"));
    assert!(
        error.contains(&format!("cannot push the image to {reference}:")),
        "{error}"
    );

    let image = build_and_push(&binary(), &builder.destination(&reference)).await?;
    assert_eq!(image.name(), reference);
    assert_eq!(puller.pulls(&image.to_string()), Ok(()));
    pulls_without_credential(&image.to_string()).expect_err("no other client can pull it");
    Ok(())
}

#[tokio::test]
async fn each_builder_makes_the_same_image_each_time() -> Result<()> {
    let builders = Builder::all_installed();
    assert!(
        builders.len() == 2 || std::env::var_os("CI").is_none(),
        "buildah and podman are to be tried, and there is only {builders:?}"
    );
    assert!(!builders.is_empty(), "install buildah or podman");
    let directory = tempfile::tempdir()?;
    let user = User::robot();
    let host = &registries().basic.host.name;
    for builder in builders {
        let mut digests = Vec::new();
        for content in ["a binary", "a binary", "another"] {
            // Written anew each time: its age must not matter.
            let binary = directory.path().join("binary");
            fs::write(&binary, content)?;
            let binaries = Platform::ALL.map(|platform| (platform, binary.clone()));
            let context = BuildContext::write(&directory.path().join("context"), &binaries)?;
            let image = BuiltImage::build(&builder, &context, &Labels::new()).await?;
            let pushed = image
                .push(&user.destination(&format!("{host}/tools/reproduced:v1")))
                .await?;
            digests.push(pushed.digest().to_owned());
        }
        let [first, second, other] = &digests[..] else {
            panic!("three images")
        };
        assert_eq!(first, second, "{}", builder.program().display());
        assert_ne!(first, other, "{}", builder.program().display());
    }
    Ok(())
}

#[tokio::test]
async fn a_layout_is_the_image_without_a_builder() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let layout = directory.path().join("layout");
    container_image::build(&binary())
        .await?
        .write_layout(&layout)
        .await?;
    let pushed = Command::new(&ClusterAccess::shared().binaries.crane)
        .args(["push", "--insecure"])
        .arg(&layout)
        .arg(format!("{}/tools/layout:v1", registries().store))
        .output()?;
    let error = String::from_utf8_lossy(&pushed.stderr);
    let output = String::from_utf8_lossy(&pushed.stdout);
    let digest = output.trim().rsplit_once('@').map(|(_, digest)| digest);
    let image = format!(
        "{}/tools/layout@{}",
        registries().basic.host.name,
        digest.expect(&error)
    );
    assert_eq!(User::robot().pulls(&image), Ok(()));
    Ok(())
}

#[tokio::test]
async fn a_registry_that_is_not_trusted_or_refuses_gets_nothing() -> Result<()> {
    let user = User::robot();
    let host = &registries().basic.host.name;
    let reference = format!("{host}/tools/refused:v1");
    let stranger = User::new(host, "robot", "wrong-password");
    let untrusted = Destination::new(&reference)?
        .through_proxy(proxy().url())
        .with_credentials(user.credentials());
    for (destination, cause) in [
        (untrusted, "x509: certificate signed by unknown authority"),
        (stranger.destination(&reference), "authentication required"),
    ] {
        let refused = build_and_push(&binary(), &destination).await;
        let error = format!("{:#}", refused.expect_err(cause));
        assert!(
            error.contains(&format!("cannot push the image to {reference}")) && error.contains(cause),
            "{error}"
        );
        assert!(!error.contains("wrong-password"), "{error}");
    }
    user.pulls(&reference).expect_err("nothing was pushed");
    Ok(())
}
