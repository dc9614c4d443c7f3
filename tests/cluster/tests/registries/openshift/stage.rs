//! Projects with images and accounts that rows are played on, and the placeholders they fill in.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use test_cluster::registry::image::{Format, Image, remove_tag};

use super::rows::Row;
use crate::project::{Project, build, pull, push};
use crate::world::World;

const UNKNOWN: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A project with streams app (OCI tag v1, docker tag d1), other and empty, one that is not readable from it, and the
/// accounts of the rows.
pub struct Stage {
    project: Project,
    accounts: Vec<(&'static str, String)>,
    placeholders: Vec<(&'static str, String)>,
}

impl Stage {
    pub async fn new(world: &World, row: Option<&Row>) -> Self {
        let project = Project::new(world, "rows").await;
        let elsewhere = Project::new(world, "rows-elsewhere").await;
        let namespace = &project.name;
        let (v1, d1) = (image(Format::Oci), image(Format::Docker));
        let other = image(Format::Oci);
        let store = world.registries().store;
        for (image, reference) in [
            (&v1, format!("{namespace}/app:v1")),
            (&d1, format!("{namespace}/app:d1")),
            (&other, format!("{namespace}/other:v1")),
            (&other, format!("{namespace}/empty:gone")),
            (&v1, format!("{}/app:v1", elsewhere.name)),
        ] {
            image.push(store, &reference).expect("pushed");
        }
        remove_tag(store, &format!("{namespace}/empty:gone")).expect("the tag was there");

        let token = project.account("puller", Some(pull())).await;
        let other_audience = project.token_for_audience("puller", "elsewhere").await;
        let mut accounts = vec![
            ("admin", world.access().admin_token.clone()),
            (
                "puller of another namespace",
                elsewhere.account("puller", Some(pull())).await,
            ),
            ("stranger", project.account("stranger", None).await),
            ("pusher", project.account("pusher", Some(push())).await),
            ("builder", project.account("builder", Some(build())).await),
        ];
        if let Some(rules) = row.and_then(|row| row.rules.as_ref()) {
            let token = project.account("holder", Some(rules.clone())).await;
            accounts.push(("holder of the rule", token));
        }
        if let Some(group) = row.and_then(|row| row.bound_group.as_ref()) {
            project.grant_group(&group.replace("{ns}", namespace)).await;
        }
        let placeholders = vec![
            ("{ns}", namespace.clone()),
            ("{other ns}", elsewhere.name.clone()),
            ("{layer}", v1.blobs()[1].clone()),
            ("{digest of v1}", v1.digest()),
            ("{digest of d1}", d1.digest()),
            ("{digest of another stream}", other.digest()),
            ("{unknown digest}", UNKNOWN.to_owned()),
            ("{bad signature}", with_bad_signature(&token)),
            ("{other audience}", other_audience),
            ("{70 kB}", "x".repeat(70_000)),
        ];
        accounts.push(("puller", token));
        Self {
            project,
            accounts,
            placeholders,
        }
    }

    pub fn project(&self) -> &Project {
        &self.project
    }

    pub fn token(&self, account: &str) -> &str {
        let found = self.accounts.iter().find(|(name, _)| *name == account);
        &found
            .unwrap_or_else(|| panic!("no account {account:?} on this stage"))
            .1
    }

    /// Fills in the placeholders of a text.
    pub fn fill(&self, text: &str, account: &str) -> String {
        let text = text.replace("{T}", self.token(account));
        self.placeholders
            .iter()
            .fold(text, |text, (name, value)| text.replace(name, value))
    }

    /// The API server's answer to the holder of the rule in one form of the question for `app`.
    pub async fn review(&self, world: &World, form: &str) -> bool {
        let mut attributes = json!({
            "group": "image.openshift.io", "resource": "imagestreams/layers", "verb": "get",
            "namespace": self.project.name, "name": "app",
        });
        match form {
            "one string" => {}
            "split" => {
                attributes["resource"] = Value::from("imagestreams");
                attributes["subresource"] = Value::from("layers");
            }
            "without name" => attributes["name"] = Value::from(""),
            other => panic!("no form {other:?} of the access review"),
        }
        let review =
            serde_json::from_value(json!({"spec": {"resourceAttributes": attributes}})).expect("a review");
        let token = self.token("holder of the rule");
        let client = world.access().client_of(token).await.expect("a client");
        Api::<SelfSubjectAccessReview>::all(client)
            .create(&PostParams::default(), &review)
            .await
            .expect("an answer")
            .status
            .expect("a status")
            .allowed
    }
}

fn image(format: Format) -> Image {
    Image::new(format).expect("an image")
}

/// The same claims, without a valid signature.
fn with_bad_signature(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').expect("a JWT");
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut bytes = engine.decode(signature).expect("base64url");
    bytes[0] ^= 1;
    format!("{signed}.{}", engine.encode(bytes))
}

/// Basic credentials as a header value.
pub fn basic(credentials: &str) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
}
