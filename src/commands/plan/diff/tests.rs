//! Diffs, whole.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;

use super::*;
use crate::{credential::Token, dockerconfig::Entry, kubernetes::secret::SECRET_TYPE};

fn config(more: &[(&str, &str)]) -> Config {
    let base = [("PULL_SECRET_NAME", "pull"), ("PULL_SECRET_REGISTRY", "quay.io")];
    let trusted = [("PULL_SECRET_TRUSTED_HOSTS", "quay.io")];
    let variables = base
        .iter()
        .chain(&trusted)
        .chain(more)
        .map(|(name, value)| (name.into(), value.into()));
    Config::from_env(variables).expect("a configuration")
}

fn secrets() -> KnownSecrets {
    KnownSecrets::default()
}

fn mint() -> CredentialSource {
    CredentialSource::TokenRequest {
        service_account: crate::kubernetes::token_request::ServiceAccountRef {
            namespace: "demo".to_owned(),
            name: "puller".to_owned(),
        },
        audiences: Vec::new(),
        issued_until: None,
    }
}

fn file() -> CredentialSource {
    let credential = Credential::of("robot", Token::new(SecretString::from("password")));
    CredentialSource::File(Box::new(credential))
}

fn stored(document: &str, annotations: &[(&str, &str)]) -> StoredSecret {
    StoredSecret {
        secret_type: SECRET_TYPE.to_owned(),
        data: [(DOCUMENT_KEY.to_owned(), document.as_bytes().to_vec())].into(),
        annotations: texts(annotations),
        ..StoredSecret::absent()
    }
}

fn texts(texts: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    texts.iter().map(owned).collect()
}

/// What would be applied: the document with `keys`, and annotations.
fn fields(keys: &[&str], annotations: &[(&str, &str)]) -> AppliedFields {
    let entry = Entry::new("robot", SecretString::from("password")).expect("an entry");
    let entries: Vec<_> = keys.iter().map(|key| (*key, &entry)).collect();
    let document = Document::parse(b"{}").map(|empty| empty.with_entries(&entries));
    AppliedFields {
        data: [(DOCUMENT_KEY.to_owned(), document.expect("a document").bytes)].into(),
        annotations: texts(annotations),
        ..AppliedFields::default()
    }
}

fn shown(diff: &Diff) -> Vec<String> {
    let line = |(change, text): &(Change, String)| format!("{}{text}", change.sign());
    diff.0.iter().map(line).collect()
}

