//! Tokens: kinds and unverified claims.
//!
//! Signatures are not checked: the registry and the API server do that. Claims are used to decide and to explain.

use crate::text::OPENSHIFT_LOGIN_PREFIX;

use secrecy::{ExposeSecret, SecretString};

use super::{Claims, kind_in};

/// Kind of a token, by its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// JWT of a Kubernetes ServiceAccount: it has claims of `kubernetes.io`.
    ServiceAccount,
    /// Login token of OpenShift, `sha256~…`, usually of a person.
    OpenShiftLogin,
    /// Any other: a robot account's password, another issuer's token.
    Other,
}

impl TokenKind {
    /// True for tokens of the API server, which are sent to trusted registries only.
    pub fn is_kubernetes(self) -> bool {
        match self {
            Self::ServiceAccount | Self::OpenShiftLogin => true,
            Self::Other => false,
        }
    }
}

/// Token, which is never printed, with its claims if it is a JWT.
#[derive(Debug, Clone)]
pub struct Token {
    secret: SecretString,
    claims: Option<Claims>,
}

impl Token {
    /// Token from the API server or from the Secret.
    pub fn new(secret: SecretString) -> Self {
        let claims = Claims::read_unverified(secret.expose_secret());
        Self { secret, claims }
    }

    /// The token itself.
    pub fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// Unverified claims; `None` if the token isn't a JWT.
    pub fn claims(&self) -> Option<&Claims> {
        self.claims.as_ref()
    }

    /// Kind of the token, or of a Kubernetes token that it contains.
    pub fn kind(&self) -> TokenKind {
        if self.is_service_account_token() {
            TokenKind::ServiceAccount
        } else {
            kind_in(self.secret.expose_secret())
        }
    }

    /// True if it is a Kubernetes token and nothing else, so that the API server can review it.
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

/// Tokens are equal if they have the same text.
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
    fn tokens_are_compared_by_their_text_and_never_printed() {
        let token = |text: &str| Token::new(SecretString::from(text));
        assert_eq!(token("canary"), token("canary"));
        assert_ne!(token("canary"), token("canary2"));
        assert!(!format!("{:?}", token("canary")).contains("canary"));
    }

    #[test]
    fn token_kind_follows_from_the_form() {
        let kind = |text: &str| Token::new(SecretString::from(text)).kind();
        assert_eq!(kind("sha256~AbCd"), TokenKind::OpenShiftLogin);
        assert_eq!(kind("robot-password"), TokenKind::Other);
        assert!(kind("sha256~AbCd").is_kubernetes());
        assert!(!kind("robot-password").is_kubernetes());
    }

    #[test]
    fn only_a_whole_token_can_be_reviewed() {
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
