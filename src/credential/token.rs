//! Tokens: of what kind they are, and what they say about themselves.
//!
//! Claims are read without trust, to decide and to explain. No signature is checked here: whether a
//! token is good, the registry and the API server say.

use crate::text::OPENSHIFT_LOGIN_PREFIX;

use secrecy::{ExposeSecret, SecretString};

use super::{Claims, kind_in, leak};

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
    /// Whether it is the API server's token, which is sent to trusted registries only.
    pub fn is_kubernetes(self) -> bool {
        match self {
            Self::ServiceAccount | Self::OpenShiftLogin => true,
            Self::Other => false,
        }
    }
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

    /// Whether `text` shows eight letters or digits in a row of the token, whatever their case, or of an encoding of it:
    /// then it must not be printed.
    pub fn shows_in(&self, text: &str) -> bool {
        leak::shows(self.secret.expose_secret(), text)
    }

    /// The token itself, as the password of an entry.
    pub fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// What the token says about itself, unverified; `None` where it isn't a JWT.
    pub fn claims(&self) -> Option<&Claims> {
        self.claims.as_ref()
    }

    /// Kind of the token, or of the Kubernetes token that stands in it: that is what it may not be sent to.
    pub fn kind(&self) -> TokenKind {
        if self.is_service_account_token() {
            TokenKind::ServiceAccount
        } else {
            kind_in(self.secret.expose_secret())
        }
    }

    /// Whether it is a Kubernetes token and nothing else, so that the API server can review it.
    pub fn is_whole(&self) -> bool {
        let login = self.secret.expose_secret().strip_prefix(OPENSHIFT_LOGIN_PREFIX);
        let is_login = |rest: &str| {
            rest.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        self.is_service_account_token() || login.is_some_and(is_login)
    }

    fn is_service_account_token(&self) -> bool {
        let claims = self.claims.as_ref();
        claims.is_some_and(|claims| claims.kubernetes.is_some())
    }
}

/// Two tokens are equal where they are the same text.
impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.secret.expose_secret() == other.secret.expose_secret()
    }
}

impl Eq for Token {}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

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
    fn only_a_whole_token_is_one_for_the_api_server() {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let jwt = format!("{}.{}.c2ln", part("{}"), part(r#"{"kubernetes.io":{}}"#));
        for token in [jwt.as_str(), "sha256~AbCd"] {
            for (text, is_whole) in [
                (token.to_owned(), true),
                (format!("Bearer {token}"), false),
                (format!("{token}."), false),
                (format!("user:{token}"), false),
            ] {
                let token = Token::new(SecretString::from(text.as_str()));
                assert!(token.kind().is_kubernetes(), "{text}");
                assert_eq!(token.is_whole(), is_whole, "{text}");
                assert!(is_whole || token.claims().is_none(), "{text}");
            }
        }
        assert!(!Token::new(SecretString::from("robot-password")).is_whole());
    }
}
