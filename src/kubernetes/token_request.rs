//! Token requests (TokenRequest of `authentication.k8s.io/v1`).

use std::{fmt, sync::PoisonError};

use k8s_openapi::api::{
    authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, api::PostParams};
use secrecy::SecretString;
use tokio::time::Instant;

use super::{api::KubernetesApi, error::KubernetesError};
use crate::credential::{Lifetime, Token};

/// A service account, by its namespace and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccountRef {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// `namespace/name`.
impl fmt::Display for ServiceAccountRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl KubernetesApi {
    /// Requests a token of `service_account`, bound to the Secret with this `uid`: it stops working with the Secret, and
    /// with nothing else. The audiences are the API server's own, which the registry needs.
    ///
    /// # Errors
    /// What the API server answered instead. [`KubernetesError::Conflict`]: the Secret is another one by now.
    pub async fn request_token(
        &self,
        service_account: &str,
        lifetime: Lifetime,
        uid: &str,
        until: Instant,
    ) -> Result<Token, KubernetesError> {
        let (client, _) = self.client(until);
        let accounts: Api<ServiceAccount> = Api::namespaced(client, &self.namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                expiration_seconds: Some(lifetime.as_secs()),
                bound_object_ref: Some(BoundObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Secret".to_owned()),
                    name: Some(self.secret.clone()),
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
            .ok_or(KubernetesError::NotUnderstood)?;
        // Its `expirationTimestamp` is ignored: verifiers use the token's `exp`, and so does a later run.
        let token = Token::new(SecretString::from(status.token));
        if let Some(issuer) = token.claims().and_then(|claims| claims.issuer.clone()) {
            let mut issuers = self.issuers.lock().unwrap_or_else(PoisonError::into_inner);
            issuers.push(issuer);
        }
        Ok(token)
    }
}
