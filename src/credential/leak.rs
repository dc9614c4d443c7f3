//! Detection of secrets in names from a server or a document: plain, in base64, base32 and hexadecimal, percent-encoded.
//!
//! Names lose their case (DNS) and are split into labels, so only letters and digits are compared, in lower case. Both
//! alphabets of base64 are the same then.

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde_json::Value;

use super::{
    embedded,
    redaction::{Form, compared},
};

/// Number of consecutive letters and digits that identify a secret: ordinary names have no eight in common with a random
/// secret.
const IDENTIFYING: usize = 8;

/// Minimum length for a partial match. Shorter secrets occur in ordinary names, so they match only a whole label.
const SHORTEST: usize = 4;

/// Greatest length of all secrets together, in bytes, with which names are compared. With more, no name is printed that
/// is not from the configuration: each would take seconds.
const COMPARED_MAX: usize = 128 << 10;

/// The same for the texts of a run. Other secrets, and those of a document longer than [`COMPARED_MAX`], which would take too
/// much memory, are searched for in names alone.
const REDACTED_MAX: usize = 32 << 10;

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

/// The part of a secret that identifies it: of a Google key file the private key, since its other members are names.
fn identifying(secret: &str) -> Cow<'_, str> {
    let file = secret.starts_with('{').then(|| serde_json::from_str(secret).ok());
    match file
        .flatten()
        .as_ref()
        .and_then(|file: &Value| file.get("private_key")?.as_str())
    {
        Some(key) => key.to_owned().into(),
        None => secret.into(),
    }
}

/// Secrets of a run. A name that is not from the configuration is printed only if it contains none of them.
///
/// Clones share the same secrets.
#[derive(Clone, Default)]
pub struct KnownSecrets(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    credentials: Vec<(String, SecretString)>,
    document: Option<(Arc<SecretSlice<u8>>, SecretReader)>,
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
        known.document = Some((Arc::new(document.to_vec().into()), reader));
    }

    /// The run's own secrets, then those of the document, unless it is longer than `longest_document`. The lock is not held
    /// while they are read: the panic hook reads them too.
    fn all(&self, longest_document: usize) -> Vec<(String, SecretString)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut all, document) = (known.credentials.clone(), known.document.clone());
        drop(known);
        let document = document.filter(|(document, _)| document.expose_secret().len() <= longest_document);
        all.extend(
            document
                .into_iter()
                .flat_map(|(document, reader)| reader(document.expose_secret())),
        );
        all
    }

    /// The secrets in all forms that are searched for in texts, without those beyond [`REDACTED_MAX`].
    pub(super) fn forms(&self) -> Vec<Form> {
        let mut left = REDACTED_MAX;
        let mut forms = Vec::new();
        for (username, secret) in self.all(COMPARED_MAX) {
            let secret = secret.expose_secret();
            let Some(rest) = left.checked_sub(username.len().saturating_add(secret.len())) else {
                continue;
            };
            left = rest;
            let lower = identifying(secret).to_ascii_lowercase();
            let plain = [
                compared(&lower),
                percent_encoded(&lower, b""),
                percent_encoded(&lower, b"-._~"),
            ];
            forms.extend(plain.map(Form::Text));
            let pair = format!("{username}:{secret}");
            let auth = STANDARD.encode(&pair);
            for text in [secret, &pair, &auth].map(str::as_bytes) {
                forms.extend([0, 2, 4].map(|skip| Form::Text(encoded(text, BASE64, 6, skip))));
                forms.push(Form::Hexadecimal(encoded(text, BASE32_HEX, 4, 0)));
            }
        }
        forms
    }

    /// True if `text` contains a secret, in any encoding.
    pub fn show_in(&self, text: &str) -> bool {
        let haystack = Haystack::new(text);
        let contains = |username: &str, secret: &str| {
            !secret.is_empty() && (haystack.has(secret) || haystack.has_pair(username, secret))
        };
        let mut left = COMPARED_MAX;
        self.all(usize::MAX).iter().any(|(username, secret)| {
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
mod tests;
