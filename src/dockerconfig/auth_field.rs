//! The `auth` member of an entry, base64 of `username:password`, with the rules of each reader.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Go's `base64.StdEncoding`: padded, trailing bits are ignored.
const PADDED: GeneralPurpose = engine(DecodePaddingMode::RequireCanonical);
/// Go's `base64.RawStdEncoding`: unpadded.
const UNPADDED: GeneralPurpose = engine(DecodePaddingMode::RequireNone);

const fn engine(padding: DecodePaddingMode) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&STANDARD, config.with_decode_padding_mode(padding))
}

/// Error of an `auth` that doesn't decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthFieldError {
    /// Not standard base64.
    NotBase64,
    /// Nothing separates user name and password.
    NoColon,
}

/// Why an `auth` is not standard base64; continues "has an auth that …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotBase64 {
    /// A blank or another white space but a line end, which Go's decoders ignore.
    #[error("contains a blank")]
    Blank,
    /// A colon, which base64 doesn't have.
    #[error("is plain text, not base64")]
    PlainText,
    /// The right digits with too few or too many `=`.
    #[error("has wrong base64 padding")]
    Padding,
    /// `-` and `_` instead of `+` and `/`.
    #[error("is URL-safe base64, not standard base64")]
    UrlSafe,
    /// Anything else.
    #[error("is not base64 of user:password")]
    Other,
}

/// Why [`decode_as_kubelet`] doesn't decode it.
pub(super) fn why_not_base64(field: &str) -> NotBase64 {
    let digits = field.trim_matches(char::is_whitespace).trim_end_matches('=');
    let decodes = |digits: &str| decode(&UNPADDED, digits).is_ok_and(|decoded| cut(&decoded).is_some());
    if field.contains(':') {
        NotBase64::PlainText
    } else if field.contains(|c: char| c.is_whitespace() && !matches!(c, '\r' | '\n')) {
        NotBase64::Blank
    } else if decodes(digits) {
        NotBase64::Padding
    } else if decodes(&digits.replace('-', "+").replace('_', "/")) {
        NotBase64::UrlSafe
    } else {
        NotBase64::Other
    }
}

/// User name and password; bytes that aren't UTF-8 become U+FFFD.
pub(super) type UsernamePassword = (String, String);

/// Encodes as every client does: standard alphabet, padded (RFC 7617 section 2).
pub(super) fn encode(username: &str, password: &str) -> String {
    PADDED.encode(format!("{username}:{password}"))
}

/// The kubelet's rule: padded or unpadded (kubelet `pkg/credentialprovider/config.go`,
/// `decodeDockerConfigFieldAuth`).
pub(super) fn decode_as_kubelet(field: &str) -> Result<UsernamePassword, AuthFieldError> {
    let engine = if field.trim_end().ends_with('=') {
        &PADDED
    } else {
        &UNPADDED
    };
    let decoded = decode(engine, field)?;
    let (username, password) = cut(&decoded).ok_or(AuthFieldError::NoColon)?;
    Ok((lossy(username), lossy(password)))
}

/// containers/image's rule: padded only, NUL around the password dropped, and without a colon no
/// credential at all (containers/image `pkg/docker/config/config.go`, `decodeDockerAuth`).
pub(super) fn decode_as_containers_image(field: &str) -> Result<Option<UsernamePassword>, AuthFieldError> {
    let decoded = decode(&PADDED, field)?;
    Ok(cut(&decoded).map(|(username, password)| (lossy(username), lossy(trim_nul(password)))))
}

/// Go's decoders leave out line ends, wherever they stand.
fn decode(engine: &GeneralPurpose, field: &str) -> Result<Vec<u8>, AuthFieldError> {
    let one_line: String = field.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    engine.decode(one_line).map_err(|_| AuthFieldError::NotBase64)
}

fn cut(decoded: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = decoded.splitn(2, |b| *b == b':');
    Some((parts.next()?, parts.next()?))
}

