use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use secrecy::SecretString;

use super::*;

const USERNAME: &str = "team+robot";
const PASSWORD: &str = "s3cr3t-robot-pass";

fn known(secrets: &[&str]) -> KnownSecrets {
    let known = KnownSecrets::default();
    for secret in secrets {
        known.add(USERNAME, &SecretString::from((*secret).to_owned()));
    }
    known
}

fn redacted(known: &KnownSecrets, text: &str) -> String {
    let mut text = text.to_owned();
    known.redact(vec![&mut text]);
    text
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn s3_s4_a_secret_is_redacted_in_any_text_and_encoding() {
    let pair = format!("{USERNAME}:{PASSWORD}");
    let auth = STANDARD.encode(&pair);
    let mut spellings = vec![
        PASSWORD.to_owned(),
        PASSWORD.to_uppercase(),
        PASSWORD.replace('-', "."),
        PASSWORD.replace('-', "%2D"),
        PASSWORD.bytes().map(|byte| format!("%{byte:02x}")).collect(),
        pair.clone(),
        hex(&auth),
    ];
    for text in [
        PASSWORD.to_owned(),
        format!("x{PASSWORD}"),
        format!("xy{PASSWORD}"),
        pair,
        auth,
    ] {
        spellings.extend([
            STANDARD.encode(&text),
            STANDARD.encode(&text).to_lowercase(),
            URL_SAFE_NO_PAD.encode(&text),
            hex(&text),
            hex(&text).to_uppercase(),
        ]);
    }
    let known = known(&[PASSWORD]);
    for spelling in &spellings {
        for (before, after) in [("", ""), ("a.test/", ""), ("\"", "\""), ("x.", ".evil.test")] {
            let text = format!("held by {before}{spelling}{after}: remove it");
            let shown = redacted(&known, &text);
            assert!(!shown.contains(spelling), "{spelling}: {shown}");
            assert!(
                shown.starts_with("held by ") && shown.ends_with(": remove it") && shown.contains("redacted"),
                "{shown}"
            );
        }
    }
    // Names are shortened in their middle.
    let encoded = hex(PASSWORD);
    let (head, tail) = (&encoded[..18], &encoded[encoded.len() - 18..]);
    assert_eq!(redacted(&known, &format!("a {head}…{tail} b")), "a redacted b");
    assert_eq!(redacted(&known, "a.test/s3cr3t-ro…obot-pass"), "redacted");
}

#[test]
fn s3_a_weak_secret_is_redacted_without_the_programs_words() {
    for (secret, text, shown) in [
        ("abc123", "x/abc123 and abc1234", "redacted and abc1234"),
        ("correcthorsebattery", "by correcthorsebattery.", "by redacted."),
        ("correct horse 42", "a.test/correct_horse_42", "redacted"),
        // Nobody can see that these words are a password.
        (
            "password",
            "a line end in the password",
            "a line end in the password",
        ),
        ("pull", "pulls the image a/pull:1", "pulls the image a/pull:1"),
        ("registry-robot", "the registry quay.io", "the registry quay.io"),
        (
            "20261130",
            "expires at 2026-11-30T01:39:08Z",
            "expires at 2026-11-30T01:39:08Z",
        ),
        ("5000", "registry.test:5000", "registry.test:5000"),
        ("", "anything", "anything"),
    ] {
        assert_eq!(redacted(&known(&[secret]), text), shown, "{secret}");
    }
}

#[test]
fn r10_names_in_a_google_key_file_stay_readable() {
    let file = serde_json::json!({
        "type": "service_account", "project_id": "models-123456",
        "private_key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n-----END PRIVATE KEY-----\n",
    });
    let known = known(&[&file.to_string()]);
    let image = "eu.gcr.io/models-123456/app:1.0";
    assert_eq!(redacted(&known, image), image);
    assert_eq!(redacted(&known, "x/MIIEvQIBADANBgkqhkiG9w0B"), "redacted");
    let encoded = STANDARD.encode(file.to_string());
    assert_eq!(redacted(&known, encoded.trim_end_matches('=')), "redacted");
}

#[test]
fn s4_a_digest_with_some_digits_of_an_encoding_stays_readable() {
    let encoded = hex(PASSWORD);
    let digest = format!(
        "quay.io/a@sha256:{}{}{}",
        "0".repeat(28),
        &encoded[4..12],
        "f".repeat(28)
    );
    assert_eq!(redacted(&known(&[PASSWORD]), &digest), digest);
}

#[test]
fn s4_a_secret_of_the_stored_document_is_redacted() {
    let known = KnownSecrets::default();
    let document = format!(
        r#"{{"auths":{{"a.test":{{"auth":"{}"}}}}}}"#,
        STANDARD.encode(format!("u:{PASSWORD}"))
    );
    known.add_document(document.as_bytes(), crate::dockerconfig::stored_secrets);
    assert_eq!(
        redacted(&known, &format!("a {PASSWORD} b a.test")),
        "a redacted b a.test"
    );
}

#[test]
fn o10_a_great_document_delays_no_redaction() {
    let known = known(&[PASSWORD]);
    let entry = |n| format!(r#""{n}.test":{{"username":"robot","password":"password-{n:07}"}}"#);
    let entries: Vec<_> = (0..20_000).map(entry).collect();
    let document = format!(r#"{{"auths":{{{}}}}}"#, entries.join(","));
    known.add_document(document.as_bytes(), crate::dockerconfig::stored_secrets);
    assert!(known.forms().len() < 100, "the document is not read");
    assert_eq!(redacted(&known, PASSWORD), "redacted");
}
