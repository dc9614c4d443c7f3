//! Calls to the API server as the account that runs the program. Each takes its deadline and returns what it did.

use k8s_openapi::{api::authorization::v1::ResourceAttributes, jiff::Timestamp};
use kube::Client;
use tokio::time::Instant;

use super::{
    access_review::{self, Reviewer},
    client::{ApiConnection, Authorization, LastStatus},
    error::KubernetesError,
};
use crate::credential::Token;

/// The API server as the account that runs the program, for one Secret.
pub struct KubernetesApi {
    /// The connection that all identities of the run share.
    pub connection: ApiConnection,
    authorization: Authorization,
    pub(super) namespace: String,
    pub(super) secret: String,
}

impl KubernetesApi {
    /// Calls with `authorization`, about the Secret `secret` in `namespace`.
    pub fn new(
        connection: ApiConnection,
        authorization: Authorization,
        namespace: &str,
        secret: &str,
    ) -> Self {
        Self {
            connection,
            authorization,
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

    /// Reviewer of `credential`; none where it is not exactly a Kubernetes token: other passwords are never sent to the API
    /// server.
    pub fn reviewer(&self, credential: &Token, until: Instant) -> Option<Reviewer> {
        let is_asked = credential.is_whole();
        is_asked.then(|| Reviewer::new(&self.connection, credential, until))?
    }

    /// A client whose calls end at `until`.
    pub(super) fn client(&self, until: Instant) -> (Client, LastStatus) {
        self.connection.client(&self.authorization, until)
    }
}
