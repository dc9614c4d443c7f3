//! Labels, annotations and keys of the Secret beside its document (CONTRACT section 1).

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::{
    config::{self, Config},
    credential::{CredentialSummary, rfc3339},
    image::RegistryHost,
    kubernetes::secret::{AppliedFields, DOCUMENT_KEY, StoredSecret, map},
};

const DASHBOARD: &str = "opendatahub.io/dashboard";
const DISPLAY_NAME: &str = "openshift.io/display-name";
const DESCRIPTION: &str = "openshift.io/description";
const CONNECTION_TYPE_REF: &str = "opendatahub.io/connection-type-ref";
const CONNECTION_TYPE_PROTOCOL: &str = "opendatahub.io/connection-type-protocol";
/// The annotation that has the same string as the result EXPIRES_AT.
pub const EXPIRES_AT: &str = "ensure-pull-secret/expires-at";
const REFRESHED_AT: &str = "ensure-pull-secret/refreshed-at";
const SERVICE_ACCOUNT: &str = "ensure-pull-secret/service-account";
const CREDENTIAL_ID: &str = "ensure-pull-secret/credential-id";
/// Largest accepted difference between the clocks of two API servers.
const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);
const OCI_HOST: &str = "OCI_HOST";
const ACCESS_TYPE: &str = "ACCESS_TYPE";

/// Fields to apply: `document`, and those beside it for `credential`, which was written at `refreshed_at`.
/// `stored` is the Secret as it is: a display name that was set by others stays.
pub fn fields(
    config: &Config,
    stored: Option<&StoredSecret>,
    credential: &CredentialSummary,
    refreshed_at: Timestamp,
    document: Vec<u8>,
) -> AppliedFields {
    let mut fields = AppliedFields {
        data: map([(DOCUMENT_KEY.to_owned(), document)].into_iter()),
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

/// Fields with which Open Data Hub's dashboard offers the Secret as a connection.
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

/// Description of an annotation's value that is known only once the token is issued and written; none for the others.
pub fn known_after_request(annotation: &str) -> Option<&'static str> {
    match annotation {
        EXPIRES_AT => Some("when the new token expires"),
        CREDENTIAL_ID => Some("the new token's id"),
        REFRESHED_AT => Some("when it is written"),
        _ => None,
    }
}

/// Fields that this program writes to some Secrets and not to others. One that was written and is left out now is removed,
/// unless another writer owns it too.
pub const OPTIONAL_FIELDS: [&str; 10] = [
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

/// What the annotations of an earlier run say about its credential.
pub struct OwnAnnotations<'s> {
    /// The credential's id, where it has one.
    pub credential_id: Option<&'s str>,
}

/// The annotations that this program wrote; none without any of them.
pub fn own_annotations(stored: &StoredSecret) -> Option<OwnAnnotations<'_>> {
    let of = |name: &str| stored.annotations.get(name).map(String::as_str);
    let own = [EXPIRES_AT, REFRESHED_AT, SERVICE_ACCOUNT, CREDENTIAL_ID];
    own.iter().any(|name| of(name).is_some()).then(|| OwnAnnotations {
        credential_id: of(CREDENTIAL_ID).filter(|id| !id.is_empty()),
    })
}

/// `fields` without a change of data: that of an immutable Secret can't be changed, its metadata can.
pub fn keep_data(fields: &mut AppliedFields, stored: &StoredSecret) {
    let stored = [DOCUMENT_KEY, OCI_HOST, ACCESS_TYPE]
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), stored.data.get(key)?.clone())));
    fields.data = map(stored);
}

/// The `expires-at` annotation, where it contradicts every credential of `expiries`: it is reported, never trusted.
pub fn wrong_expiry<'s>(stored: &'s StoredSecret, expiries: &[Option<Timestamp>]) -> Option<&'s str> {
    let annotation = stored.annotations.get(EXPIRES_AT)?.as_str();
    let is_right = |expiry: &Option<Timestamp>| expiry.map_or_else(String::new, rfc3339) == annotation;
    (!expiries.is_empty() && !expiries.iter().any(is_right)).then_some(annotation)
}

/// Empties an `expires-at` annotation that stands beside a credential without a known expiry. Another manager wrote it:
/// leaving it out of the apply would not remove it.
pub fn blank_expiry_of_others(fields: &mut AppliedFields, stored: &StoredSecret) {
    let is_wrong = |annotation: &String| !annotation.is_empty();
    if !fields.annotations.contains_key(EXPIRES_AT)
        && stored.annotations.get(EXPIRES_AT).is_some_and(is_wrong)
    {
        fields.annotations.insert(EXPIRES_AT.to_owned(), String::new());
    }
}