/// An entry of a token of `demo/old`, which expires in 2033.
fn entry_of_a_token() -> String {
    let part = |claims: &str| URL_SAFE_NO_PAD.encode(claims);
    let claims = r#"{"sub":"system:serviceaccount:demo:old","kubernetes.io":{},"exp":2000000000}"#;
    let token = format!("{}.{}.c2ln", part("{}"), part(claims));
    format!(r#"{{"username":"<token>","password":"{token}"}}"#)
}

#[test]
fn a_first_secret_is_new_from_its_head_on() {
    let diff = of_renewal(
        (&config(&[]), "demo", &secrets()),
        &mint(),
        None,
        &fields(&["quay.io"], &[]),
    );
    assert_eq!(
        shown(&diff),
        [
            "+Secret demo/pull",
            "   data .dockerconfigjson",
            "     auths:",
            "+      quay.io: new token of demo/puller for 24h, bound to this Secret",
        ]
    );
}

#[test]
fn of_a_stored_entry_it_says_whose_it_is_and_of_others_that_they_stay() {
    let ours = entry_of_a_token();
    let document = format!(r#"{{"auths":{{"quay.io":{ours},"other.test":{{}}}}}}"#);
    let then = fields(&["quay.io", "other.test"], &[]);
    let diff = of_renewal(
        (&config(&[]), "demo", &secrets()),
        &mint(),
        Some(&stored(&document, &[])),
        &then,
    );
    assert_eq!(
        shown(&diff),
        [
            " Secret demo/pull",
            "   data .dockerconfigjson",
            "     auths:",
            "-      quay.io: token of demo/old that expires at 2033-05-18T03:33:20Z",
            "+      quay.io: new token of demo/puller for 24h, bound to this Secret",
            "       other.test: unchanged",
        ]
    );
}

#[test]
fn a_diff_adds_auths_and_hides_the_password_of_a_file() {
    let document = r#"{"quay.io":{"username":"robot","password":"secret"},"other.test":{}}"#;
    let then = fields(&["quay.io", "other.test"], &[]);
    let robot = config(&[("PULL_SECRET_TOKEN_FILE", "/robot/token")]);
    let diff = of_renewal(
        (&robot, "demo", &secrets()),
        &file(),
        Some(&stored(document, &[])),
        &then,
    );
    assert_eq!(
        shown(&diff),
        [
            " Secret demo/pull",
            "   data .dockerconfigjson",
            "-    (no auths object: no client finds a credential)",
            "+    auths:",
            "+      quay.io: the content of PULL_SECRET_TOKEN_FILE",
            "+      other.test: unchanged",
        ]
    );
    let wrapped = r#"{"auths":{"quay.io":{"username":"robot","password":"secret"}}}"#;
    let diff = of_renewal(
        (&config(&[]), "demo", &secrets()),
        &file(),
        Some(&stored(wrapped, &[])),
        &then,
    );
    assert!(
        shown(&diff).contains(&"-      quay.io: password".to_owned()),
        "{diff:?}"
    );
}

#[test]
fn labels_annotations_and_keys_are_shown_where_they_differ() {
    let mut before = stored(
        "{}",
        &[
            ("ensure-pull-secret/credential-id", "gone"),
            ("of-somebody-else", "x"),
            ("openshift.io/description", "as it was"),
            ("openshift.io/display-name", "old\u{1b}[31m"),
        ],
    );
    before.labels = texts(&[("opendatahub.io/dashboard", "false"), ("app", "x")]);
    before.data.extend([
        ("ACCESS_TYPE".to_owned(), br#"["Pull"]"#.to_vec()),
        ("OCI_HOST".to_owned(), b"old.test".to_vec()),
        ("other".to_owned(), b"x".to_vec()),
    ]);
    let mut then = fields(
        &[],
        &[
            ("openshift.io/description", "as it was"),
            ("openshift.io/display-name", "new"),
        ],
    );
    then.labels = texts(&[("opendatahub.io/dashboard", "true")]);
    then.data.extend([
        ("ACCESS_TYPE".to_owned(), br#"["Push","Pull"]"#.to_vec()),
        ("OCI_HOST".to_owned(), b"quay.io".to_vec()),
    ]);
    let diff = of_metadata((&config(&[]), "demo", &secrets()), &before, &then);
    assert_eq!(
        shown(&diff),
        [
            " Secret demo/pull",
            "   labels",
            "-    opendatahub.io/dashboard: false",
            "+    opendatahub.io/dashboard: true",
            "   annotations",
            "-    openshift.io/display-name: another value",
            "+    openshift.io/display-name: new",
            "-    ensure-pull-secret/credential-id (kept where another field manager owns it)",
            "   data",
            r#"-    ACCESS_TYPE: ["Pull"]"#,
            r#"+    ACCESS_TYPE: ["Push","Pull"]"#,
            "-    OCI_HOST: old.test",
            "+    OCI_HOST: quay.io",
        ]
    );
}

#[test]
fn a_diff_describes_in_words_what_only_an_issued_token_has() {
    let before = stored(r#"{"auths":{}}"#, &[("ensure-pull-secret/credential-id", "old")]);
    let then = fields(&[], &[("ensure-pull-secret/credential-id", "new")]);
    for (source, coming) in [(mint(), "the new token's id"), (file(), "new")] {
        let diff = of_renewal((&config(&[]), "demo", &secrets()), &source, Some(&before), &then);
        let lines = shown(&diff);
        let (_, lines) = lines.split_at(2);
        assert_eq!(
            lines.first().map(String::as_str),
            Some("-    ensure-pull-secret/credential-id: another value")
        );
        assert_eq!(
            lines.get(1),
            Some(&format!("+    ensure-pull-secret/credential-id: {coming}"))
        );
    }
}

#[test]
fn s14_no_stored_value_that_may_be_a_password_is_shown() {
    let password = "s3cr3t-robot-pass";
    let mut before = stored("{}", &[]);
    for name in [
        "openshift.io/display-name",
        "ensure-pull-secret/service-account",
        "x",
    ] {
        before.annotations.insert(name.to_owned(), password.to_owned());
    }
    before.labels = texts(&[("opendatahub.io/dashboard", password)]);
    for key in ["OCI_HOST", "ACCESS_TYPE"] {
        before.data.insert(key.to_owned(), password.as_bytes().to_vec());
    }
    let mut then = fields(
        &[],
        &[
            ("ensure-pull-secret/service-account", "demo/puller"),
            ("openshift.io/display-name", "new"),
        ],
    );
    then.labels = texts(&[("opendatahub.io/dashboard", "true")]);
    then.data.extend([
        ("ACCESS_TYPE".to_owned(), br#"["Pull"]"#.to_vec()),
        ("OCI_HOST".to_owned(), b"quay.io".to_vec()),
    ]);
    let diff = shown(&of_metadata((&config(&[]), "demo", &secrets()), &before, &then));
    assert!(!diff.iter().any(|line| line.contains("s3cr3t")), "{diff:?}");
    let hidden = diff.iter().filter(|line| line.ends_with(": another value"));
    assert_eq!(hidden.count(), 5, "{diff:?}");
}
