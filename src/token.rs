//! Tokens: of what kind they are, and what they say about themselves.
//!
//! Claims are read without trust, to decide and to explain. No signature is checked here: whether a
//! token is good, the registry and the API server say.

use secrecy::{ExposeSecret, SecretString};

mod claims;
mod lifetime;

pub use claims::{Claims, KubernetesClaims, ObjectReference};
pub use k8s_openapi::jiff::Timestamp;
pub use lifetime::{Lifetime, LifetimeError, Percentage, PercentageError, Validity, rfc3339};

/// What every login token of OpenShift starts with (openshift/api `oauth/v1`, `OAuthAccessToken`).
const OPENSHIFT_LOGIN_PREFIX: &str = "sha256~";

/// So many characters of a token tell it from others.
const SHOWN_MAX: usize = 8;

/// Whose token it is, as far as its form tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A JWT of a Kubernetes service account: it has claims of `kubernetes.io`.
    ServiceAccount,
    /// A login token of OpenShift, `sha256~…`: a person's, as a rule.
    OpenShiftLogin,
    /// Anything else: a robot account's password, another issuer's token.
    Other,
}

impl TokenKind {
    /// Whether the API server can review such a token. It opens the API server too, so that it is sent
    /// to trusted registries only.
    pub fn is_kubernetes(self) -> bool {
        match self {
            Self::ServiceAccount | Self::OpenShiftLogin => true,
            Self::Other => false,
        }
    }
}

/// Why the content of a token file isn't a token. No message repeats the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Nothing, or nothing but a newline.
    #[error("the token is empty")]
    Empty,
    /// Not UTF-8.
    #[error(
        "the token is not UTF-8 text; write the token alone, as the registry or `oc create token` gave it"
    )]
    NotUtf8,
    /// A control character, such as a second newline: OpenShift's registry answers 400 to it. A blank at an end or a
    /// byte order mark: a Kubernetes token would not be known for one.
    #[error(
        "the token has a control character in it, a blank at an end or a byte order mark; write the token alone"
    )]
    ControlCharacter,
}

/// A token, which is never printed, with its claims where it is a JWT.
#[derive(Debug, Clone)]
pub struct Token {
    secret: SecretString,
    claims: Option<Claims>,
}

impl Token {
    /// Wraps a token from a trusted source: minted, or found in the Secret.
    pub fn new(secret: SecretString) -> Self {
        let claims = Claims::read_unverified(secret.expose_secret());
        Self { secret, claims }
    }

    /// Whether `text` has eight characters in a row, or all it has, in common with the token, whatever their case: then
    /// it must not be shown. A name that says something shares no eight characters with a random token.
    pub fn shows_in(&self, text: &str) -> bool {
        let (token, text) = (
            self.secret.expose_secret().to_ascii_lowercase(),
            text.to_ascii_lowercase(),
        );
        let shortest = SHOWN_MAX.min(token.len());
        shortest > 0
            && token
                .as_bytes()
                .windows(shortest)
                .any(|piece| text.as_bytes().windows(shortest).any(|shown| shown == piece))
    }

    /// Reads the content of `PULL_SECRET_TOKEN_FILE`; one trailing newline is dropped.
    ///
    /// # Errors
    /// The content is empty, not UTF-8, or has a control character.
    pub fn from_file_content(content: &[u8]) -> Result<Self, TokenError> {
        let text = std::str::from_utf8(content).map_err(|_| TokenError::NotUtf8)?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        if text.is_empty() {
            return Err(TokenError::Empty);
        }
        if text.contains(char::is_control) || text.trim() != text || text.contains('\u{feff}') {
            return Err(TokenError::ControlCharacter);
        }
        Ok(Self::new(SecretString::from(text)))
    }

    /// The token itself, as the password of an entry.
    pub fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// What the token says about itself, unverified; `None` where it isn't a JWT.
    pub fn claims(&self) -> Option<&Claims> {
        self.claims.as_ref()
    }

    /// Of what kind the token is.
    pub fn kind(&self) -> TokenKind {
        if self
            .claims
            .as_ref()
            .is_some_and(|claims| claims.kubernetes.is_some())
        {
            TokenKind::ServiceAccount
        } else if self.secret.expose_secret().starts_with(OPENSHIFT_LOGIN_PREFIX) {
            TokenKind::OpenShiftLogin
        } else {
            TokenKind::Other
        }
    }
}

/// Two tokens are equal where they are the same text.
impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.secret.expose_secret() == other.secret.expose_secret()
    }
}

impl Eq for Token {}

/// Whether a text may be a token or hold one, so that it must not be printed: a JWT's first part
/// (base64url of `{"`) with a second one behind it, or OpenShift's `sha256~`.
pub fn looks_like_credential(text: &str) -> bool {
    let jwt = text.split_once("eyJ").is_some_and(|(_, rest)| rest.contains('.'));
    jwt || text.contains(OPENSHIFT_LOGIN_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_shows_a_token_where_they_have_a_piece_in_common() {
        let token = Token::new(SecretString::from("abc.DEFGHIJKLMN.opq"));
        for (text, shows) in [
            ("x.defghijk.test", true),
            ("abc.DEFGHIJKLMN.opq", true),
            ("defghij.test", false),
            ("", false),
        ] {
            assert_eq!(token.shows_in(text), shows, "{text}");
        }
        assert!(Token::new(SecretString::from("short")).shows_in("a.short.test"));
        assert!(!Token::new(SecretString::from("")).shows_in("any"));
    }

    #[test]
    fn a_token_file_holds_one_token_and_maybe_a_newline() {
        let read = |content: &[u8]| {
            Token::from_file_content(content).map(|token| token.secret().expose_secret().to_owned())
        };
        assert_eq!(read(b"token\n").as_deref(), Ok("token"));
        assert_eq!(read(b"token").as_deref(), Ok("token"));
        assert_eq!(read(b""), Err(TokenError::Empty));
        assert_eq!(read(b"\n"), Err(TokenError::Empty));
        for content in [
            "token\n\n",
            "token\r\n",
            "to\0ken",
            "\ttoken",
            " token",
            "token ",
            "\u{feff}token",
        ] {
            assert_eq!(
                read(content.as_bytes()),
                Err(TokenError::ControlCharacter),
                "{content:?}"
            );
        }
        assert_eq!(read(b"token\xff"), Err(TokenError::NotUtf8));
    }

    #[test]
    fn tokens_are_equal_by_their_text_and_never_printed() {
        let token = |text: &str| Token::new(SecretString::from(text));
        assert_eq!(token("canary"), token("canary"));
        assert_ne!(token("canary"), token("canary2"));
        assert!(!format!("{:?}", token("canary")).contains("canary"));
    }

    #[test]
    fn the_kind_is_told_by_the_form() {
        let kind = |text: &str| Token::new(SecretString::from(text)).kind();
        assert_eq!(kind("sha256~AbCd"), TokenKind::OpenShiftLogin);
        assert_eq!(kind("robot-password"), TokenKind::Other);
        assert!(kind("sha256~AbCd").is_kubernetes());
        assert!(!kind("robot-password").is_kubernetes());
    }

    #[test]
    fn what_may_be_a_token_is_recognised_in_other_text() {
        for text in [
            "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln",
            "user:eyJ9.x@quay.io",
            "sha256~AbCd",
        ] {
            assert!(looks_like_credential(text), "{text}");
        }
        for text in [
            "quay.io/team",
            "image-registry.openshift-image-registry.svc:5000",
            "sha256:abc",
            "",
        ] {
            assert!(!looks_like_credential(text), "{text}");
        }
    }
}
