//! Where a credential comes from: minted for a service account, or read from a file.

mod claims;
mod embedded;
mod leak;
mod lifetime;
mod token;
mod token_file;

use k8s_openapi::{
    api::{
        authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
        core::v1::ServiceAccount,
    },
    jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};
use secrecy::SecretString;

pub use self::{
    claims::{Claims, KubernetesClaims, ObjectReference},
    embedded::kind_in,
    leak::KnownSecrets,
    lifetime::{Lifetime, LifetimeError, Percentage, PercentageError, Validity, rfc3339},
    token::{Token, TokenKind, looks_like_credential},
    token_file::TokenError,
};
use crate::{dockerconfig::Entry, kubernetes::error::Refusal, outcome::CredentialSummary};

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

    /// What an entry holds.
    pub fn stored_in(entry: &Entry) -> Self {
        Self::of(entry.username(), Token::new(entry.password().clone()))
    }

    /// Whether the entry holds this very credential, as every client reads it.
    pub fn is_in(&self, entry: &Entry) -> bool {
        let stored = Self::stored_in(entry);
        entry.is_well_formed() && stored.username == self.username && stored.token == self.token
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

/// Mints a token for `service_account`, bound to the Secret `name` with this `uid`: it dies with the Secret, and with
/// nothing else. Audiences are left to the API server, whose own the registry needs.
///
/// # Errors
/// What the API server answered instead. [`Refusal::Conflict`]: the Secret is another one by now.
pub async fn mint(
    client: Client,
    namespace: &str,
    service_account: &str,
    lifetime: Lifetime,
    (name, uid): (&str, &str),
) -> Result<Token, Refusal> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client, namespace);
    let request = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(lifetime.as_secs()),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Secret".to_owned()),
                name: Some(name.to_owned()),
                uid: Some(uid.to_owned()),
            }),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let answer = accounts
        .create_token_request(service_account, &PostParams::default(), &request)
        .await?;
    let status = answer
        .status
        .filter(|status| !status.token.is_empty())
        .ok_or(Refusal::NotUnderstood)?;
    // Its `expirationTimestamp` is left aside: verifiers go by the token's `exp`, and a later run knows nothing else.
    Ok(Token::new(SecretString::from(status.token)))
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

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