/// Time at which the stored credential was written, by its annotation. An impossible time (none, one in the future, or one
/// before the credential was issued) is replaced by the time of issue.
pub fn refreshed_at(stored: &StoredSecret, credential: &CredentialSummary, now: Timestamp) -> Timestamp {
    let annotation = stored.annotations.get(REFRESHED_AT);
    let claimed = annotation.and_then(|annotation| annotation.parse::<Timestamp>().ok());
    let is_possible = |claimed: &Timestamp| {
        claimed.duration_since(now) <= MAX_CLOCK_SKEW
            && credential
                .issued_at
                .is_none_or(|issued_at| issued_at.duration_since(*claimed) <= MAX_CLOCK_SKEW)
    };
    claimed
        .filter(is_possible)
        .or(credential.issued_at)
        .unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &[(&str, &str)]) -> Config {
        let base = [
            ("PULL_SECRET_NAME", "pull"),
            ("PULL_SECRET_REGISTRY", "quay.io:443/team,docker.io"),
            ("PULL_SECRET_TOKEN_FILE", "/robot/token"),
        ];
        let variables = base.iter().chain(more);
        Config::from_env(variables.map(|(name, value)| (name.into(), value.into()))).expect("a configuration")
    }

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn credential() -> CredentialSummary {
        CredentialSummary {
            service_account: Some("demo/puller".to_owned()),
            credential_id: Some("id".to_owned()),
            issued_at: None,
            expires_at: Some(time("2026-03-02T12:00:00Z")),
        }
    }

    fn applied(config: &Config, stored: Option<&StoredSecret>) -> AppliedFields {
        let now = time("2026-03-01T12:00:00Z");
        fields(config, stored, &credential(), now, b"document".to_vec())
    }

    /// A Secret that has just what was applied.
    fn stored(fields: AppliedFields) -> StoredSecret {
        StoredSecret {
            data: fields.data,
            labels: fields.labels,
            annotations: fields.annotations,
            ..StoredSecret::absent()
        }
    }

    fn annotation<'a>(fields: &'a AppliedFields, name: &str) -> Option<&'a str> {
        fields.annotations.get(name).map(String::as_str)
    }

    #[test]
    fn fields_beside_the_document_serve_dashboard_and_next_run() {
        let fields = applied(&config(&[]), None);
        let texts = |texts: &[(&str, &str)]| -> BTreeMap<String, String> {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            texts.iter().map(owned).collect()
        };
        assert_eq!(fields.labels, texts(&[("opendatahub.io/dashboard", "true")]));
        assert_eq!(
            fields.annotations,
            texts(&[
                ("ensure-pull-secret/expires-at", "2026-03-02T12:00:00Z"),
                ("ensure-pull-secret/refreshed-at", "2026-03-01T12:00:00Z"),
                ("ensure-pull-secret/service-account", "demo/puller"),
                ("ensure-pull-secret/credential-id", "id"),
                ("openshift.io/display-name", config::DEFAULT_DISPLAY_NAME),
                ("openshift.io/description", config::DEFAULT_DESCRIPTION),
                ("opendatahub.io/connection-type-ref", "oci-v1"),
                ("opendatahub.io/connection-type-protocol", "oci"),
            ])
        );
        let data = [
            (DOCUMENT_KEY, &b"document"[..]),
            ("OCI_HOST", b"quay.io:443"),
            ("ACCESS_TYPE", br#"["Pull"]"#),
        ];
        let data = data.map(|(name, value)| (name.to_owned(), value.to_vec()));
        assert_eq!(fields.data, BTreeMap::from(data.clone()));
        let [_, host, access] = data;
        assert_eq!(beside_document(fields.data), BTreeMap::from([host, access]));
    }

    #[test]
    fn without_a_connection_nothing_of_the_dashboard_is_written() {
        let fields = applied(&config(&[("PULL_SECRET_CONNECTION", "false")]), None);
        assert!(fields.labels.is_empty());
        assert_eq!(fields.annotations.len(), 4);
        assert_eq!(fields.data.len(), 1);
    }

    #[test]
    fn display_name_of_others_stays_unless_configured() {
        let named = stored(applied(&config(&[("PULL_SECRET_DISPLAY_NAME", "theirs")]), None));
        let unset = applied(&config(&[]), Some(&named));
        assert_eq!(annotation(&unset, DISPLAY_NAME), Some("theirs"));
        let set = applied(&config(&[("PULL_SECRET_DISPLAY_NAME", "ours")]), Some(&named));
        assert_eq!(annotation(&set, DISPLAY_NAME), Some("ours"));
        let described = stored(applied(&config(&[("PULL_SECRET_DESCRIPTION", "theirs")]), None));
        let unset = applied(&config(&[]), Some(&described));
        assert_eq!(annotation(&unset, DESCRIPTION), Some("theirs"));
    }

    #[test]
    fn one_changed_label_annotation_or_key_is_a_difference() {
        let fields = applied(&config(&[]), None);
        let mut secret = stored(fields.clone());
        secret.labels.insert("app".to_owned(), "x".to_owned());
        secret.annotations.insert("app".to_owned(), "x".to_owned());
        secret.data.insert("app".to_owned(), b"x".to_vec());
        assert!(!differs(&fields, &secret));
        let without_label = StoredSecret {
            labels: BTreeMap::new(),
            ..secret.clone()
        };
        let mut other_annotation = secret.clone();
        other_annotation
            .annotations
            .insert(CREDENTIAL_ID.to_owned(), "another".to_owned());
        let mut without_key = secret;
        without_key.data.remove(OCI_HOST);
        for secret in [without_label, other_annotation, without_key] {
            assert!(differs(&fields, &secret));
        }
    }

    #[test]
    fn o3_a_refresh_time_that_cannot_be_is_replaced() {
        let now = time("2026-03-01T18:00:00Z");
        let mut secret = stored(applied(&config(&[]), None));
        let issued = CredentialSummary {
            issued_at: Some(time("2026-03-01T12:00:00Z")),
            ..credential()
        };
        for (annotation, of_token, of_robot) in [
            // A second of difference between the clocks of two API servers is none.
            (
                "2026-03-01T11:59:59Z",
                "2026-03-01T11:59:59Z",
                "2026-03-01T11:59:59Z",
            ),
            (
                "2026-03-01T13:30:00Z",
                "2026-03-01T13:30:00Z",
                "2026-03-01T13:30:00Z",
            ),
            (
                "2026-03-01T18:00:30Z",
                "2026-03-01T18:00:30Z",
                "2026-03-01T18:00:30Z",
            ),
            (
                "2020-01-01T00:00:00Z",
                "2026-03-01T12:00:00Z",
                "2020-01-01T00:00:00Z",
            ),
            (
                "2096-01-01T00:00:00Z",
                "2026-03-01T12:00:00Z",
                "2026-03-01T18:00:00Z",
            ),
            ("soon", "2026-03-01T12:00:00Z", "2026-03-01T18:00:00Z"),
            ("", "2026-03-01T12:00:00Z", "2026-03-01T18:00:00Z"),
        ] {
            secret
                .annotations
                .insert(REFRESHED_AT.to_owned(), annotation.to_owned());
            let found = [&issued, &credential()].map(|of| refreshed_at(&secret, of, now));
            assert_eq!(found, [time(of_token), time(of_robot)], "{annotation}");
        }
        secret.annotations.remove(REFRESHED_AT);
        assert_eq!(refreshed_at(&secret, &credential(), now), now);
    }

    #[test]
    fn o3_an_expiry_annotation_that_no_credential_has_is_wrong() {
        let mut secret = stored(applied(&config(&[]), None));
        let right = credential().expires_at;
        let other = Some(time("2026-04-01T00:00:00Z"));
        assert_eq!(wrong_expiry(&secret, &[other, right]), None);
        assert_eq!(
            wrong_expiry(&secret, &[]),
            None,
            "there is nothing to compare with"
        );
        let wrong = Some("2026-03-02T12:00:00Z");
        assert_eq!(wrong_expiry(&secret, &[other]), wrong);
        assert_eq!(wrong_expiry(&secret, &[None]), wrong);
        secret.annotations.insert(EXPIRES_AT.to_owned(), String::new());
        assert_eq!(wrong_expiry(&secret, &[None]), None);
        assert_eq!(wrong_expiry(&secret, &[right]), Some(""));
        secret.annotations.remove(EXPIRES_AT);
        assert_eq!(wrong_expiry(&secret, &[right]), None);
    }

    #[test]
    fn o3_an_expiry_beside_a_credential_without_one_is_emptied_once() {
        let mut secret = stored(applied(&config(&[]), None));
        let robot = CredentialSummary::default();
        let kept = |secret: &StoredSecret| {
            let now = time("2026-03-01T12:00:00Z");
            let mut fields = fields(&config(&[]), Some(secret), &robot, now, b"document".to_vec());
            blank_expiry_of_others(&mut fields, secret);
            fields
        };
        let emptied = kept(&secret);
        assert_eq!(annotation(&emptied, EXPIRES_AT), Some(""));
        assert!(differs(&emptied, &secret));
        secret.annotations.extend(emptied.annotations);
        let again = kept(&secret);
        assert_eq!(annotation(&again, EXPIRES_AT), None);
        assert!(!differs(&again, &secret));
        secret.annotations.remove(EXPIRES_AT);
        assert_eq!(annotation(&kept(&secret), EXPIRES_AT), None);
    }

    #[test]
    fn values_unknown_before_the_request_are_described() {
        for (name, words) in [
            (EXPIRES_AT, Some("when the new token expires")),
            (CREDENTIAL_ID, Some("the new token's id")),
            (REFRESHED_AT, Some("when it is written")),
            (SERVICE_ACCOUNT, None),
        ] {
            assert_eq!(known_after_request(name), words, "{name}");
        }
    }
}
