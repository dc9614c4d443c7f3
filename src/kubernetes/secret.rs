//! The Secret on the API server: read, create as a placeholder, apply.
//!
//! Server-side apply only, never PUT or delete: others' labels, keys and owners survive, and `create` and `patch` with
//! resourceNames suffice.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use tokio::time::Instant;

use super::{api::KubernetesApi, error::KubernetesError};

/// The type of a wrapped pull secret.
pub const SECRET_TYPE: &str = "kubernetes.io/dockerconfigjson";

/// The key of its document.
pub const DOCUMENT_KEY: &str = ".dockerconfigjson";

/// Owns everything this program writes; Argo CD's `managedFieldsManagers` may name it.
const FIELD_MANAGER: &str = "ensure-pull-secret";

/// Owns the placeholder alone, so that a second run's placeholder conflicts with a first run's credential.
const PLACEHOLDER_MANAGER: &str = "ensure-pull-secret-placeholder";

/// Document of a placeholder, into which the first credential is written.
pub const PLACEHOLDER: &[u8] = br#"{"auths":{}}"#;

/// One version of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// Differs for another object of the same name.
    pub uid: String,
    /// Changes with every write.
    pub resource_version: String,
}

/// A deletion that has begun and waits for finalizers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// Names in `metadata.finalizers`: the Secret is deleted once the list is empty.
    pub finalizers: Vec<String>,
}

/// The Secret as it is stored. Can't be printed.
#[derive(Clone, Default)]
pub struct StoredSecret {
    /// Its version.
    pub version: Version,
    /// `type`, empty where absent.
    pub secret_type: String,
    /// Set once `metadata.deletionTimestamp` is: a write is lost then.
    pub deletion: Option<Deletion>,
    /// Whether its data can't be changed.
    pub immutable: bool,
    /// Data.
    pub data: BTreeMap<String, Vec<u8>>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Field managers that own the document.
    pub document_managers: Vec<String>,
    /// The kind of the first owner.
    pub owner_kind: Option<String>,
}

impl StoredSecret {
    /// A Secret of the right type without content, in place of one that isn't there.
    pub fn absent() -> Self {
        Self {
            secret_type: SECRET_TYPE.to_owned(),
            ..Self::default()
        }
    }

    /// Whether this program's field manager owns the document.
    pub fn is_document_owned(&self) -> bool {
        self.document_managers
            .iter()
            .any(|manager| manager == FIELD_MANAGER)
    }

    /// Who wrote the document, where this program didn't: a field manager, or else the kind of the owner.
    pub fn rewriter(&self) -> Option<&str> {
        let manager = self.document_managers.first();
        manager.or(self.owner_kind.as_ref()).map(String::as_str)
    }

    /// The document's bytes; empty where the key is missing, which the API server does not allow for this type.
    pub fn document(&self) -> &[u8] {
        self.data.get(DOCUMENT_KEY).map_or(&[], Vec::as_slice)
    }
}

/// Fields that this program writes to a Secret. The API server removes fields that it wrote before and leaves out now,
/// unless another manager owns them too. Can't be printed.
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

