//! The clauses of "Unchanged", one by one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use k8s_openapi::jiff::ToSpan as _;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::*;
use crate::{
    credential::Token,
    dockerconfig::{Document, pull_secret::forgotten_entries},
    kubernetes::{
        access_review::TokenReview,
        secret::{DOCUMENT_KEY, Deletion, Version},
    },
    registry::Inconclusive,
};

mod expiry;
mod holds;

const REGISTRY: &str = "image-registry.openshift-image-registry.svc:5000";
const UID: &str = "6f2d";

fn config(more: &[(&str, &str)]) -> Config {
    let base = [("PULL_SECRET_NAME", "pull"), ("PULL_SECRET_NAMESPACE", "demo")];
    let variables = base
        .iter()
        .chain(more)
        .map(|(name, value)| (name.into(), value.into()));
    Config::from_env(variables).expect("a configuration")
}

fn two_registries() -> Config {
    config(&[
        ("PULL_SECRET_REGISTRY", &format!("{REGISTRY},quay.io")),
        ("PULL_SECRET_TRUSTED_HOSTS", "quay.io"),
    ])
}

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().expect("a time")
}

fn source() -> CredentialSource {
    let service_account = crate::kubernetes::token_request::ServiceAccountRef {
        namespace: "demo".to_owned(),
        name: "puller".to_owned(),
    };
    CredentialSource::TokenRequest {
        service_account,
        audiences: vec!["api".to_owned()],
        issued_until: None,
    }
}

/// Claims of a good token: of the account, bound to the Secret, two hours of three left.
fn good_claims() -> Value {
    json!({
        "aud": ["api"], "iat": now().as_second() - 3600, "exp": now().as_second() + 7200, "jti": "id",
        "sub": "system:serviceaccount:demo:puller",
        "kubernetes.io": {
            "namespace": "demo", "serviceaccount": {"name": "puller", "uid": "1"},
            "secret": {"name": "pull", "uid": UID},
        },
    })
}

fn token(claims: &Value) -> Token {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    Token::new(SecretString::from(format!(
        "{}.{}.c2ln",
        part(&json!({"alg": "RS256"})),
        part(claims)
    )))
}

