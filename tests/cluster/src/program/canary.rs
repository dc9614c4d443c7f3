//! Secrets that a test knows, and the search for them in all outputs of the program.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// Parts shorter than this are found in innocent text.
pub(super) const SHORTEST: usize = 12;

/// A secret in all the spellings that could give it away.
#[derive(Clone)]
pub struct Canary {
    spellings: Vec<(String, String)>,
}

impl Canary {
    /// `secret` itself, each of its parts between dots (a token's header, claims and signature), base64 of it, standard
    /// and URL-safe, anywhere in a longer encoded text, hexadecimal, percent-encoded, and with JSON escapes. In any case:
    /// host names have none.
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
        for (_, spelling) in &mut spellings {
            spelling.make_ascii_lowercase();
        }
        Self { spellings }
    }

    /// Form in which `text` has the secret; none if it doesn't.
    pub fn trace_in(&self, text: &str) -> Option<&str> {
        let unescaped = unescaped(text);
        let texts = [text, &unescaped].map(str::to_ascii_lowercase);
        self.spellings
            .iter()
            .find(|(_, spelling)| texts.iter().any(|text| text.contains(spelling)))
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

/// The text without percent-encoding and JSON escapes, whichever of its characters have them.
fn unescaped(text: &str) -> String {
    let code = |digits: &str| {
        let code = u32::from_str_radix(digits, 16).ok()?;
        char::from_u32(code)
    };
    let (mut unescaped, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let (character, length) = match rest.as_bytes() {
            [b'%', ..] => (rest.get(1..3).and_then(code), 3),
            [b'\\', b'u', ..] => (rest.get(2..6).and_then(code), 6),
            [b'\\', b'n', ..] => (Some('\n'), 2),
            [b'\\', b'r', ..] => (Some('\r'), 2),
            [b'\\', b't', ..] => (Some('\t'), 2),
            [b'\\', b'"' | b'/' | b'\\', ..] => (rest.chars().nth(1), 2),
            _ => (None, 0),
        };
        let (character, length) = character.map_or((first, first.len_utf8()), |found| (found, length));
        unescaped.push(character);
        rest = rest.get(length..).unwrap_or_default();
    }
    unescaped
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
        let secret = "s3cr3t/robot-\"pass\\";
        let hexadecimal: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        for text in [
            hexadecimal.to_uppercase(),
            hexadecimal,
            secret.to_uppercase(),
            "s3cr3t%2Frobot-%22pass%5C".to_owned(),
            "s3cr3t%2frobot%2d%22pass%5c".to_owned(),
            secret.bytes().map(|byte| format!("%{byte:02X}")).collect(),
            secret.bytes().map(|byte| format!("\\u00{byte:02x}")).collect(),
            r#"s3cr3t\/robot-\"pass\\"#.to_owned(),
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
