//! When the stored credential expires: by its `exp`, not by the annotations.

use super::*;

const EXPIRES_AT: &str = "ensure-pull-secret/expires-at";

/// A Secret of this program's, all of whose annotations are right; `annotation` is set to `value`, or removed.
fn annotated(token: &Token, annotation: &str, value: Option<&str>) -> StoredSecret {
    let document = document("<token>", token);
    let summary = Credential::of("<token>", token.clone()).summary();
    let written = summary.issued_at.unwrap_or_else(now);
    let fields = secret_fields::fields(&config(&[]), None, &summary, written, document);
    let mut secret = StoredSecret {
        labels: fields.labels,
        annotations: fields.annotations,
        data: fields.data,
        ..stored(b"")
    };
    match value {
        Some(value) => secret.annotations.insert(annotation.to_owned(), value.to_owned()),
        None => secret.annotations.remove(annotation),
    };
    secret
}

#[test]
fn o3_annotations_never_change_when_the_credential_expires() {
    let token = token(&good_claims());
    let exp = Credential::of("<token>", token.clone()).expires_at;
    let good = annotated(&token, "none", None);
    for (annotation, value) in [
        (EXPIRES_AT, Some("2026-01-01T00:00:00Z")),
        (EXPIRES_AT, Some("2026-03-01T13:00:00Z")),
        (EXPIRES_AT, Some("2096-01-01T00:00:00Z")),
        (EXPIRES_AT, Some("2026-03-01T15:00:00+01:00")),
        (EXPIRES_AT, Some("soon")),
        (EXPIRES_AT, Some("")),
        (EXPIRES_AT, None),
        ("ensure-pull-secret/credential-id", Some("another")),
        ("ensure-pull-secret/credential-id", None),
        ("ensure-pull-secret/service-account", Some("demo/another")),
        ("ensure-pull-secret/refreshed-at", Some("2096-01-01T00:00:00Z")),
        ("ensure-pull-secret/refreshed-at", Some("1970-01-01T00:00:00Z")),
        ("ensure-pull-secret/refreshed-at", Some("soon")),
    ] {
        let secret = annotated(&token, annotation, value);
        let config = config(&[("PULL_SECRET_NEXT_RUN_WITHIN", "90m")]);
        let examined = examine(&config, &source(), Some(secret.clone()), now());
        let StoredState::Current { credential, .. } = &examined else {
            panic!("{annotation} {value:?}: the token is as good as before");
        };
        assert_eq!(credential.expires_at, exp, "{annotation} {value:?}");
        assert_eq!(outlives_next_run(&config, credential, now()), None);
        match decide(&config, examined.clone(), &[], now()) {
            Ok(Decision::Metadata { fields, .. }) => {
                assert_eq!(fields.annotations, good.annotations, "{annotation} {value:?}");
            }
            _ => panic!("{annotation} {value:?}: only the metadata is corrected"),
        }
    }
    let examined = examine(&config(&[]), &source(), Some(good.clone()), now());
    let decided = decide(&config(&[]), examined.clone(), &[], now());
    assert!(matches!(decided, Ok(Decision::Unchanged { .. })));
}

#[test]
fn o3_a_robot_s_expiry_is_unknown_whatever_the_annotation_says() {
    let robot = Token::new(SecretString::from("robot-password"));
    let secret = annotated(&robot, EXPIRES_AT, Some("2026-01-01T00:00:00Z"));
    let source = CredentialSource::File(Box::new(Credential::of("<token>", robot)));
    let examined = examine(&config(&[]), &source, Some(secret.clone()), now());
    let StoredState::Current { credential, .. } = &examined else {
        panic!("it equals the file");
    };
    assert_eq!(credential.expires_at, None);
    match decide(&config(&[]), examined.clone(), &[], now()) {
        Ok(Decision::Metadata { fields, .. }) => assert_eq!(fields.annotations[EXPIRES_AT], ""),
        _ => panic!("the annotation is corrected"),
    }
}

#[test]
fn o3_the_cause_names_the_expiry_and_the_next_run() {
    let credential = Credential::of("<token>", token(&good_claims()));
    let config = config(&[("PULL_SECRET_NEXT_RUN_WITHIN", "3h")]);
    let cause = |hours: i64| {
        let at = now().saturating_add(hours.hours()).expect("a later time");
        outlives_next_run(&config, &credential, at).map(|finding| finding.cause)
    };
    let before = "the credential expires at 2026-03-01T14:00:00Z, before the next run (in at most 3h)";
    assert_eq!(cause(0).as_deref(), Some(before));
    for hours in [2, 8000] {
        let after = "the credential expired at 2026-03-01T14:00:00Z";
        assert_eq!(cause(hours).as_deref(), Some(after), "after {hours} h");
    }
}
