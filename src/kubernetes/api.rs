//! Calls to the API server as the account that runs the program. Each takes its deadline and returns what it did.

use std::sync::{Mutex, PoisonError};

use k8s_openapi::{api::authorization::v1::ResourceAttributes, jiff::Timestamp};
use kube::Client;
use tokio::time::Instant;

use super::{
    access_review::{self, Reviewer},
    client::{ApiConnection, Authorization, LastStatus},
    error::KubernetesError,
};
use crate::credential::{Claims, Token};

/// The API server as the account that runs the program, for one Secret.
pub struct KubernetesApi {
    /// The connection that all identities of the run share.
    pub connection: ApiConnection,
    authorization: Authorization,
    pub(super) namespace: String,
    pub(super) secret: String,
    /// Audiences of the mounted token.
    audiences: Vec<String>,
    /// Issuers of this cluster: of the mounted token, and of those that were requested.
    pub(super) issuers: Mutex<Vec<String>>,
}

impl KubernetesApi {
    /// Calls with `authorization`, the token with the claims `mounted`, about the Secret `secret` in `namespace`.
    pub fn new(
        connection: ApiConnection,
        authorization: Authorization,
        mounted: Option<&Claims>,
        (namespace, secret): (&str, &str),
    ) -> Self {
        let issuer = mounted.and_then(|claims| claims.issuer.clone());
        Self {
            connection,
            authorization,
            audiences: mounted.map_or_else(Vec::new, |claims| claims.audiences.clone()),
            issuers: Mutex::new(Vec::from_iter(issuer)),
            namespace: namespace.to_owned(),
            secret: secret.to_owned(),
        }
    }

    /// The API server's time.
    pub fn now(&self) -> Timestamp {
        self.connection.now()
    }

    /// Whether the account that runs the program may do this.
    ///
    /// # Errors
    /// What the API server answered instead.
    pub async fn can_i(
        &self,
        attributes: ResourceAttributes,
        until: Instant,
    ) -> Result<bool, KubernetesError> {
        let (client, _) = self.client(until);
        access_review::can_i(&client, attributes).await
    }

    /// Reviewer of `credential`; none where it is not exactly a Kubernetes token of this cluster for the API server: other
    /// passwords, and other clusters' tokens, are never sent to it.
    pub fn reviewer(&self, credential: &Token, until: Instant) -> Option<Reviewer> {
        let is_asked = credential.is_whole() && self.is_of_this_cluster(credential);
        is_asked.then(|| Reviewer::new(&self.connection, credential, until))?
    }

    /// Whether this cluster issued `credential` for its API server. A login token has no claims to tell by.
    fn is_of_this_cluster(&self, credential: &Token) -> bool {
        let Some(claims) = credential.claims() else {
            return true;
        };
        let issuers = self.issuers.lock().unwrap_or_else(PoisonError::into_inner);
        let is_for_it = |audience| self.audiences.contains(audience);
        claims
            .issuer
            .as_ref()
            .is_some_and(|issuer| issuers.contains(issuer))
            && (self.audiences.is_empty() || claims.audiences.iter().any(is_for_it))
    }

    /// A client whose calls end at `until`.
    pub(super) fn client(&self, until: Instant) -> (Client, LastStatus) {
        self.connection.client(&self.authorization, until)
    }
}