impl KubernetesApi {
    /// The Secret; none where there is none.
    ///
    /// # Errors
    /// What the API server answered instead.
    pub async fn get_secret(&self, until: Instant) -> Result<Option<StoredSecret>, KubernetesError> {
        let (client, _) = self.client(until);
        let secrets: Api<Secret> = Api::namespaced(client, &self.namespace);
        match secrets.get(&self.secret).await.map_err(KubernetesError::from) {
            Ok(secret) => stored(secret).map(Some).ok_or(KubernetesError::NotUnderstood),
            Err(KubernetesError::Missing { kind }) if kind == "secrets" => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Creates the empty Secret that a token can be bound to. Not forced: a [`KubernetesError::Conflict`] means that another
    /// writer was first, or that the Secret is being deleted. With `type` and document alone, so that no dashboard
    /// offers it.
    ///
    /// # Errors
    /// What the API server answered instead.
    pub async fn create_placeholder(&self, until: Instant) -> Result<Applied, KubernetesError> {
        let params = PatchParams::apply(PLACEHOLDER_MANAGER);
        let (metadata, created) = self.patch(&params, None, placeholder(), until).await?;
        applied(metadata, created)
    }

    /// Writes `fields` over `version`, and over no other: another write in between is a [`KubernetesError::Conflict`], and a
    /// Secret that was deleted stays so. So is an answer about another object, which doesn't confirm this write.
    ///
    /// # Errors
    /// What the API server answered instead.
    pub async fn apply(
        &self,
        version: &Version,
        fields: AppliedFields,
        until: Instant,
    ) -> Result<Applied, KubernetesError> {
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let (metadata, created) = self.patch(&params, Some(version), fields, until).await?;
        let written = applied(metadata, created)?;
        if written.version.uid == version.uid {
            Ok(written)
        } else {
            Err(KubernetesError::Conflict)
        }
    }

    /// Asks whether `fields` could be written over `version`, or as a new Secret: a server-side dry run, which admission
    /// policies, quotas and validation judge like a write. Without `fields`, as the placeholder.
    ///
    /// # Errors
    /// What the API server would answer to the write. Another writer in between is none.
    pub async fn dry_run(
        &self,
        version: Option<&Version>,
        fields: Option<AppliedFields>,
        until: Instant,
    ) -> Result<(), KubernetesError> {
        let manager = if fields.is_some() {
            FIELD_MANAGER
        } else {
            PLACEHOLDER_MANAGER
        };
        let params = PatchParams {
            dry_run: true,
            // Not forced where it creates: another writer's Secret is not changed then.
            force: version.is_some(),
            ..PatchParams::apply(manager)
        };
        match self
            .patch(&params, version, fields.unwrap_or_else(placeholder), until)
            .await
        {
            Ok(_) | Err(KubernetesError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Applies `fields`; returns metadata, and whether the Secret was created. The answer has no data, so no secret comes back.
    async fn patch(
        &self,
        params: &PatchParams,
        version: Option<&Version>,
        fields: AppliedFields,
        until: Instant,
    ) -> Result<(ObjectMeta, bool), KubernetesError> {
        let (client, last_status) = self.client(until);
        let secrets: Api<Secret> = Api::namespaced(client, &self.namespace);
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(self.secret.clone()),
                uid: version.map(|version| version.uid.clone()),
                resource_version: version.map(|version| version.resource_version.clone()),
                labels: Some(fields.labels).filter(|labels| !labels.is_empty()),
                annotations: Some(fields.annotations).filter(|annotations| !annotations.is_empty()),
                ..ObjectMeta::default()
            },
            type_: Some(SECRET_TYPE.to_owned()),
            data: Some(map(fields
                .data
                .into_iter()
                .map(|(key, value)| (key, ByteString(value))))),
            ..Secret::default()
        };
        let answer = secrets
            .patch_metadata(&self.secret, params, &Patch::Apply(secret))
            .await?;
        if answer.metadata.deletion_timestamp.is_some() {
            return Err(KubernetesError::Conflict);
        }
        Ok((answer.metadata, last_status.is_created()))
    }
}

fn placeholder() -> AppliedFields {
    AppliedFields {
        data: map([(DOCUMENT_KEY.to_owned(), PLACEHOLDER.to_vec())].into_iter()),
        ..AppliedFields::default()
    }
}

fn applied(metadata: ObjectMeta, created: bool) -> Result<Applied, KubernetesError> {
    Ok(Applied {
        version: version_of(metadata).ok_or(KubernetesError::NotUnderstood)?,
        created,
    })
}

fn stored(secret: Secret) -> Option<StoredSecret> {
    Some(StoredSecret {
        labels: secret.metadata.labels.clone().unwrap_or_default(),
        annotations: secret.metadata.annotations.clone().unwrap_or_default(),
        document_managers: document_managers(&secret.metadata),
        owner_kind: owner_kind(&secret.metadata),
        deletion: secret.metadata.deletion_timestamp.as_ref().map(|_| Deletion {
            finalizers: secret.metadata.finalizers.clone().unwrap_or_default(),
        }),
        version: version_of(secret.metadata)?,
        secret_type: secret.type_.unwrap_or_default(),
        immutable: secret.immutable.unwrap_or_default(),
        data: map(secret
            .data
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, value.0))),
    })
}

/// A map of these fields. `collect` sorts them first, whose code takes 4 KB.
pub(super) fn map<V>(fields: impl Iterator<Item = (String, V)>) -> BTreeMap<String, V> {
    let mut map = BTreeMap::new();
    map.extend(fields);
    map
}

/// The managers whose fields have the document's key.
fn document_managers(metadata: &ObjectMeta) -> Vec<String> {
    let key = format!("f:{DOCUMENT_KEY}");
    let fields = metadata.managed_fields.iter().flatten();
    fields
        .filter(|entry| {
            let owned = entry.fields_v1.as_ref().and_then(|fields| fields.0.get("f:data"));
            owned.is_some_and(|data| data.get(&key).is_some())
        })
        .filter_map(|entry| entry.manager.clone())
        .collect()
}

fn owner_kind(metadata: &ObjectMeta) -> Option<String> {
    let first = metadata.owner_references.iter().flatten().next();
    first.map(|owner| owner.kind.clone())
}

fn version_of(metadata: ObjectMeta) -> Option<Version> {
    Some(Version {
        uid: metadata.uid.filter(|uid| !uid.is_empty())?,
        resource_version: metadata.resource_version.filter(|version| !version.is_empty())?,
    })
}
