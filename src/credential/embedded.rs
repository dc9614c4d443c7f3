//! Kubernetes tokens inside other text: behind `Bearer `, in `user:TOKEN`, in quotes, wrapped over lines, in base64.
//!
//! Only the payload counts, since other text may precede the header without a separator. [`super::Token::claims`] decides
//! if a text is exactly one token.

use std::borrow::Cow;

use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::{Map, Value};

use super::{TokenKind, claims};
use crate::text::OPENSHIFT_LOGIN_PREFIX;

/// Maximum depth of nested base64.
const NESTED: u8 = 2;

/// Minimum length of base64 of a token.
const ENCODED_MIN: usize = 10;

/// Most lenient decoder: ignores padding and trailing bits.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Kind of the Kubernetes token in `text`; [`TokenKind::Other`] if there is none.
pub fn kind_in(text: &str) -> TokenKind {
    kind_at(text, NESTED)
}

/// Decoded base64: both alphabets, any padding, line breaks ignored.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let plain: String = graphic(text)
        .trim_end_matches('=')
        .chars()
        .map(|c| match c {
            '+' => '-',
            '/' => '_',
            other => other,
        })
        .collect();
    LENIENT.decode(plain).ok()
}

fn kind_at(text: &str, nested: u8) -> TokenKind {
    let joined = graphic(text);
    let mut readings = vec![Cow::Borrowed(text)];
    if joined != text {
        readings.push(Cow::Borrowed(joined.as_str()));
    }
    if text.contains('%') {
        readings.push(percent_decoded(&joined).into());
    }
    for reading in &readings {
        match plain_kind(reading) {
            TokenKind::Other => {}
            kind => return kind,
        }
    }
    let Some(nested) = nested.checked_sub(1) else {
        return TokenKind::Other;
    };
    readings
        .iter()
        .flat_map(|reading| reading.split(|c: char| !is_base64(c)))
        .filter(|run| run.len() >= ENCODED_MIN)
        .filter_map(decode)
        .map(|decoded| kind_at(&String::from_utf8_lossy(&decoded), nested))
        .find(|kind| kind.is_kubernetes())
        .unwrap_or(TokenKind::Other)
}

/// Kind of a token in the text, unencoded or padded.
fn plain_kind(text: &str) -> TokenKind {
    let has_payload = text
        .split(|c: char| !(is_base64(c) || c == '=' || c == '.'))
        .flat_map(|run| run.split('.').skip(1))
        .any(is_payload);
    if has_payload {
        TokenKind::ServiceAccount
    } else if text.contains(OPENSHIFT_LOGIN_PREFIX) {
        TokenKind::OpenShiftLogin
    } else {
        TokenKind::Other
    }
}

/// True for the payload of a ServiceAccount token.
fn is_payload(part: &str) -> bool {
    decode(part)
        .and_then(|payload| serde_json::from_slice::<Map<String, Value>>(&payload).ok())
        .is_some_and(|payload| claims::is_of_service_account(&payload))
}

/// Printable ASCII characters of the text, without blanks.
fn graphic(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).collect()
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_')
}

