//! Installs of earlier versions, taken over by this one. `tests/upgrade` has what each version left in the cluster.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::{authentication::v1::BoundObjectReference, core::v1::Secret};
use kube::api::{Patch, PatchParams};
use serde::Deserialize;
use serde_json::{Value, json};
use test_cluster::{
    kustomize::UserKustomization,
    namespace::TestNamespace,
    registry::{OPENSHIFT, push_image},
};

use crate::{
    first_run::claims,
    installation::program_of,
    kubectl::Kubectl,
    world::{pull_rules, registries},
};

/// What a version left: the objects of an overlay without Tekton's, and the Secret that a first run wrote.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fixture {
    objects: Vec<Value>,
    /// With `stringData`, and `${NAME}` for what differs in each run.
    secret: Value,
    field_manager: String,
}

impl Fixture {
    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("cannot read {}", path.display()))
    }

    /// All versions that have one for this overlay.
    fn all(overlay: &str) -> Result<Vec<Self>> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrade");
        let mut fixtures = Vec::new();
        for version in fs::read_dir(directory).context("cannot list the fixtures")? {
            fixtures.push(Self::read(&version?.path().join(format!("{overlay}.json")))?);
        }
        ensure!(!fixtures.is_empty(), "there is a fixture");
        Ok(fixtures)
    }

    /// Applies the objects, and the Secret with the credential of `values`.
    async fn install(&self, namespace: &TestNamespace) -> Result<()> {
        let objects: Vec<_> = self.objects.iter().map(Value::to_string).collect();
        let kubectl = Kubectl::new(namespace.name()).await?;
        let file = tempfile::NamedTempFile::new()?;
        fs::write(file.path(), objects.join("\n---\n"))?;
        kubectl
            .run(&[&"apply", &"--filename", &file.path()])
            .await
            .map(drop)
    }

    /// Writes the Secret as the version did.
    async fn write_secret(&self, namespace: &TestNamespace, values: &[(&str, &str)]) -> Result<Secret> {
        let mut text = self.secret.to_string();
        for (name, value) in values {
            // The values need no escapes in JSON.
            text = text.replace(&format!("${{{name}}}"), value);
        }
        ensure!(!text.contains("${"), "a value is missing: {text}");
        let mut secret: Value = serde_json::from_str(&text)?;
        let data: BTreeMap<String, String> = serde_json::from_value(secret["stringData"].take())?;
        secret["data"] = data
            .iter()
            .map(|(key, value)| (key.clone(), json!(STANDARD.encode(value))))
            .collect();
        let object = secret.as_object_mut().context("an object")?;
        object.remove("stringData");
        let name = self.secret_name()?;
        let parameters = PatchParams::apply(&self.field_manager).force();
        Ok(namespace
            .api()
            .patch(&name, &parameters, &Patch::Apply(&secret))
            .await?)
    }

    fn secret_name(&self) -> Result<String> {
        let name = self.secret["metadata"]["name"].as_str();
        name.map(str::to_owned).context("the Secret has a name")
    }
}

/// The user's own kustomization of this version, for a registry and user name.
fn kustomization(
    namespace: &TestNamespace,
    overlay: &str,
    secret: &str,
    literals: &[String],
) -> Result<UserKustomization> {
    let mut all = vec![format!("secret={secret}")];
    all.extend_from_slice(literals);
    let text = json!({
        "namespace": namespace.name(),
        "resources": [format!("../tekton/overlays/{overlay}")],
        "configMapGenerator": [{ "name": "ensure-pull-secret", "behavior": "merge", "literals": all }],
        "components": ["../tekton/components/names"],
    });
    UserKustomization::new(&text.to_string())
}

/// Applies this version's manifests over the other's, and returns their objects.
async fn upgrade(namespace: &TestNamespace, install: &UserKustomization) -> Result<Vec<Value>> {
    let kubectl = Kubectl::new(namespace.name()).await?;
    kubectl.run(&[&"apply", &"--kustomize", &install.path()]).await?;
    install.render()
}

async fn resource_version(namespace: &TestNamespace, name: &str) -> Result<Option<String>> {
    let secret = namespace.secret(name).await?.context("the Secret is there")?;
    Ok(secret.metadata.resource_version)
}

