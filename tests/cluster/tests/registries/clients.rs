//! Results of crane and skopeo at the registries, with a document or without.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use test_cluster::registry::image::{Format, Image};
use test_cluster::registry::{PUBLIC, Registries, Registry, push_image, request_log};

use crate::project::{Project, pull};
use crate::world::{World, document};

/// The verdicts of both clients; of crane alone where `cargo xtask test` runs without skopeo.
fn pulls(world: &World, document: Option<&[u8]>, image: &str) -> Vec<Result<(), String>> {
    let skopeo = world.optional_skopeo();
    std::iter::once(world.crane().pulls(document, image))
        .chain(skopeo.map(|skopeo| skopeo.pulls(document, image)))
        .collect()
}

fn assert_pulls(world: &World, document: &[u8], image: &str) {
    for verdict in pulls(world, Some(document), image) {
        assert_eq!(verdict, Ok(()), "{image}");
    }
}

fn assert_refused(world: &World, document: Option<&[u8]>, image: &str) {
    for verdict in pulls(world, document, image) {
        let error = verdict.expect_err(image);
        assert!(
            error.to_lowercase().contains("unauthorized") || error.contains("authentication required"),
            "{image}: {error}"
        );
    }
}

#[tokio::test]
async fn a_token_of_a_puller_pulls_from_openshift_and_nothing_else_does() {
    let world = World::shared();
    let project = Project::new(world, "clients").await;
    let token = project.account("puller", Some(pull())).await;
    let stranger = project.account("stranger", None).await;
    let host = &world.registries().openshift.host.name;
    let repository = format!("{}/model", project.name);
    let oci = Image::new(Format::Oci).expect("an image");
    oci.push(world.registries().store, &format!("{repository}:oci"))
        .expect("pushed");
    let docker = Image::new(Format::Docker).expect("an image");
    docker
        .push(world.registries().store, &format!("{repository}:docker"))
        .expect("pushed");

    let stored = document(host, "<token>", &token);
    for image in [
        format!("{host}/{repository}:oci"),
        format!("{host}/{repository}@{}", oci.digest()),
        format!("{host}/{repository}:docker"),
    ] {
        assert_pulls(world, &stored, &image);
        assert_refused(world, None, &image);
        assert_refused(world, Some(&document(host, "<token>", &stranger)), &image);
    }

    let log = request_log::read(&world.registries().openshift.request_log).expect("a log");
    let user = format!("system:serviceaccount:{}:puller", project.name);
    for blob in oci.blobs() {
        let fetched = log.iter().filter(|request| {
            request.path == format!("/v2/{repository}/blobs/{blob}")
                && request.status == 200
                && request.user.as_deref() == Some(&user)
        });
        let clients = 1 + usize::from(world.optional_skopeo().is_some());
        assert!(fetched.count() >= clients, "crane and skopeo each fetch {blob}");
    }
}

#[test]
fn each_account_pulls_what_it_may_from_registries_with_own_accounts() {
    let world = World::shared();
    let registries = world.registries();
    push_image(registries.store, "team-a/app:v1").expect("pushed");
    push_image(registries.store, "team-b/app:v1").expect("pushed");
    let of = |registry: &Registry, account: &str| {
        let account = registry.account(account).expect("an account");
        document(&registry.host.name, &account.name, &account.password)
    };
    for registry in [&registries.basic, &registries.token, &registries.token_elsewhere] {
        let host = &registry.host.name;
        let image = format!("{host}/team-b/app:v1");
        assert_pulls(world, &of(registry, "robot"), &image);
        assert_refused(world, None, &image);
        assert_refused(world, Some(&document(host, "robot", "wrong")), &image);
    }
    for registry in [&registries.token, &registries.token_elsewhere] {
        let host = &registry.host.name;
        assert_pulls(
            world,
            &of(registry, "team-a-robot"),
            &format!("{host}/team-a/app:v1"),
        );
        for account in ["nobody", "team-a-robot"] {
            let image = format!("{host}/team-b/app:v1");
            for verdict in pulls(world, Some(&of(registry, account)), &image) {
                let error = verdict.expect_err("it may not pull that").to_lowercase();
                assert!(
                    error.contains("denied") || error.contains("unauthorized"),
                    "{error}"
                );
            }
        }
    }
    let realm = registries.token_elsewhere.realm.as_ref().expect("another host");
    assert!(
        world.proxy().targets().contains(&realm.name),
        "the token came from the other host"
    );
}

#[test]
fn the_seeds_unwrapped_document_pulls_nothing() {
    let world = World::shared();
    let registry = &world.registries().basic;
    push_image(world.registries().store, "team-a/incident:v1").expect("pushed");
    let account = registry.account("robot").expect("an account");
    let image = format!("{}/team-a/incident:v1", registry.host.name);
    let wrapped = document(&registry.host.name, &account.name, &account.password);
    let mut parsed: serde_json::Value = serde_json::from_slice(&wrapped).expect("JSON");
    let unwrapped = parsed["auths"].take().to_string();

    assert_pulls(world, &wrapped, &image);
    assert_refused(world, Some(unwrapped.as_bytes()), &image);
}

#[test]
fn only_public_images_are_pulled_without_a_credential() {
    let world = World::shared();
    let registries = world.registries();
    let image = format!("{PUBLIC}/app:v1");
    push_image(registries.store, &image).expect("pushed");
    for registry in [&registries.token, &registries.token_elsewhere, &registries.open] {
        for verdict in pulls(world, None, &format!("{}/{image}", registry.host.name)) {
            assert_eq!(verdict, Ok(()), "{}", registry.host.name);
        }
    }
    for registry in [&registries.openshift, &registries.basic] {
        assert_refused(world, None, &format!("{}/{image}", registry.host.name));
    }
}

#[test]
fn request_log_has_the_account_and_never_the_credential() {
    let world = World::shared();
    let registries = world.registries();
    push_image(registries.store, "team-a/logged:v1").expect("pushed");
    for registry in [&registries.basic, &registries.token, &registries.token_elsewhere] {
        let account = registry.account("robot").expect("an account");
        let entry = document(&registry.host.name, &account.name, &account.password);
        let image = format!("{}/team-a/logged:v1", registry.host.name);
        assert_pulls(world, &entry, &image);
        assert_refused(
            world,
            Some(&document(&registry.host.name, "robot", "wrong")),
            &image,
        );

        let log = request_log::read(&registry.request_log).expect("a log");
        let of_this_image = log
            .iter()
            .filter(|request| request.path.contains("/team-a/logged/"));
        for request in of_this_image {
            let expected = (request.status != 401).then_some("robot");
            assert_eq!(request.user.as_deref(), expected, "{request:?}");
        }
        assert!(log.iter().any(|request| request.user.as_deref() == Some("robot")));
        let text = std::fs::read_to_string(&registry.request_log).expect("a log");
        let auth = STANDARD.encode(format!("robot:{}", account.password));
        assert!(!text.contains(&account.password) && !text.contains(&auth));
    }
}

#[test]
fn running_registry_can_be_described_to_another_process() {
    let registries = World::shared().registries();
    let json = serde_json::to_string(registries).expect("JSON");
    let parsed: Registries = serde_json::from_str(&json).expect("the same type");
    assert_eq!(parsed.connect_to(), registries.connect_to());
    assert_eq!(
        parsed.basic.account("robot").expect("an account").password,
        registries.basic.account("robot").expect("an account").password
    );
    for (name, address) in registries.routes() {
        assert!(
            parsed.connect_to().contains(&format!("{name}={address}")),
            "{name}"
        );
    }
}