fn trim_nul(mut bytes: &[u8]) -> &[u8] {
    while let Some(inner) = bytes.strip_prefix(b"\0").or_else(|| bytes.strip_suffix(b"\0")) {
        bytes = inner;
    }
    bytes
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(username: &str, password: &str) -> UsernamePassword {
        (username.to_owned(), password.to_owned())
    }

    #[test]
    fn readers_differ_about_padding_and_colons() {
        use AuthFieldError::*;
        for (field, kubelet, containers_image) in [
            ("dTpw", Ok(pair("u", "p")), Ok(Some(pair("u", "p")))),
            ("dTpwYQ==", Ok(pair("u", "pa")), Ok(Some(pair("u", "pa")))),
            ("dTpwYQ", Ok(pair("u", "pa")), Err(NotBase64)),
            ("dTpwYQ=", Err(NotBase64), Err(NotBase64)),
            ("dTpwYR==", Ok(pair("u", "pa")), Ok(Some(pair("u", "pa")))),
            ("dTpw\nYQ=\r\n=\n", Ok(pair("u", "pa")), Ok(Some(pair("u", "pa")))),
            (" dTpw", Err(NotBase64), Err(NotBase64)),
            ("dTpwYQ== ", Err(NotBase64), Err(NotBase64)),
            ("dQ==", Err(NoColon), Ok(None)),
            ("", Err(NoColon), Ok(None)),
            ("dTpwOnE=", Ok(pair("u", "p:q")), Ok(Some(pair("u", "p:q")))),
            ("Og==", Ok(pair("", "")), Ok(Some(pair("", "")))),
            ("dToAcAA=", Ok(pair("u", "\0p\0")), Ok(Some(pair("u", "p")))),
            ("dTr/", Ok(pair("u", "\u{fffd}")), Ok(Some(pair("u", "\u{fffd}")))),
            ("dTr_", Err(NotBase64), Err(NotBase64)),
            ("=", Err(NotBase64), Err(NotBase64)),
            ("d", Err(NotBase64), Err(NotBase64)),
        ] {
            assert_eq!(decode_as_kubelet(field), kubelet, "{field:?}");
            assert_eq!(decode_as_containers_image(field), containers_image, "{field:?}");
        }
    }

    #[test]
    fn v6_cause_of_an_auth_that_is_not_base64_is_told_apart() {
        for (field, cause) in [
            ("dTpw YQ==", NotBase64::Blank),
            ("dTpwYQ== ", NotBase64::Blank),
            ("\tdTpwYQ==", NotBase64::Blank),
            ("dTpwYQ\u{a0}==", NotBase64::Blank),
            ("user:password", NotBase64::PlainText),
            ("base64(username:password)", NotBase64::PlainText),
            ("user: pass word", NotBase64::PlainText),
            ("dTpwYQ=", NotBase64::Padding),
            ("dTpw=", NotBase64::Padding),
            ("dTpwYQ===", NotBase64::Padding),
            ("dTr_", NotBase64::UrlSafe),
            ("dTr-YQ==", NotBase64::UrlSafe),
            ("s3cr3t-robot-pass", NotBase64::Other),
            ("?", NotBase64::Other),
            ("d", NotBase64::Other),
        ] {
            assert_eq!(
                decode_as_kubelet(field),
                Err(AuthFieldError::NotBase64),
                "{field:?}"
            );
            assert_eq!(why_not_base64(field), cause, "{field:?}");
        }
    }

    #[test]
    fn both_readers_decode_an_encoded_auth() {
        for password in ["", "p", "pa", "pas", "p:a\u{e9}"] {
            let field = encode("<token>", password);
            assert_eq!(decode_as_kubelet(&field), Ok(pair("<token>", password)));
            assert_eq!(
                decode_as_containers_image(&field),
                Ok(Some(pair("<token>", password)))
            );
        }
    }
}