#[tokio::test]
async fn requested_token_of_an_earlier_version_is_kept_without_a_write() -> Result<()> {
    for fixture in Fixture::all("openshift")? {
        let namespace = TestNamespace::new("upgrade-token").await?;
        fixture.install(&namespace).await?;
        namespace.grant("model-puller", "pull", pull_rules()).await?;
        let repository = format!("{}/app:v1", namespace.name());
        push_image(registries().store, &repository)?;
        let name = fixture.secret_name()?;

        // As its first run did: a placeholder, and a token that is bound to it.
        let placeholder = namespace
            .create_docker_config_json(&name, br#"{"auths":{}}"#)
            .await?;
        let bound_to = BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Secret".to_owned()),
            name: Some(name.clone()),
            uid: placeholder.metadata.uid,
        };
        let token = namespace.token("model-puller", Some(bound_to), 86_400).await?;
        let claims = claims(&token)?;
        let time = |claim: &str| {
            let seconds = claims[claim].as_i64().context("a time")?;
            anyhow::Ok(k8s_openapi::jiff::Timestamp::from_second(seconds)?.to_string())
        };
        fixture
            .write_secret(
                &namespace,
                &[
                    ("NAMESPACE", namespace.name()),
                    ("TOKEN", &token),
                    ("AUTH", &STANDARD.encode(format!("<token>:{token}"))),
                    ("CREDENTIAL_ID", claims["jti"].as_str().context("an id")?),
                    ("EXPIRES_AT", &time("exp")?),
                    ("REFRESHED_AT", &time("iat")?),
                ],
            )
            .await?;
        let before = resource_version(&namespace, &name).await?;

        let runner = namespace.identity("ensure-pull-secret").await?;
        let image = format!("{OPENSHIFT}/{repository}");
        let install = kustomization(&namespace, "openshift-cronjob", &name, &[])?;
        let run = async |objects: &[Value], connection: &str| {
            program_of(objects, &runner)?
                .without("SSL_CERT_DIR")
                .env("PULL_SECRET_IMAGE", &image)
                .env("PULL_SECRET_CONNECTION", connection)
                .expect("SUCCESS", "unchanged", "ok", 0)
                .await?
                .expect_verified("pull");
            assert_eq!(resource_version(&namespace, &name).await?, before);
            anyhow::Ok(())
        };
        run(&fixture.objects, "").await?;
        let objects = upgrade(&namespace, &install).await?;
        run(&objects, "").await?;
        run(&objects, "false").await?;
    }
    Ok(())
}

#[tokio::test]
async fn robot_account_of_an_earlier_version_is_kept_without_a_write() -> Result<()> {
    let registry = &registries().basic;
    let robot = registry.account("robot").context("an account")?;
    for fixture in Fixture::all("kubernetes")? {
        let namespace = TestNamespace::new("upgrade-robot").await?;
        fixture.install(&namespace).await?;
        let repository = format!("{}/app:v1", namespace.name());
        push_image(registries().store, &repository)?;
        let name = fixture.secret_name()?;
        fixture
            .write_secret(
                &namespace,
                &[
                    ("NAMESPACE", namespace.name()),
                    ("REGISTRY", &registry.host.name),
                    ("USERNAME", &robot.name),
                    ("TOKEN", &robot.password),
                    (
                        "AUTH",
                        &STANDARD.encode(format!("{}:{}", robot.name, robot.password)),
                    ),
                    ("REFRESHED_AT", "2026-11-01T00:00:00Z"),
                ],
            )
            .await?;
        let before = resource_version(&namespace, &name).await?;

        let runner = namespace.identity("ensure-pull-secret").await?;
        let file = runner.file("robot");
        fs::write(&file, format!("{}\n", robot.password))?;
        let literals = [
            format!("registry={}", registry.host.name),
            format!("username={}", robot.name),
        ];
        let install = kustomization(&namespace, "kubernetes-cronjob", &name, &literals)?;
        let run = async |objects: &[Value]| {
            program_of(objects, &runner)?
                .without("SSL_CERT_DIR")
                .env("PULL_SECRET_REGISTRY", &registry.host.name)
                .env("PULL_SECRET_USERNAME", &robot.name)
                .env("PULL_SECRET_TOKEN_FILE", &file)
                .env("PULL_SECRET_CONNECT_TO", registry.connect_to())
                .env(
                    "PULL_SECRET_IMAGE",
                    format!("{}/{repository}", registry.host.name),
                )
                .canary(&robot.password)
                .expect("SUCCESS", "unchanged", "ok", 0)
                .await?
                .expect_verified("pull");
            assert_eq!(resource_version(&namespace, &name).await?, before);
            anyhow::Ok(())
        };
        run(&fixture.objects).await?;
        run(&upgrade(&namespace, &install).await?).await?;
    }
    Ok(())
}
