//! The token inside an Authorization header, as OpenShift's registry finds it (openshift/image-registry,
//! `pkg/dockerregistry/server/auth.go`, `getOpenShiftAPIToken`).

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, header};

/// The word that `/openshift/token` gives to those who show no credential, and that counts as none.
pub(super) const ANONYMOUS: &str = "anonymous";

/// Padded or not: both were seen to be accepted.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Credential of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    /// A token for the API server, whatever its bytes.
    Token(Vec<u8>),
    /// The word `anonymous` as a Bearer token.
    Anonymous,
}

/// Why a request presents nothing that could be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// No Authorization header, no value after its scheme, or a scheme other than Basic and Bearer.
    Absent,
    /// Basic without a password, or not base64 of `user:password`.
    Undecodable,
}

/// The credential of a registry request: the Bearer token, or the password of Basic, whatever the user name.
pub(super) fn of_request(headers: &HeaderMap) -> Result<Credential, Unusable> {
    let (scheme, value) = scheme_and_value(headers).ok_or(Unusable::Absent)?;
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Ok(if value == ANONYMOUS.as_bytes() {
            Credential::Anonymous
        } else {
            Credential::Token(value.to_vec())
        });
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return Err(Unusable::Absent);
    }
    match basic_password(headers) {
        Some(password) if !password.is_empty() => Ok(Credential::Token(password)),
        _ => Err(Unusable::Undecodable),
    }
}

/// The password of a Basic header, which may be empty; `None` where there is no Basic header that decodes.
pub(super) fn basic_password(headers: &HeaderMap) -> Option<Vec<u8>> {
    let (scheme, value) = scheme_and_value(headers)?;
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let mut decoded = BASE64.decode(value).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    Some(decoded.split_off(colon + 1))
}

fn scheme_and_value(headers: &HeaderMap) -> Option<(&[u8], &[u8])> {
    let authorization = headers.get(header::AUTHORIZATION)?.as_bytes();
    let space = authorization.iter().position(|byte| *byte == b' ')?;
    Some((authorization.get(..space)?, authorization.get(space + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD as PADDED;
    use http::HeaderValue;

    fn of(authorization: &str) -> Result<Credential, Unusable> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::AUTHORIZATION,
            HeaderValue::from_str(authorization).expect("a header"),
        );
        of_request(&headers)
    }

    #[test]
    fn the_password_is_the_token_whatever_the_user_name() {
        for user in ["", "<token>", "anything"] {
            let basic = PADDED.encode(format!("{user}:T"));
            assert_eq!(
                of(&format!("BASIC {basic}")),
                Ok(Credential::Token(b"T".to_vec()))
            );
        }
        assert_eq!(
            of(&format!("Basic {}", PADDED.encode("a:b:T"))),
            Ok(Credential::Token(b"b:T".to_vec()))
        );
    }

    #[test]
    fn missing_credential_differs_from_an_undecodable_one() {
        assert_eq!(of_request(&HeaderMap::new()), Err(Unusable::Absent));
        for absent in ["Basic", "Token T", "T"] {
            assert_eq!(of(absent), Err(Unusable::Absent), "{absent}");
        }
        for undecodable in ["Basic %%%", &format!("Basic {}", PADDED.encode("user:"))] {
            assert_eq!(of(undecodable), Err(Unusable::Undecodable), "{undecodable}");
        }
    }

    #[test]
    fn anonymous_is_no_token() {
        assert_eq!(of("Bearer anonymous"), Ok(Credential::Anonymous));
    }
}
