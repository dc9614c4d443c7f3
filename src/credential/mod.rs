//! Credentials: tokens, what their claims say, how long they last, and what may be printed of them.

mod claims;
mod embedded;
mod leak;
mod lifetime;
mod token;
mod token_file;

use k8s_openapi::jiff::Timestamp;

pub use self::{
    claims::{Claims, KubernetesClaims, ObjectReference},
    embedded::kind_in,
    leak::KnownSecrets,
    lifetime::{Lifetime, LifetimeError, Percentage, PercentageError, Validity, rfc3339},
    token::{Token, TokenKind},
    token_file::TokenError,
};

/// A user name and a token, and what is known of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The user name, for which OpenShift's registry does not care.
    pub username: String,
    /// The token, or another registry's password.
    pub token: Token,
    /// When it expires: the `exp` of a JWT; none for any other.
    pub expires_at: Option<Timestamp>,
}

impl Credential {
    /// A credential of which only the token itself tells anything.
    pub fn of(username: &str, token: Token) -> Self {
        let expires_at = token.claims().and_then(|claims| claims.expires_at);
        Self {
            username: username.to_owned(),
            token,
            expires_at,
        }
    }

    /// Whether a Kubernetes token stands in the password or in the user name, so that it is sent to trusted hosts only.
    pub fn is_kubernetes_token(&self) -> bool {
        self.token.kind().is_kubernetes() || kind_in(&self.username).is_kubernetes()
    }

    /// Adds it to the secrets that no text of this run may show.
    pub fn add_to(&self, secrets: &KnownSecrets) {
        secrets.add(&self.username, self.token.secret());
    }

    /// Whether `text`, a name from a server, shows the password, the login or a part of them, in any encoding.
    pub fn matches_text(&self, text: &str) -> bool {
        let secrets = KnownSecrets::default();
        self.add_to(&secrets);
        secrets.show_in(text)
    }

    /// What may be told of it.
    pub fn summary(&self) -> CredentialSummary {
        let claims = self.token.claims();
        CredentialSummary {
            service_account: claims
                .and_then(|claims| claims.service_account())
                .map(|(namespace, name)| format!("{namespace}/{name}")),
            credential_id: claims.and_then(|claims| claims.id.clone()),
            issued_at: claims.and_then(|claims| claims.issued_at),
            expires_at: self.expires_at,
        }
    }

    /// Past its expiry; never, where that is unknown.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }
}

/// The stored credential, without its secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CredentialSummary {
    /// `namespace/name` of the account, where the token tells.
    pub service_account: Option<String>,
    /// The token's `jti`: finds its use in the API server's audit log.
    pub credential_id: Option<String>,
    /// When it was issued.
    pub issued_at: Option<Timestamp>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    use secrecy::SecretString;

    use super::*;

    #[test]
    fn s2_a_kubernetes_token_in_the_user_name_is_one_too() {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let token = format!("{}.{}.c2ln", part("{}"), part(r#"{"kubernetes.io":{}}"#));
        let of = |username: &str, password: &str| {
            let token = Token::new(SecretString::from(password));
            Credential::of(username, token).is_kubernetes_token()
        };
        for token in [token.as_str(), "sha256~AbCd"] {
            assert!(of(token, "x"));
            assert!(of("<token>", token));
            assert!(of("system", &format!("serviceaccount:demo:puller:{token}")));
        }
        assert!(!of("system", "serviceaccount:demo:puller:password"));
    }

    #[test]
    fn s4_a_name_that_shows_the_login_matches() {
        let credential = Credential::of("robot", Token::new(SecretString::from("a-password")));
        assert!(credential.matches_text("cm9ib3q6ys1wyxnzd29yza.evil.test"));
        assert!(!credential.matches_text("robot.evil.test"));
    }
}
