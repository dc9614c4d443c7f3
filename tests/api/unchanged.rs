//! "Unchanged": each clause is broken alone; the run repairs it and changes nothing else.

use anyhow::{Context as _, Result};
use k8s_openapi::{
    ByteString,
    api::{
        authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
        core::v1::{Secret, ServiceAccount},
    },
};
use kube::api::PostParams;
use serde_json::{Value, json};
use test_cluster::registry::OPENSHIFT;

use crate::{
    first_run::claims,
    tokens::document_with,
    world::{PULLER, RUNNER, SECRET, World, registries, renewing, short_lived},
};

/// The Secret without the fields that every write changes.
fn comparable(secret: &Secret) -> Value {
    let mut secret = secret.clone();
    secret.metadata.resource_version = None;
    secret.metadata.managed_fields = None;
    json!(secret)
}

/// Annotations about the credential.
const OWN: [&str; 4] = [
    "ensure-pull-secret/expires-at",
    "ensure-pull-secret/refreshed-at",
    "ensure-pull-secret/service-account",
    "ensure-pull-secret/credential-id",
];

#[derive(Clone, Copy, Debug)]
enum Part {
    Label(&'static str),
    Annotation(&'static str),
    Key(&'static str),
}

impl Part {
    fn set(self, secret: &mut Secret, value: Option<&str>) {
        let (map, name) = match self {
            Self::Key(name) => {
                let data = secret.data.get_or_insert_default();
                match value {
                    Some(value) => data.insert(name.to_owned(), ByteString(value.as_bytes().to_vec())),
                    None => data.remove(name),
                };
                return;
            }
            Self::Label(name) => (secret.metadata.labels.get_or_insert_default(), name),
            Self::Annotation(name) => (secret.metadata.annotations.get_or_insert_default(), name),
        };
        match value {
            Some(value) => map.insert(name.to_owned(), value.to_owned()),
            None => map.remove(name),
        };
    }
}

#[tokio::test]
async fn each_changed_label_annotation_and_key_is_repaired_alone() -> Result<()> {
    let world = World::new("clauses").await?;
    let program = world.program();
    program.expect("SUCCESS", "created", "ok", 0).await?;
    let mut secret = world.secret().await?;
    Part::Label("team").set(&mut secret, Some("blue"));
    Part::Annotation("note").set(&mut secret, Some("kept"));
    Part::Key("extra").set(&mut secret, Some("kept"));
    let good = comparable(&world.namespace.replace(&secret).await?);
    program.expect("SUCCESS", "unchanged", "ok", 0).await?;

    let mut cases: Vec<(Part, Option<&str>)> = Vec::new();
    let valued = OWN.into_iter().chain([
        "opendatahub.io/connection-type-ref",
        "opendatahub.io/connection-type-protocol",
    ]);
    cases.extend(
        valued
            .map(Part::Annotation)
            .flat_map(|part| [(part, None), (part, Some("other"))]),
    );
    cases.extend(
        ["openshift.io/display-name", "openshift.io/description"].map(|name| (Part::Annotation(name), None)),
    );
    cases.extend([None, Some("false")].map(|value| (Part::Label("opendatahub.io/dashboard"), value)));
    let newline = format!("{OPENSHIFT}\n");
    cases.extend([None, Some(newline.as_str())].map(|value| (Part::Key("OCI_HOST"), value)));
    cases.extend([None, Some(r#"["Push","Pull"]"#)].map(|value| (Part::Key("ACCESS_TYPE"), value)));

    let mark = world.mark().await?;
    for (part, value) in cases {
        let mut broken = world.secret().await?;
        part.set(&mut broken, value);
        world.namespace.replace(&broken).await?;
        let outcome = program.run().await?;
        let ended = (
            outcome.result("ACTION"),
            outcome.result("REASON"),
            outcome.output.exit,
        );
        assert_eq!(ended, ("refreshed", "ok", 0), "{part:?} {value:?}: {outcome}");
        assert_eq!(comparable(&world.secret().await?), good, "{part:?} {value:?}");
    }
    let requests = world.requests(mark).await?;
    assert!(
        requests.iter().all(|request| request.subresource != "token"),
        "no token is requested"
    );
    program.expect("SUCCESS", "unchanged", "ok", 0).await?;
    Ok(())
}

#[tokio::test]
async fn chosen_display_name_and_description_are_kept() -> Result<()> {
    let world = World::new("renamed").await?;
    short_lived(&world.program())
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    let mut secret = world.secret().await?;
    for name in ["openshift.io/display-name", "openshift.io/description"] {
        Part::Annotation(name).set(&mut secret, Some("Chosen by hand"));
    }
    let renamed = world.namespace.replace(&secret).await?;
    world.program().expect("SUCCESS", "unchanged", "ok", 0).await?;
    assert_eq!(world.secret().await?, renamed);
    renewing(&world.program())
        .expect("SUCCESS", "refreshed", "ok", 0)
        .await?;
    for name in ["openshift.io/display-name", "openshift.io/description"] {
        assert_eq!(
            json!(world.secret().await?.metadata.annotations)[name],
            "Chosen by hand",
            "a refresh keeps it"
        );
    }
    Ok(())
}

#[tokio::test]
async fn each_defect_of_the_stored_credential_is_repaired_and_the_rest_kept() -> Result<()> {
    let world = World::new("credential").await?;
    let image = world.push("app:v1")?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image);
    program.expect("SUCCESS", "created", "ok", 0).await?;
    let good = world.stored_token().await?;
    let entry = |entry: Value| json!({"auths": {OPENSHIFT: entry}}).to_string();
    let auth = |user: &str, token: &str| base64_of(&format!("{user}:{token}"));
    let pod_bound = world.namespace.identity(PULLER).await?;
    let unbound = world.namespace.token(PULLER, None, 7200).await?;
    let defects: Vec<(&str, String)> = vec![
        ("no entry", r#"{"auths":{}}"#.to_owned()),
        ("no auth", entry(json!({"username": "<token>", "password": good}))),
        (
            "auth that is no base64",
            entry(json!({"username": "<token>", "password": good, "auth": "!!"})),
        ),
        (
            "another user",
            entry(json!({"username": "u", "password": good, "auth": auth("u", &good)})),
        ),
        (
            "another password beside",
            entry(json!({"username": "<token>", "password": "x", "auth": auth("<token>", &good)})),
        ),
        (
            "no password beside",
            entry(json!({"auth": auth("<token>", &good)})),
        ),
        ("no Kubernetes token", document_with("a-robots-password")),
        ("bound to nothing", document_with(&unbound)),
        ("bound to a pod", document_with(pod_bound.token())),
        (
            "bound to another Secret",
            document_with(&bound_to(&world, "another", PULLER, None).await?),
        ),
        (
            "another account",
            document_with(&bound_to(&world, SECRET, RUNNER, None).await?),
        ),
        (
            "another audience",
            document_with(&bound_to(&world, SECRET, PULLER, Some("https://other.test")).await?),
        ),
    ];
    // No registry and no review helps to find it out.
    let by_structure = program.clone().env("PULL_SECRET_VERIFY", "structure");
    for (name, document) in defects {
        let unmanaged = r#""other.test":{"auth":"dTpw","n":2.50}"#;
        let document = document
            .replacen(r#"{"auths":{"#, &format!(r#"{{"auths":{{{unmanaged},"#), 1)
            .replace(",}", "}");
        let last = world.stored_token().await?;
        let holds_last = ["<token>", "u"]
            .map(|user| auth(user, &last))
            .iter()
            .any(|auth| document.contains(auth));
        let mut broken = world.secret().await?;
        Part::Key(".dockerconfigjson").set(&mut broken, Some(&document));
        Part::Key("extra").set(&mut broken, Some("kept"));
        let broken = world.namespace.replace(&broken).await?;
        let outcome = by_structure.run().await?;
        // Without the last run's credential the document counts as rewritten by another manager.
        let reason = if holds_last { "not-verified" } else { "reverted" };
        let ended = (
            outcome.result("ACTION"),
            outcome.result("REASON"),
            outcome.result("VERIFIED"),
        );
        assert_eq!(ended, ("refreshed", reason, "none"), "{name}: {outcome}");
        let claims = claims(&world.stored_token().await?)?;
        assert_eq!(
            claims["kubernetes.io"]["secret"]["uid"],
            json!(broken.metadata.uid),
            "{name}"
        );
        assert!(
            String::from_utf8(world.document().await?)?.contains(unmanaged),
            "{name}"
        );
        assert_eq!(
            but_the_credential(&world.secret().await?),
            but_the_credential(&broken),
            "{name}"
        );
    }
    program
        .expect("SUCCESS", "unchanged", "ok", 0)
        .await?
        .expect_verified("pull");
    world.assert_pulls(&image).await
}

/// The Secret without the fields that a new credential changes.
fn but_the_credential(secret: &Secret) -> Value {
    let mut secret = secret.clone();
    Part::Key(".dockerconfigjson").set(&mut secret, None);
    for name in OWN {
        Part::Annotation(name).set(&mut secret, None);
    }
    comparable(&secret)
}

fn base64_of(text: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(text)
}

/// A token of `account`, bound to the Secret of that name, which is made where it is missing.
async fn bound_to(world: &World, secret: &str, account: &str, audience: Option<&str>) -> Result<String> {
    let bound = match world.namespace.secret(secret).await? {
        Some(found) => found,
        None => world.namespace.create_secret(secret, "Opaque", []).await?,
    };
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: audience.map(str::to_owned).into_iter().collect(),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Secret".to_owned()),
                name: Some(secret.to_owned()),
                uid: bound.metadata.uid,
            }),
            expiration_seconds: Some(7200),
        },
        ..TokenRequest::default()
    };
    let accounts = world.namespace.api::<ServiceAccount>();
    let answer = accounts
        .create_token_request(account, &PostParams::default(), &request)
        .await?;
    Ok(answer.status.context("the status has the token")?.token)
}

#[tokio::test]
async fn missing_or_different_entry_of_one_registry_is_repaired_at_both() -> Result<()> {
    let world = World::new("two-entries").await?;
    let long = OPENSHIFT.replace(".svc:", ".svc.cluster.local:");
    let address = registries().openshift.host.address;
    let program = world
        .program()
        .env("PULL_SECRET_REGISTRY", format!("{OPENSHIFT},{long}"))
        .env("PULL_SECRET_CONNECT_TO", format!("{OPENSHIFT}={address}"))
        .env("PULL_SECRET_VERIFY", "api");
    program.expect("SUCCESS", "created", "ok", 0).await?;
    let other = bound_to(&world, SECRET, PULLER, None).await?;
    let defects = [None, Some(("<token>", other.as_str())), Some(("u", ""))];
    for defect in defects {
        let good: Value = serde_json::from_slice(&world.document().await?)?;
        let token = good["auths"][OPENSHIFT]["password"]
            .as_str()
            .context("a token")?
            .to_owned();
        let mut broken = good.clone();
        let auths = broken["auths"].as_object_mut().context("auths")?;
        match defect {
            None => drop(auths.remove(&long)),
            Some((user, password)) => {
                let password = if password.is_empty() {
                    token.as_str()
                } else {
                    password
                };
                let auth = base64_of(&format!("{user}:{password}"));
                auths.insert(
                    long.clone(),
                    json!({"username": user, "password": password, "auth": auth}),
                );
            }
        }
        let mut secret = world.secret().await?;
        Part::Key(".dockerconfigjson").set(&mut secret, Some(&broken.to_string()));
        world.namespace.replace(&secret).await?;
        let mark = world.mark().await?;
        program.expect("SUCCESS", "refreshed", "ok", 0).await?;
        let repaired: Value = serde_json::from_slice(&world.document().await?)?;
        assert_eq!(repaired["auths"][OPENSHIFT], repaired["auths"][&long]);
        let requests = world.requests(mark).await?;
        assert!(
            !requests.iter().any(|request| request.subresource == "token"),
            "the stored token is set for both"
        );
    }
    program.expect("SUCCESS", "unchanged", "ok", 0).await?;
    Ok(())
}

#[tokio::test]
async fn connection_false_removes_the_dashboard_fields_at_the_next_write() -> Result<()> {
    let world = World::new("connection").await?;
    short_lived(&world.program())
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    let connected = world.secret().await?;
    let without = world.program().env("PULL_SECRET_CONNECTION", "false");
    // They alone cause no write.
    without.expect("SUCCESS", "unchanged", "ok", 0).await?;
    assert_eq!(world.secret().await?, connected);
    renewing(&without).expect("SUCCESS", "refreshed", "ok", 0).await?;
    let secret = world.secret().await?;
    assert_eq!(secret.metadata.labels, None);
    let annotations: Vec<_> = secret
        .metadata
        .annotations
        .unwrap_or_default()
        .into_keys()
        .collect();
    let mut own = OWN.to_vec();
    own.sort_unstable();
    assert_eq!(annotations, own);
    assert_eq!(
        secret.data.unwrap_or_default().into_keys().collect::<Vec<_>>(),
        [".dockerconfigjson"]
    );
    world.program().expect("SUCCESS", "refreshed", "ok", 0).await?;
    let metadata = world.secret().await?.metadata;
    assert_eq!(
        metadata.labels, connected.metadata.labels,
        "asked for again, it is there again"
    );
    Ok(())
}
