use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;
use crate::dockerconfig::stored_secrets;

const USERNAME: &str = "team+robot";
const PASSWORD: &str = "s3cr3t-robot-pass/?~";

/// True if `text` contains an identifying part of `secret`.
fn shows(secret: &str, text: &str) -> bool {
    Haystack::new(text).has(secret)
}

fn known(username: &str, password: &str) -> KnownSecrets {
    let known = KnownSecrets::default();
    known.add(username, &SecretString::from(password));
    known
}

fn hex(bytes: &str) -> String {
    bytes.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn base32(text: &str, alphabet: &[u8]) -> String {
    let bits: String = text.bytes().map(|byte| format!("{byte:08b}")).collect();
    let mut digits = String::new();
    for group in bits.as_bytes().chunks(5) {
        let group = format!("{:0<5}", String::from_utf8_lossy(group));
        let digit = usize::from_str_radix(&group, 2).expect("bits");
        digits.push(char::from(alphabet[digit]));
    }
    digits
}

/// Encodings of a credential that a server could use as a host name.
fn spellings(username: &str, password: &str) -> Vec<String> {
    let pair = format!("{username}:{password}");
    let auth = STANDARD.encode(&pair);
    let mut spellings = vec![password.to_owned()];
    for text in [
        password,
        &pair,
        &auth,
        &format!("x{password}"),
        &format!("xy{password}"),
    ] {
        spellings.extend([
            STANDARD.encode(text),
            STANDARD_NO_PAD.encode(text),
            URL_SAFE_NO_PAD.encode(text),
            hex(text),
            hex(text).to_uppercase(),
            base32(text, BASE32),
            base32(text, BASE32_HEX),
        ]);
    }
    let percent: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
    spellings.extend([percent, password.replace('/', "%2F").replace('?', "%3f")]);
    spellings
}

#[test]
fn s4_secret_is_found_in_every_encoding() {
    let known = known(USERNAME, PASSWORD);
    for spelling in spellings(USERNAME, PASSWORD) {
        let labels: Vec<String> = spelling
            .as_bytes()
            .chunks(7)
            .map(|label| String::from_utf8_lossy(label).into_owned())
            .collect();
        for name in [
            spelling.clone(),
            spelling.to_lowercase(),
            spelling.to_uppercase(),
            format!("a.{}.evil.test:8443", spelling.to_lowercase()),
            format!("{}.evil.test", labels.join(".")),
            labels.join("-"),
            labels.join("_"),
            labels.join(":"),
        ] {
            assert!(known.show_in(&name), "{name} of {spelling}");
        }
    }
}

#[test]
fn s4_part_of_an_encoding_is_found() {
    let known = known(USERNAME, PASSWORD);
    let encoded = hex(PASSWORD);
    for name in [
        &encoded[10..22],
        &encoded[encoded.len() - 9..],
        "cr3t-robot.evil.test",
    ] {
        assert!(known.show_in(name), "{name}");
    }
}

#[test]
fn s4_ordinary_names_contain_no_secret() {
    let token = format!(
        "eyJhbGciOiJSUzI1NiJ9.{}.c2ln",
        URL_SAFE_NO_PAD.encode(r#"{"sub":"a"}"#)
    );
    for known in [
        known(USERNAME, PASSWORD),
        known("<token>", &token),
        known("", "x"),
        known("", ""),
    ] {
        for name in [
            "",
            "auth.docker.io",
            "sso.redhat.com",
            "gitlab.com:443",
            "team.robot.test",
            "image-registry.openshift-image-registry.svc:5000",
            "123456789012.dkr.ecr.eu-central-1.amazonaws.com",
            "validate.kyverno.svc-fail",
        ] {
            assert!(!known.show_in(name), "{name}");
        }
    }
}

#[test]
fn short_secret_is_found_as_a_whole_label_or_in_its_login() {
    let known = known("robot", "abc");
    assert!(known.show_in("x.ABC.evil.test"));
    assert!(known.show_in(&format!("{}.test", STANDARD.encode("robot:abc"))));
    assert!(!known.show_in("abcd.test"));
    assert!(shows("-!-", "a-!-b") && !shows("-!-", "a-b"));
    assert!(shows(":A a[: :0   ", "x:a a[: :0   y") && !shows(":A a[: :0   ", "x.aa0b.test"));
    assert!(shows("{)u{\"ex", "{)u{\"ex") && !shows("{)u{\"ex", "u.ex.test"));
    assert!(shows("abc", "x.abc.test") && !shows("abc", "abcd.test") && !shows("", "a.test"));
}

#[test]
fn s4_stored_credentials_are_secrets_too() {
    let known = KnownSecrets::default();
    let document = format!(
        r#"{{"auths":{{"a.test":{{"auth":"{}"}},"b.test":{{"identitytoken":"an-identity-token"}}}}}}"#,
        STANDARD.encode(format!("{USERNAME}:{PASSWORD}"))
    );
    known.add_document(document.as_bytes(), stored_secrets);
    for spelling in spellings(USERNAME, PASSWORD) {
        assert!(known.show_in(&format!("{spelling}.evil.test")), "{spelling}");
    }
    assert!(known.show_in(&hex("an-identity-token")));
    assert!(!known.show_in("a.test"));
    known.add_document(b"not a document", stored_secrets);
    assert!(!known.show_in(PASSWORD));
    assert_eq!(format!("{known:?}"), "KnownSecrets");
}

#[test]
fn o10_no_name_is_compared_with_too_many_secrets() {
    let document = |count: usize| {
        let entry = |n| format!(r#""{n}.test":{{"username":"robot","password":"password-{n:07}"}}"#);
        let entries: Vec<_> = (0..count).map(entry).collect();
        format!(r#"{{"auths":{{{}}}}}"#, entries.join(","))
    };
    let known = KnownSecrets::default();
    for (count, is_hidden) in [(10, false), (40_000, true), (1, false)] {
        known.add_document(document(count).as_bytes(), stored_secrets);
        assert_eq!(known.show_in("sso.redhat.com"), is_hidden, "{count}");
    }
}

#[test]
fn text_with_a_part_of_a_token_is_detected() {
    for (text, expected) in [
        ("x.defghijk.test", true),
        ("abc.DEFGHIJKLMN.opq", true),
        ("defghij.test", false),
        ("", false),
    ] {
        assert_eq!(shows("abc.DEFGHIJKLMN.opq", text), expected, "{text}");
    }
    assert!(shows("short", "a.short.test"));
    assert!(!shows("", "any"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    // A percent sign that is not encoded itself can be read in two ways.
    fn every_encoding_of_any_password_is_found(password in "[ -$&-~]{12,40}", username in "[a-z]{1,9}") {
        let known = known(&username, &password);
        for spelling in spellings(&username, &password) {
            prop_assert!(known.show_in(&spelling.to_lowercase()), "{}", spelling);
        }
    }
}
