//! The Secret on the API server: read, create as a placeholder, apply.
//!
//! Server-side apply only, never PUT or delete: others' labels, keys and owners survive, and `create` and `patch` with
//! resourceNames suffice.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};

use crate::kubernetes::{client::LastStatus, error::KubernetesError};

/// The type of a wrapped pull secret.
pub const SECRET_TYPE: &str = "kubernetes.io/dockerconfigjson";

/// The key of its document.
pub const DOCUMENT_KEY: &str = ".dockerconfigjson";

/// Owns everything this program writes; Argo CD's `managedFieldsManagers` may name it.
const FIELD_MANAGER: &str = "ensure-pull-secret";

/// Owns the placeholder alone, so that a second run's placeholder conflicts with a first run's credential.
const PLACEHOLDER_MANAGER: &str = "ensure-pull-secret-placeholder";

/// The document of a placeholder: what a credential is put into where there is no Secret yet.
pub const PLACEHOLDER: &[u8] = br#"{"auths":{}}"#;

/// One version of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Another object of the same name has another one.
    pub uid: String,
    /// Changes with every write.
    pub resource_version: String,
}

/// A deletion that has begun and waits for finalizers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// The names in `metadata.finalizers`: the Secret is gone once the list is empty.
    pub finalizers: Vec<String>,
}

/// The Secret as it is stored. Can't be printed.
#[derive(Clone)]
pub struct StoredSecret {
    /// Which version this is.
    pub version: Version,
    /// `type`, empty where absent.
    pub secret_type: String,
    /// Set once `metadata.deletionTimestamp` is: whatever is written then is lost.
    pub deletion: Option<Deletion>,
    /// Whether its data can't be changed.
    pub immutable: bool,
    /// All of its data.
    pub data: BTreeMap<String, Vec<u8>>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

impl StoredSecret {
    /// What stands for one that isn't there yet: of the right type, without anything in it.
    pub fn absent() -> Self {
        Self {
            version: Version {
                uid: String::new(),
                resource_version: String::new(),
            },
            secret_type: SECRET_TYPE.to_owned(),
            deletion: None,
            immutable: false,
            data: BTreeMap::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        }
    }

    /// The document's bytes; empty where the key is missing, which the API server does not allow for this type.
    pub fn document(&self) -> &[u8] {
        self.data.get(DOCUMENT_KEY).map_or(&[], Vec::as_slice)
    }
}

/// All that this program writes to a Secret. What it wrote before and leaves out now is removed by the API server,
/// where nobody else owns it too. Can't be printed.
#[derive(Clone, Default)]
pub struct AppliedFields {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Data, the document included.
    pub data: BTreeMap<String, Vec<u8>>,
}

/// What an apply did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The version that is stored now.
    pub version: Version,
    /// Whether the Secret was created, not changed.
    pub created: bool,
}

/// One call about the Secret of a run.
pub(super) struct SecretApi {
    api: Api<Secret>,
    last_status: LastStatus,
    name: String,
}

impl SecretApi {
    /// The Secret `name` in `namespace`.
    pub(super) fn new((client, last_status): (Client, LastStatus), namespace: &str, name: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            last_status,
            name: name.to_owned(),
        }
    }

    /// The Secret; none where there is none.
    ///
    /// # Errors
    /// What the API server answered instead.
    pub async fn get(&self) -> Result<Option<StoredSecret>, KubernetesError> {
        match self.api.get(&self.name).await.map_err(KubernetesError::from) {
            Ok(secret) => stored(secret).map(Some).ok_or(KubernetesError::NotUnderstood),
            Err(KubernetesError::Missing { kind }) if kind == "secrets" => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Makes the empty Secret that a token can be bound to. Not forced: a [`KubernetesError::Conflict`] means that another
    /// writer was first, or that the Secret is being deleted. With `type` and document alone, so that no dashboard
    /// offers it.
    ///
    /// # Errors
    /// What the API server answered instead.
    pub async fn create_placeholder(&self) -> Result<Applied, KubernetesError> {
        let data = BTreeMap::from([(DOCUMENT_KEY.to_owned(), PLACEHOLDER.to_vec())]);
        self.patch(
            &PatchParams::apply(PLACEHOLDER_MANAGER),
            self.secret(
                None,
                AppliedFields {
                    data,
                    ..AppliedFields::default()
                },
            ),
        )
        .await
    }

    /// Writes `fields` over `version`, and over no other: another write in between is a [`KubernetesError::Conflict`], and a
    /// Secret that was deleted stays so. So is an answer about another object, which doesn't confirm this write.
    ///
    /// # Errors
    /// What the API server answered instead.
    pub async fn apply(&self, version: &Version, fields: AppliedFields) -> Result<Applied, KubernetesError> {
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let written = self.patch(&params, self.secret(Some(version), fields)).await?;
        if written.version.uid == version.uid {
            Ok(written)
        } else {
            Err(KubernetesError::Conflict)
        }
    }

    /// The answer is metadata alone: nothing secret comes back.
    async fn patch(&self, params: &PatchParams, secret: Secret) -> Result<Applied, KubernetesError> {
        let answer = self
            .api
            .patch_metadata(&self.name, params, &Patch::Apply(secret))
            .await?;
        if answer.metadata.deletion_timestamp.is_some() {
            return Err(KubernetesError::Conflict);
        }
        let version = version(answer.metadata).ok_or(KubernetesError::NotUnderstood)?;
        Ok(Applied {
            version,
            created: self.last_status.is_created(),
        })
    }

    fn secret(&self, version: Option<&Version>, fields: AppliedFields) -> Secret {
        Secret {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                uid: version.map(|version| version.uid.clone()),
                resource_version: version.map(|version| version.resource_version.clone()),
                labels: Some(fields.labels).filter(|labels| !labels.is_empty()),
                annotations: Some(fields.annotations).filter(|annotations| !annotations.is_empty()),
                ..ObjectMeta::default()
            },
            type_: Some(SECRET_TYPE.to_owned()),
            data: Some(
                fields
                    .data
                    .into_iter()
                    .map(|(key, value)| (key, ByteString(value)))
                    .collect(),
            ),
            ..Secret::default()
        }
    }
}

fn stored(secret: Secret) -> Option<StoredSecret> {
    Some(StoredSecret {
        labels: secret.metadata.labels.clone().unwrap_or_default(),
        annotations: secret.metadata.annotations.clone().unwrap_or_default(),
        deletion: secret.metadata.deletion_timestamp.as_ref().map(|_| Deletion {
            finalizers: secret.metadata.finalizers.clone().unwrap_or_default(),
        }),
        version: version(secret.metadata)?,
        secret_type: secret.type_.unwrap_or_default(),
        immutable: secret.immutable.unwrap_or_default(),
        data: secret
            .data
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, value.0))
            .collect(),
    })
}

fn version(metadata: ObjectMeta) -> Option<Version> {
    Some(Version {
        uid: metadata.uid.filter(|uid| !uid.is_empty())?,
        resource_version: metadata.resource_version.filter(|version| !version.is_empty())?,
    })
}
