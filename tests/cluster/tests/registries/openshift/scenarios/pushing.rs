//! Pushes, log-ins and documents, as skopeo sees them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use test_cluster::registry::OPENSHIFT;

use super::super::stage::Stage;
use crate::world::{World, document};

fn entry(stage: &Stage, account: &str) -> Vec<u8> {
    document(OPENSHIFT, "<token>", stage.token(account))
}

fn image(stage: &Stage, reference: &str) -> String {
    format!("{OPENSHIFT}/{}/{reference}", stage.project().name)
}

pub async fn skopeo_pushes_as_pusher(world: &World) {
    let stage = Stage::new(world, None).await;
    let pusher = entry(&stage, "pusher");
    let pushed = image(&stage, "other:pushed");
    world
        .skopeo()
        .copies(&pusher, &image(&stage, "app:v1"), &pushed)
        .expect("a stream that exists takes it");
    world
        .skopeo()
        .pulls(Some(&entry(&stage, "puller")), &pushed)
        .expect("it is there");
    let refused = world
        .skopeo()
        .copies(&pusher, &image(&stage, "app:v1"), &image(&stage, "absent:v1"))
        .expect_err("it may not make a stream");
    assert!(refused.contains("denied"), "{refused}");
}

pub async fn skopeo_makes_a_stream_as_builder(world: &World) {
    let stage = Stage::new(world, None).await;
    let puller = entry(&stage, "puller");
    for tag in ["v1", "d1"] {
        let pushed = image(&stage, &format!("made-{tag}:v1"));
        assert!(
            world.skopeo().pulls(Some(&puller), &pushed).is_err(),
            "it is there already"
        );
        world
            .skopeo()
            .copies(
                &entry(&stage, "builder"),
                &image(&stage, &format!("app:{tag}")),
                &pushed,
            )
            .expect("a builder may make a stream");
        world.skopeo().pulls(Some(&puller), &pushed).expect("it is there");
    }
}

pub async fn skopeo_pulls_as_puller_alone(world: &World) {
    let stage = Stage::new(world, None).await;
    let image = image(&stage, "app:v1");
    world
        .skopeo()
        .pulls(Some(&entry(&stage, "puller")), &image)
        .expect("it pulls");
    for document in [None, Some(entry(&stage, "stranger"))] {
        let refused = world
            .skopeo()
            .pulls(document.as_deref(), &image)
            .expect_err("it may not");
        assert!(refused.contains("unauthorized"), "{refused}");
    }
    let garbage = document(OPENSHIFT, "<token>", "garbage");
    let refused = world.skopeo().pulls(Some(&garbage), &image).expect_err("garbage");
    assert!(
        refused.contains("unable to retrieve auth token: invalid username/password"),
        "{refused}"
    );
}

pub async fn skopeo_logs_in_with_any_token(world: &World) {
    let stage = Stage::new(world, None).await;
    let log_in = |password: &str| world.skopeo().logs_in(OPENSHIFT, "user", password);
    log_in(stage.token("stranger")).expect("a token that may pull nothing logs in");
    log_in("garbage").expect_err("garbage does not");
}

pub async fn skopeo_reads_authfile_variants(world: &World) {
    let stage = Stage::new(world, None).await;
    let token = stage.token("puller");
    let auth = STANDARD.encode(format!("<token>:{token}"));
    let auths = |entry: Value| json!({"auths": {OPENSHIFT: entry}});
    let pulls = |document: Value| {
        let document = document.to_string();
        world
            .skopeo()
            .pulls(Some(document.as_bytes()), &image(&stage, "app:v1"))
    };
    pulls(auths(json!({"auth": auth}))).expect("wrapped");
    pulls(json!({"auths": {format!("https://{OPENSHIFT}"): {"auth": auth}}})).expect("a key with a scheme");
    for (variant, document) in [
        ("unwrapped", json!({OPENSHIFT: {"auth": auth}})),
        (
            "without auth",
            auths(json!({"username": "<token>", "password": token})),
        ),
        (
            "empty user name",
            auths(json!({"auth": STANDARD.encode(format!(":{token}"))})),
        ),
    ] {
        let refused = pulls(document).expect_err(variant);
        assert!(refused.contains("unauthorized"), "{variant}: {refused}");
    }
    let with_newline = STANDARD.encode(format!("<token>:{token}\n"));
    let refused = pulls(auths(json!({"auth": with_newline}))).expect_err("a newline");
    assert!(refused.contains("unable to validate token"), "{refused}");
}
