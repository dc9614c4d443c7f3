//! An install that is applied again and again, by people or by Argo CD, never touches a live credential.

use anyhow::{Context as _, Result, ensure};
use test_cluster::{
    kustomize::{self, UserKustomization},
    namespace::TestNamespace,
};

use crate::{installation::Installation, kubectl::Kubectl, manifests::define_kinds_of_tekton};

/// Both ways to apply: kubectl's own merge, and the server's.
const WAYS: [&[&str]; 2] = [
    &["apply", "--kustomize"],
    &["apply", "--server-side", "--kustomize"],
];

#[tokio::test]
async fn installing_twice_leaves_a_filled_secret_unchanged() -> Result<()> {
    define_kinds_of_tekton().await?;
    // The Secret of an install has the name in its Role.
    let installs = [
        "tekton/overlays/openshift",
        "tekton/overlays/openshift-cronjob",
        "tekton/overlays/kubernetes",
        "tekton/overlays/kubernetes-cronjob",
    ];
    for install in installs {
        for way in WAYS {
            leaves_it_as_it_is(install, way)
                .await
                .with_context(|| format!("{install}, {}", way.join(" ")))?;
        }
    }
    Ok(())
}

async fn leaves_it_as_it_is(install: &str, way: &[&str]) -> Result<()> {
    let namespace = TestNamespace::new("applied-again").await?;
    let kubectl = Kubectl::new(namespace.name()).await?;
    let user = UserKustomization::new(&format!(
        "namespace: {}\nresources: [../{install}]\n",
        namespace.name()
    ))?;
    let objects = user.render()?;
    let role = objects
        .iter()
        .find(|object| object["kind"] == "Role")
        .context("an install has a Role")?;
    let secret = role["rules"][0]["resourceNames"][0]
        .as_str()
        .context("it names a Secret")?;

    let path = user.path();
    let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = Vec::new();
    for argument in way {
        arguments.push(argument);
    }
    arguments.push(&path);
    namespace
        .create_docker_config_json(secret, br#"{"auths":{"live":{"auth":"YTpi"}}}"#)
        .await?;
    let before = namespace.secret(secret).await?;
    for _ in 0..2 {
        kubectl.run(&arguments).await?;
    }
    ensure!(
        namespace.secret(secret).await? == before,
        "the Secret was written"
    );
    Ok(())
}

#[tokio::test]
async fn run_after_a_second_install_changes_nothing() -> Result<()> {
    let installation = Installation::without_policy("applied-live").await?;
    let program = installation.program()?;
    program.expect("SUCCESS", "created", "ok", 0).await?;
    installation.apply_again().await?;
    program.expect("SUCCESS", "unchanged", "ok", 0).await?;
    Ok(())
}

/// The case that the heading of the sample warns of.
#[tokio::test]
async fn next_run_repairs_a_secret_that_a_reapplied_placeholder_emptied() -> Result<()> {
    let namespace = TestNamespace::new("placeholder").await?;
    let kubectl = Kubectl::new(namespace.name()).await?;
    let placeholder = kustomize::tekton().join("samples/argocd/placeholder.yaml");
    let apply: [&dyn AsRef<std::ffi::OsStr>; 3] = [&"apply", &"--filename", &placeholder];
    let installation = Installation::in_namespace(namespace, "internal-registry").await?;
    let program = installation.program()?;

    kubectl.run(&apply).await?;
    program.expect("SUCCESS", "refreshed", "ok", 0).await?;
    installation.stored_token().await?;
    kubectl.run(&apply).await?;
    let blanked = installation
        .namespace
        .docker_config_json("internal-registry")
        .await?;
    assert_eq!(blanked, br#"{"auths":{}}"#);
    // kubectl wrote the document since the last run.
    program.expect("WARNING", "refreshed", "reverted", 0).await?;
    installation.stored_token().await?;
    Ok(())
}