fn document(username: &str, token: &Token) -> Vec<u8> {
    let entry = Entry::new(username, token.secret().clone()).expect("an entry");
    let empty = Document::parse(br#"{"auths":{}}"#).expect("a document");
    empty.with_entries(&[(REGISTRY, &entry)]).bytes
}

fn stored(document: &[u8]) -> StoredSecret {
    StoredSecret {
        version: Version {
            uid: UID.to_owned(),
            resource_version: "7".to_owned(),
        },
        data: [(DOCUMENT_KEY.to_owned(), document.to_vec())].into(),
        ..StoredSecret::absent()
    }
}

fn due_because(config: &Config, secret: &StoredSecret) -> Option<RenewReason> {
    match examine(config, &source(), Some(secret.clone()), now()) {
        StoredState::RenewalDue { because, .. } => Some(because),
        StoredState::Absent | StoredState::Unusable(_) | StoredState::Current { .. } => None,
    }
}

#[test]
fn a_token_that_is_as_it_shall_be_stays() {
    let secret = stored(&document("<token>", &token(&good_claims())));
    assert!(matches!(
        examine(&config(&[]), &source(), Some(secret.clone()), now()),
        StoredState::Current { .. }
    ));
}

#[test]
fn each_clause_of_unchanged_broken_alone_makes_a_new_credential_due() {
    let cases: [(RenewReason, &str, Value); 9] = [
        (
            RenewReason::OtherAccount,
            "/kubernetes.io/serviceaccount/name",
            json!("other"),
        ),
        (
            RenewReason::OtherAccount,
            "/kubernetes.io/namespace",
            json!("other"),
        ),
        (
            RenewReason::BoundToPod,
            "/kubernetes.io/pod",
            json!({"name": "pod", "uid": "2"}),
        ),
        (
            RenewReason::NotBoundToSecret,
            "/kubernetes.io/secret/uid",
            json!("another"),
        ),
        (
            RenewReason::NotBoundToSecret,
            "/kubernetes.io/secret",
            Value::Null,
        ),
        (RenewReason::OtherAudience, "/aud", json!(["elsewhere"])),
        (RenewReason::LittleLifeLeft, "/exp", json!(now().as_second() + 60)),
        (RenewReason::LittleLifeLeft, "/exp", json!(now().as_second() - 60)),
        (RenewReason::LittleLifeLeft, "/exp", Value::Null),
    ];
    for (expected, pointer, value) in cases {
        let mut claims = good_claims();
        let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
        claims.pointer_mut(parent).expect("a claim")[member] = value.clone();
        let secret = stored(&document("<token>", &token(&claims)));
        assert_eq!(
            due_because(&config(&[]), &secret),
            Some(expected),
            "{pointer} = {value}"
        );
    }
    let robot = Token::new(SecretString::from("robot-password"));
    let cases = [
        (RenewReason::NotAServiceAccountToken, document("<token>", &robot)),
        (
            RenewReason::EntriesDiffer,
            document("somebody", &token(&good_claims())),
        ),
        (RenewReason::EntryMissing, br#"{"auths":{}}"#.to_vec()),
        (
            RenewReason::EntryMissing,
            format!(r#"{{"auths":{{"{REGISTRY}":{{"auth":"dTpw"}}}}}}"#).into_bytes(),
        ),
        (RenewReason::NoAuths, b"{}".to_vec()),
        (RenewReason::NoAuths, br#"{"auths":null}"#.to_vec()),
    ];
    for (expected, document) in cases {
        assert_eq!(due_because(&config(&[]), &stored(&document)), Some(expected));
    }
}

#[test]
fn every_registry_needs_the_same_entry() {
    let secret = stored(&document("<token>", &token(&good_claims())));
    assert_eq!(
        due_because(&two_registries(), &secret),
        Some(RenewReason::EntryMissing)
    );
}

#[test]
fn a_token_that_would_not_outlive_the_next_run_is_due() {
    let secret = stored(&document("<token>", &token(&good_claims())));
    assert_eq!(
        due_because(&config(&[("PULL_SECRET_NEXT_RUN_WITHIN", "90m")]), &secret),
        None
    );
    assert_eq!(
        due_because(&config(&[("PULL_SECRET_NEXT_RUN_WITHIN", "2h")]), &secret),
        Some(RenewReason::LittleLifeLeft)
    );
    let credential = Credential::of("<token>", token(&good_claims()));
    let finding = |within| {
        outlives_next_run(
            &config(&[("PULL_SECRET_NEXT_RUN_WITHIN", within)]),
            &credential,
            now(),
        )
    };
    assert_eq!(finding("90m"), None);
    assert_eq!(
        finding("3h").map(|finding| finding.reason),
        Some(Reason::ExpiresBeforeNextRun)
    );
}

#[test]
fn o13_the_remedy_for_an_early_expiry_has_an_effect() {
    let credential = Credential::of("<token>", token(&good_claims()));
    let remedy = |more: &[(&str, &str)]| {
        let config = config(&[&[("PULL_SECRET_NEXT_RUN_WITHIN", "3h")], more].concat());
        let finding = outlives_next_run(&config, &credential, now()).expect("a finding");
        finding.remedy().to_owned()
    };
    // The token was issued for three hours.
    for (more, words, others) in [
        (
            &[("PULL_SECRET_TOKEN_LIFETIME", "3h")][..],
            "raise PULL_SECRET_TOKEN_LIFETIME",
            "TOKEN_FILE",
        ),
        (
            &[("PULL_SECRET_TOKEN_LIFETIME", "24h")],
            "grants no longer lifetime",
            "TOKEN_LIFETIME",
        ),
        (
            &[("PULL_SECRET_TOKEN_FILE", "/robot/token")],
            "PULL_SECRET_TOKEN_FILE",
            "TOKEN_LIFETIME",
        ),
        (&[("PULL_SECRET_MODE", "verify")], "Run ensure", "TOKEN_LIFETIME"),
    ] {
        let found = remedy(more);
        assert!(
            found.contains(words) && !found.contains(others),
            "{more:?}: {found}"
        );
    }
}

#[test]
fn of_a_file_only_equality_counts() {
    let robot = |password: &str| {
        Box::new(Credential::of(
            "<token>",
            Token::new(SecretString::from(password)),
        ))
    };
    let secret = stored(&document("<token>", &robot("one").token));
    let examined = |password| {
        examine(
            &config(&[]),
            &CredentialSource::File(robot(password)),
            Some(secret.clone()),
            now(),
        )
    };
    assert!(matches!(examined("one"), StoredState::Current { .. }));
    assert!(matches!(
        examined("two"),
        StoredState::RenewalDue {
            because: RenewReason::NotTheFile,
            ..
        }
    ));
}

#[test]
fn what_cannot_be_corrected_in_place_is_refused() {
    let reason = |secret: &StoredSecret| match examine(&config(&[]), &source(), Some(secret.clone()), now()) {
        StoredState::Unusable(finding) => Some(finding.reason),
        StoredState::Absent | StoredState::Current { .. } | StoredState::RenewalDue { .. } => None,
    };
    let opaque = StoredSecret {
        secret_type: "Opaque".to_owned(),
        ..stored(b"{}")
    };
    assert_eq!(reason(&opaque), Some(Reason::WrongType));
    let deleted = StoredSecret {
        deletion: Some(Deletion {
            finalizers: Vec::new(),
        }),
        ..stored(b"{}")
    };
    assert_eq!(reason(&deleted), Some(Reason::SecretTerminating));
    assert_eq!(reason(&stored(b"{\xff}")), Some(Reason::DocumentUnreadable));
    assert_eq!(
        reason(&stored(br#"{"auths":{},"AUTHS":{}}"#)),
        Some(Reason::DocumentAmbiguous)
    );
    let upper = format!(r#"{{"auths":{{"{}":{{}}}}}}"#, REGISTRY.to_uppercase());
    assert_eq!(reason(&stored(upper.as_bytes())), None);
}

#[test]
fn a_rejected_credential_is_renewed_and_one_that_may_not_pull_is_not() {
    let secret = stored(&document("<token>", &token(&good_claims())));
    let examined = examine(&config(&[]), &source(), Some(secret.clone()), now());
    let decided = |proof: &Proof| decide(&config(&[]), examined.clone(), &[proof], now());
    assert!(matches!(
        decided(&Proof::Rejected),
        Ok(Decision::Renew {
            because: RenewReason::Rejected,
            ..
        })
    ));
    let refused = Proof::Inconclusive(Inconclusive::NotAsked, TokenReview::Invalid);
    assert!(matches!(
        decided(&refused),
        Ok(Decision::Renew {
            because: RenewReason::Rejected,
            ..
        })
    ));
    for proof in [
        Proof::PullForbidden,
        Proof::TagMissing,
        Proof::Inconclusive(Inconclusive::Anonymous, TokenReview::Unavailable),
    ] {
        assert!(
            matches!(decided(&proof), Ok(Decision::Metadata { .. })),
            "{proof:?}: its labels are missing, no more"
        );
    }
}

#[test]
fn immutable_secret_is_rejected_only_if_its_data_would_change() {
    let credential = Credential::of("<token>", token(&good_claims()));
    let mut secret = stored(&document("<token>", &credential.token));
    secret.immutable = true;
    secret.data.insert("OCI_HOST".to_owned(), b"other.test".to_vec());
    let decided = |secret: &StoredSecret| {
        let state = examine(&config(&[]), &source(), Some(secret.clone()), now());
        decide(&config(&[]), state, &[&Proof::Accepted], now())
    };
    // Kubernetes lets the metadata be written.
    let Ok(Decision::Metadata { fields, .. }) = decided(&secret) else {
        panic!("its labels are missing");
    };
    assert_eq!(fields.data, secret.data);
    (secret.labels, secret.annotations) = (fields.labels, fields.annotations);
    assert!(matches!(decided(&secret), Ok(Decision::Unchanged { .. })));
    let mut claims = good_claims();
    claims["exp"] = json!(now().as_second() + 60);
    secret
        .data
        .insert(DOCUMENT_KEY.to_owned(), document("<token>", &token(&claims)));
    assert!(matches!(decided(&secret), Err(finding) if finding.reason == Reason::Immutable));
}

#[test]
fn an_entry_of_ours_for_a_registry_that_is_not_named_any_more_is_told() {
    let token = token(&good_claims());
    let entry = Entry::new("<token>", token.secret().clone()).expect("an entry");
    let foreign = Document::parse(br#"{"auths":{"foreign.test":{"auth":"dTpw"}}}"#).expect("a document");
    let two = foreign
        .with_entries(&[(REGISTRY, &entry), ("old.test", &entry)])
        .bytes;
    let secret = stored(&two);
    let credential = Credential::of("<token>", token);
    let notes = forgotten_entries(&config(&[]), secret.document(), UID, &credential);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes.iter().all(|note| note.contains("old.test")), "{notes:?}");
}

#[test]
fn a_token_expires_by_the_clock_that_comes_in() {
    let credential = Credential::of("<token>", token(&good_claims()));
    assert!(!credential.is_expired(now()));
    assert!(credential.is_expired(now().saturating_add(2.hours()).expect("a later time")));
}

#[test]
fn the_log_tells_one_cause_from_another() {
    let causes = [
        RenewReason::NoAuths,
        RenewReason::EntryMissing,
        RenewReason::EntriesDiffer,
        RenewReason::NotTheFile,
        RenewReason::NotAServiceAccountToken,
        RenewReason::OtherAccount,
        RenewReason::BoundToPod,
        RenewReason::NotBoundToSecret,
        RenewReason::OtherAudience,
        RenewReason::LittleLifeLeft,
        RenewReason::Rejected,
    ];
    let texts: std::collections::BTreeSet<_> = causes.map(RenewReason::as_str).into();
    assert_eq!(texts.len(), causes.len());
}