/// Percent-decoded text (RFC 3986 section 2.1).
pub(super) fn percent_decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let escaped = part
            .split_at_checked(2)
            .and_then(|(digits, rest)| Some((u8::from_str_radix(digits, 16).ok()?, rest)));
        match escaped {
            Some((byte, rest)) => {
                decoded.push(char::from(byte));
                decoded.push_str(rest);
            }
            None => {
                decoded.push('%');
                decoded.push_str(part);
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE as PADDED, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    const BOUND: &str =
        r#"{"iss":"x","kubernetes.io":{"namespace":"demo"},"sub":"system:serviceaccount:demo:a"}"#;
    const LEGACY: &str = r#"{"kubernetes.io/serviceaccount/namespace":"demo"}"#;
    const SUBJECT: &str = r#"{"sub":"system:serviceaccount:demo:puller"}"#;
    const FOREIGN: &str = r#"{"iss":"https://issuer.test","sub":"robot"}"#;

    fn jwt(payload: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.c2ln", part(r#"{"alg":"RS256"}"#), part(payload))
    }

    /// Texts that contain `token`.
    fn around(token: &str) -> Vec<String> {
        let (head, tail) = token.split_at(token.len() / 2);
        vec![
            token.to_owned(),
            format!("Bearer {token}"),
            format!("bearer\t{token}\n"),
            format!("{token}."),
            format!(".{token}"),
            format!("user:{token}"),
            format!("serviceaccount:demo:puller:{token}"),
            format!("user_{token}"),
            format!("  \"{token}\" "),
            format!("'{token}',"),
            format!("{{\"token\":\"{token}\"}}"),
            format!("https://u:{token}@registry.test/x?y=z"),
            format!("\u{feff}{token}\u{200b}"),
            format!("{head}\r\n  {tail}"),
            token.replace('.', "%2E").replace('~', "%7E"),
            STANDARD.encode(token),
            PADDED.encode(format!("user:{token}")),
            URL_SAFE_NO_PAD.encode(STANDARD.encode(token)),
            format!("user:{}", STANDARD.encode(token)),
            token.chars().flat_map(|c| [c, '\0']).collect(),
        ]
    }

    #[test]
    fn s2_kubernetes_token_is_found_in_any_text() {
        let login = format!("sha256~{}", "Ab-9".repeat(11));
        for (token, kind) in [
            (jwt(BOUND), TokenKind::ServiceAccount),
            (jwt(LEGACY), TokenKind::ServiceAccount),
            (jwt(SUBJECT), TokenKind::ServiceAccount),
            (login, TokenKind::OpenShiftLogin),
        ] {
            for text in around(&token) {
                assert_eq!(kind_in(&text), kind, "{text}");
            }
        }
    }

    #[test]
    fn s2_kubernetes_token_with_padding_is_found() {
        for payload in [BOUND, LEGACY, r#"{"kubernetes.io":{}, "a":"~~~???"}"#] {
            for encode in [|text| PADDED.encode(text), |text: &str| STANDARD.encode(text)] {
                let token = format!("{}.{}.c2ln", encode(r#"{"alg":"RS256"}"#), encode(payload));
                assert_eq!(kind_in(&token), TokenKind::ServiceAccount, "{token}");
            }
            let mut more = jwt(payload);
            more = more.replace(".c2ln", "=.c2ln");
            assert_eq!(kind_in(&more), TokenKind::ServiceAccount, "{more}");
        }
    }

    #[test]
    fn s2_other_passwords_are_no_kubernetes_tokens() {
        for text in around(&jwt(FOREIGN))
            .into_iter()
            .chain(around("robot.s3cr3t-pass.x"))
        {
            assert_eq!(kind_in(&text), TokenKind::Other, "{text}");
        }
        for text in [
            "",
            ".",
            "..",
            "a%",
            "a%zz",
            "%C3%A9.%2E",
            "sha256:abc",
            "system:serviceaccount:demo:a",
        ] {
            assert_eq!(kind_in(text), TokenKind::Other, "{text}");
        }
        for payload in ["[]", "5", "{}", r#"{"sub":"kubernetes.io"}"#] {
            assert_eq!(kind_in(&jwt(payload)), TokenKind::Other, "{payload}");
        }
    }

    #[test]
    fn long_text_is_searched_quickly() {
        for text in ["a.".repeat(100_000), "eyJ".repeat(80_000), "%2E".repeat(80_000)] {
            assert_eq!(kind_in(&text), TokenKind::Other);
        }
    }

    proptest! {
        #[test]
        fn any_text_has_a_kind(text in any::<String>()) {
            let _ = kind_in(&text);
            let kind = kind_in(&format!("{text} {} {text}", jwt(BOUND)));
            prop_assert!(kind.is_kubernetes());
        }
    }
}
