//! Detection of secrets in names from a server or a document: plain, in base64, base32 and hexadecimal, percent-encoded.
//!
//! Names lose their case (DNS) and are split into labels, so only letters and digits are compared, in lower case. Both
//! alphabets of base64 are the same then.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use super::embedded;

/// Number of consecutive letters and digits that identify a secret: ordinary names have no eight in common with a random
/// secret.
const IDENTIFYING: usize = 8;

/// Minimum length for a partial match. Shorter secrets occur in ordinary names, so they match only a whole label.
const SHORTEST: usize = 4;

/// Greatest length of all secrets together, in bytes, with which names are compared. With more, no name is printed that
/// is not from the configuration: each would take seconds.
const COMPARED_MAX: usize = 128 << 10;

/// Digits of base64 and of base32, in lower case; `-`, `_`, `+` and `/` are not compared.
const BASE64: &[u8] = b"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789";
const BASE32: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Digits of base32hex, and of hexadecimal.
const BASE32_HEX: &[u8] = b"0123456789abcdefghijklmnopqrstuv";

/// Text that is searched for secrets.
struct Haystack {
    /// Text and percent-decoded text.
    whole: String,
    compared: String,
}

impl Haystack {
    fn new(text: &str) -> Self {
        let decoded = embedded::percent_decoded(text);
        let whole = format!("{text}\n{decoded}").to_ascii_lowercase();
        let compared = whole.chars().filter(char::is_ascii_alphanumeric).collect();
        Self { whole, compared }
    }

    /// True if it contains an identifying part of `secret`, a password or a token.
    fn has(&self, secret: &str) -> bool {
        let lower = secret.to_ascii_lowercase();
        let compared: Vec<u8> = lower.bytes().filter(u8::is_ascii_alphanumeric).collect();
        let is_plain = match compared.len() {
            length if length >= SHORTEST => self.has_part(&compared),
            // Punctuation is all that identifies it, so it has to be there as it is.
            length if length < lower.len() => self.whole.contains(&lower),
            _ => {
                let mut labels = self.whole.split(|c: char| !c.is_ascii_alphanumeric());
                !lower.is_empty() && labels.any(|label| label.as_bytes() == compared)
            }
        };
        is_plain
            || self.has_part(&percent_encoded(&lower, b""))
            || self.has_part(&percent_encoded(&lower, b"-._~"))
            || self.has_encoded(secret.as_bytes())
    }

    /// True if it contains an identifying part of the `user:password` of Basic authentication, or of an encoding.
    fn has_pair(&self, username: &str, password: &str) -> bool {
        let pair = format!("{username}:{password}");
        self.has_encoded(pair.as_bytes()) || self.has_encoded(STANDARD.encode(&pair).as_bytes())
    }

    fn has_encoded(&self, secret: &[u8]) -> bool {
        let encodings: [(&[u8], u32, u32); 4] = [
            (BASE64, 6, 2),
            (BASE32, 5, 1),
            (BASE32_HEX, 5, 1),
            (BASE32_HEX, 4, 4),
        ];
        encodings.into_iter().any(|(alphabet, bits, step)| {
            let mut skipped = (0..bits).filter(|skip| skip.checked_rem(step) == Some(0));
            skipped.any(|skip| self.has_part(&encoded(secret, alphabet, bits, skip)))
        })
    }

    /// True if it contains eight consecutive characters of `digits`, or all of them if there are fewer.
    fn has_part(&self, digits: &[u8]) -> bool {
        let shortest = IDENTIFYING.min(digits.len());
        if shortest < SHORTEST {
            return false;
        }
        let mut parts: Vec<&[u8]> = self.compared.as_bytes().windows(shortest).collect();
        parts.sort_unstable();
        digits
            .windows(shortest)
            .any(|part| parts.binary_search(&part).is_ok())
    }
}

/// Encoded digits, `bits` bits each, that depend only on `secret` and not on preceding text. The first `skip` bits share a
/// digit with that text.
fn encoded(secret: &[u8], alphabet: &[u8], bits: u32, skip: u32) -> Vec<u8> {
    let mut digits = Vec::with_capacity(secret.len().saturating_mul(2));
    let (mut rest, mut known) = (0_u32, 0_u32);
    let mut skip = skip;
    for byte in secret {
        rest = (rest & 0xff) << 8 | u32::from(*byte);
        known = known.saturating_add(8).saturating_sub(std::mem::take(&mut skip));
        while known >= bits {
            known = known.saturating_sub(bits);
            let digit = (rest >> known) & (1_u32 << bits).saturating_sub(1);
            digits.extend(usize::try_from(digit).ok().and_then(|digit| alphabet.get(digit)));
        }
    }
    digits
}

/// Letters and digits of the percent-encoded text, without `%`; bytes in `kept` are not encoded.
fn percent_encoded(text: &str, kept: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(byte);
        } else if !kept.contains(&byte) {
            encoded.extend(format!("{byte:02x}").bytes());
        }
    }
    encoded
}

/// Secrets of a run. A name that is not from the configuration is printed only if it contains none of them.
///
/// Clones share the same secrets.
#[derive(Clone, Default)]
pub struct KnownSecrets(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    credentials: Vec<(String, SecretString)>,
    document: Option<(SecretSlice<u8>, SecretReader)>,
}

/// Function that extracts user names and secrets from a document.
pub type SecretReader = fn(&[u8]) -> Vec<(String, SecretString)>;

impl KnownSecrets {
    /// Adds a credential; the user name may be empty.
    pub fn add(&self, username: &str, secret: &SecretString) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |(user, other): &(String, SecretString)| {
            user == username && other.expose_secret() == secret.expose_secret()
        };
        if !known.credentials.iter().any(is_same) {
            known.credentials.push((username.to_owned(), secret.clone()));
        }
    }

    /// Adds all credentials of a stored document, and removes those of the previous one. `reader` parses the document only
    /// when a name is printed.
    pub fn add_document(&self, document: &[u8], reader: SecretReader) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.document = Some((document.to_vec().into(), reader));
    }

    /// True if `text` contains a secret, in any encoding.
    pub fn show_in(&self, text: &str) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let haystack = Haystack::new(text);
        let contains = |username: &str, secret: &str| {
            !secret.is_empty() && (haystack.has(secret) || haystack.has_pair(username, secret))
        };
        let stored = known
            .document
            .as_ref()
            .map(|(document, reader)| reader(document.expose_secret()));
        let mut left = COMPARED_MAX;
        known
            .credentials
            .iter()
            .chain(stored.iter().flatten())
            .any(|(username, secret)| {
                let secret = secret.expose_secret();
                let rest = left.checked_sub(username.len().saturating_add(secret.len()));
                left = rest.unwrap_or_default();
                rest.is_none() || contains(username, secret)
            })
    }
}

/// Prints no secrets.
impl fmt::Debug for KnownSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownSecrets")
    }
}

#[cfg(test)]
mod tests {
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
}
