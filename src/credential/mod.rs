//! Credentials: tokens, claims, lifetimes, and detection of secrets in text.

mod claims;
mod embedded;
mod leak;
mod lifetime;
mod redaction;
mod token;
mod token_file;

use k8s_openapi::jiff::Timestamp;

pub use self::{
    claims::{Claims, KubernetesClaims},
    embedded::kind_in,
    leak::KnownSecrets,
    lifetime::{Lifetime, LifetimeError, Percentage, PercentageError, Validity, rfc3339},
    token::{Token, TokenKind},
    token_file::TokenError,
};

/// Credential: user name, token and expiry.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// User name; OpenShift's registry ignores it.
    pub username: String,
    /// Token, or the password of another registry.
    pub token: Token,
    /// Expiry: the `exp` of a JWT, none for others.
    pub expires_at: Option<Timestamp>,
}

impl Credential {
    /// Credential whose expiry is that of the token's claims.
    pub fn of(username: &str, token: Token) -> Self {
        let expires_at = token.claims().and_then(|claims| claims.expires_at);
        Self {
            username: username.to_owned(),
            token,
            expires_at,
        }
    }

    /// True if password or user name contains a Kubernetes token, which is sent to trusted hosts only.
    pub fn is_kubernetes_token(&self) -> bool {
        self.token.kind().is_kubernetes() || kind_in(&self.username).is_kubernetes()
    }

    /// Adds it to the secrets that must not be printed.
    pub fn add_to(&self, secrets: &KnownSecrets) {
        secrets.add(&self.username, self.token.secret());
    }

    /// Summary without the secret.
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

    /// True if expired; false if the expiry is unknown.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }
}

/// Summary of the stored credential, without its secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CredentialSummary {
    /// `namespace/name` of the ServiceAccount, if the token has it.
    pub service_account: Option<String>,
    /// `jti` of the token, which the API server's audit log has too.
    pub credential_id: Option<String>,
    /// Time of issue.
    pub issued_at: Option<Timestamp>,
    /// Expiry.
    pub expires_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    use secrecy::SecretString;

    use super::*;

    #[test]
    fn s2_kubernetes_token_in_the_user_name_counts_too() {
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
    fn s4_name_that_contains_the_login_matches() {
        let credential = Credential::of("robot", Token::new(SecretString::from("a-password")));
        let secrets = KnownSecrets::default();
        credential.add_to(&secrets);
        assert!(secrets.show_in("cm9ib3q6ys1wyxnzd29yza.evil.test"));
        assert!(!secrets.show_in("robot.evil.test"));
    }
}
