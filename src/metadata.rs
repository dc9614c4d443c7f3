//! Labels, annotations and keys that the Secret shall have beside its document (CONTRACT section 1).

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use crate::{
    config::{self, Config},
    outcome::CredentialSummary,
    registry_host::RegistryHost,
    secret::{AppliedFields, DOCUMENT_KEY, StoredSecret},
    token::rfc3339,
};

const DASHBOARD: &str = "opendatahub.io/dashboard";
const DISPLAY_NAME: &str = "openshift.io/display-name";
const DESCRIPTION: &str = "openshift.io/description";
const CONNECTION_TYPE_REF: &str = "opendatahub.io/connection-type-ref";
const CONNECTION_TYPE_PROTOCOL: &str = "opendatahub.io/connection-type-protocol";
const EXPIRES_AT: &str = "ensure-pull-secret/expires-at";
const REFRESHED_AT: &str = "ensure-pull-secret/refreshed-at";
const SERVICE_ACCOUNT: &str = "ensure-pull-secret/service-account";
const CREDENTIAL_ID: &str = "ensure-pull-secret/credential-id";
const OCI_HOST: &str = "OCI_HOST";
const ACCESS_TYPE: &str = "ACCESS_TYPE";

/// Everything to apply: `document`, and what belongs beside it for `credential`, which was written at `refreshed_at`.
/// `stored` is what is there now: a display name that somebody chose stays.
pub fn fields(
    config: &Config,
    stored: Option<&StoredSecret>,
    credential: &CredentialSummary,
    refreshed_at: Timestamp,
    document: Vec<u8>,
) -> AppliedFields {
    let mut fields = AppliedFields {
        data: BTreeMap::from([(DOCUMENT_KEY.to_owned(), document)]),
        ..AppliedFields::default()
    };
    let own = [
        (EXPIRES_AT, credential.expires_at.map(rfc3339)),
        (REFRESHED_AT, Some(rfc3339(refreshed_at))),
        (SERVICE_ACCOUNT, credential.service_account.clone()),
        (CREDENTIAL_ID, credential.credential_id.clone()),
    ];
    fields.annotations.extend(
        own.into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?))),
    );
    if config.connection {
        connection(config, stored, &mut fields);
    }
    fields
}

/// What Open Data Hub's dashboard needs to offer the Secret as a connection.
fn connection(config: &Config, stored: Option<&StoredSecret>, fields: &mut AppliedFields) {
    let found = |name: &str| stored.and_then(|stored| stored.annotations.get(name)).cloned();
    let display_name = config.display_name.clone().or_else(|| found(DISPLAY_NAME));
    let description = config.description.clone().or_else(|| found(DESCRIPTION));
    fields.labels.insert(DASHBOARD.to_owned(), "true".to_owned());
    fields.annotations.extend(
        [
            (
                DISPLAY_NAME,
                display_name.unwrap_or_else(|| config::DEFAULT_DISPLAY_NAME.to_owned()),
            ),
            (
                DESCRIPTION,
                description.unwrap_or_else(|| config::DEFAULT_DESCRIPTION.to_owned()),
            ),
            (CONNECTION_TYPE_REF, "oci-v1".to_owned()),
            (CONNECTION_TYPE_PROTOCOL, "oci".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    let host = config.registries.first().map_or("", RegistryHost::host_port);
    fields.data.insert(OCI_HOST.to_owned(), host.as_bytes().to_vec());
    fields.data.insert(
        ACCESS_TYPE.to_owned(),
        config.access.as_json().as_bytes().to_vec(),
    );
}

/// What an annotation will say that is known only once the token is minted and written; none for the others.
pub fn known_after_mint(annotation: &str) -> Option<&'static str> {
    match annotation {
        EXPIRES_AT => Some("when the new token expires"),
        CREDENTIAL_ID => Some("the new token's id"),
        REFRESHED_AT => Some("when it is written"),
        _ => None,
    }
}

/// What this program writes to some Secrets and not to others: it goes where it was written and is left out now, unless
/// somebody else wrote it too.
pub const SOMETIMES: [&str; 10] = [
    DASHBOARD,
    DISPLAY_NAME,
    DESCRIPTION,
    CONNECTION_TYPE_REF,
    CONNECTION_TYPE_PROTOCOL,
    EXPIRES_AT,
    SERVICE_ACCOUNT,
    CREDENTIAL_ID,
    OCI_HOST,
    ACCESS_TYPE,
];

/// Whether any label, annotation or key of `fields` has another value in `stored`.
pub fn differs(fields: &AppliedFields, stored: &StoredSecret) -> bool {
    fields
        .labels
        .iter()
        .any(|(name, value)| stored.labels.get(name) != Some(value))
        || fields
            .annotations
            .iter()
            .any(|(name, value)| stored.annotations.get(name) != Some(value))
        || fields
            .data
            .iter()
            .any(|(name, value)| stored.data.get(name) != Some(value))
}

/// The keys beside the document.
pub fn beside_document(mut data: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    data.remove(DOCUMENT_KEY);
    data
}

/// When the API server said that the credential of this id expires, a second before or after its own `exp` as it may be;
/// the earlier of both counts.
pub fn told_expiry(stored: &StoredSecret, credential_id: Option<&str>) -> Option<Timestamp> {
    let told_of = stored.annotations.get(CREDENTIAL_ID)?;
    (Some(told_of.as_str()) == credential_id).then(|| stored.annotations.get(EXPIRES_AT)?.parse().ok())?
}

/// When the stored credential was written: its annotation, where that is a time at all.
pub fn refreshed_at(stored: &StoredSecret) -> Option<Timestamp> {
    stored.annotations.get(REFRESHED_AT)?.parse().ok()
}
