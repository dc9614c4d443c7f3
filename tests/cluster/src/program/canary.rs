//! Secrets that a test knows, and the search for them in all outputs of the program.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// Parts shorter than this are found in innocent text.
const SHORTEST: usize = 12;

/// A secret in all the spellings that could give it away.
#[derive(Clone)]
pub struct Canary {
    spellings: Vec<(String, String)>,
}

impl Canary {
    /// `secret` itself, each of its parts between dots (a token's header, claims and signature), base64 of it, standard
    /// and URL-safe, anywhere in a longer encoded text, hexadecimal, and percent-encoded. In any case: host names have
    /// none.
    ///
    /// # Panics
    /// If the secret is too short to be told from innocent text.
    pub fn new(secret: &str) -> Self {
        assert!(
            secret.len() >= SHORTEST,
            "a canary has at least {SHORTEST} characters"
        );
        let mut spellings = vec![("the secret itself".to_owned(), secret.to_owned())];
        if secret.contains('.') {
            for (index, part) in secret.split('.').enumerate() {
                if part.len() >= SHORTEST {
                    spellings.push((format!("part {} of the token", index + 1), part.to_owned()));
                }
            }
        }
        for shift in 0..3 {
            for (name, text) in [
                ("base64", STANDARD_NO_PAD.encode(shifted(secret, shift))),
                ("URL-safe base64", URL_SAFE_NO_PAD.encode(shifted(secret, shift))),
            ] {
                spellings.push((
                    format!("{name} of the secret"),
                    own_characters(&text, secret.len(), shift),
                ));
            }
        }
        let hexadecimal: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        spellings.push(("hexadecimal of the secret".to_owned(), hexadecimal));
        for (name, kept) in [("each byte", ""), ("each byte that a URL may not hold", "-._~")] {
            spellings.push((
                format!("the secret with {name} as %XX"),
                percent_encoded(secret, kept),
            ));
        }
        for (_, spelling) in &mut spellings {
            spelling.make_ascii_lowercase();
        }
        Self { spellings }
    }

    /// Form in which `text` has the secret; none if it doesn't.
    pub fn trace_in(&self, text: &str) -> Option<&str> {
        let text = text.to_ascii_lowercase();
        self.spellings
            .iter()
            .find(|(_, spelling)| text.contains(spelling))
            .map(|(name, _)| name.as_str())
    }
}

impl std::fmt::Debug for Canary {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Canary")
    }
}

/// The secret behind `shift` bytes of something else: base64 has three alignments.
fn shifted(secret: &str, shift: usize) -> Vec<u8> {
    let mut bytes = vec![0; shift];
    bytes.extend_from_slice(secret.as_bytes());
    bytes
}

/// The secret with every byte but letters, digits and `kept` as `%XX`.
fn percent_encoded(secret: &str, kept: &str) -> String {
    let mut encoded = String::new();
    for byte in secret.bytes() {
        if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The characters of the encoded text that depend on the secret alone.
fn own_characters(encoded: &str, length: usize, shift: usize) -> String {
    // Three bytes make four characters: a character that also has bits of a neighbour is left out.
    let first = (shift * 8).div_ceil(6);
    let last = (shift + length) * 8 / 6;
    encoded.chars().take(last).skip(first).collect()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzb21lYm9keSJ9.c2lnbmF0dXJlLXNpZ25hdHVyZQ";

    #[test]
    fn the_secret_is_found_in_every_alignment_of_base64() {
        let canary = Canary::new(TOKEN);
        for before in ["", "u", "<token>:", "ab", "abc"] {
            let encoded = STANDARD.encode(format!("{before}{TOKEN}:after"));
            assert!(canary.trace_in(&encoded).is_some(), "behind {before:?}");
        }
    }

    #[test]
    fn s4_the_secret_is_found_in_other_spellings() {
        let secret = "s3cr3t/robot-pass";
        let hexadecimal: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        for text in [
            hexadecimal.to_uppercase(),
            hexadecimal,
            secret.to_uppercase(),
            "s3cr3t%2Frobot-pass".to_owned(),
            "s3cr3t%2frobot%2dpass".to_owned(),
            STANDARD.encode(secret).to_lowercase(),
        ] {
            let text = format!("https://{text}.evil.test");
            assert!(Canary::new(secret).trace_in(&text).is_some(), "{text}");
        }
    }

    #[test]
    fn each_part_of_a_token_is_found() {
        let canary = Canary::new(TOKEN);
        for part in TOKEN.split('.') {
            assert!(canary.trace_in(&format!("a {part} b")).is_some(), "{part}");
        }
    }

    #[test]
    fn innocent_text_has_no_trace() {
        assert_eq!(
            Canary::new(TOKEN).trace_in("SUCCESS ok (exit 0): pulls every image"),
            None
        );
    }
}
