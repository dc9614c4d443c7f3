//! The calls of a run to the API server, as the account that runs it. Each takes its deadline and returns what it did.

use k8s_openapi::{api::authorization::v1::ResourceAttributes, jiff::Timestamp};
use tokio::time::Instant;

use super::{
    access_review::{self, Reviewer},
    client::{ApiConnection, Authorization},
    error::KubernetesError,
    secret::{Applied, AppliedFields, SecretApi, StoredSecret, Version},
    token_request,
};
use crate::credential::{Lifetime, Token};

/// The API server as the account that runs the program, for one Secret.
pub struct KubernetesApi {
    /// The connection that all identities of the run share.
    pub connection: ApiConnection,
    authorization: Authorization,
    namespace: String,
    secret: String,
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

    /// The Secret; none where there is none.
    ///
    /// # Errors
    /// What the API server answered instead.
    pub async fn get_secret(&self, until: Instant) -> Result<Option<StoredSecret>, KubernetesError> {
        self.secret_api(until).get().await
    }

    /// Creates the empty Secret that a token can be bound to. [`KubernetesError::Conflict`]: another writer was first.
    ///
    /// # Errors
    /// What the API server answered instead.
    pub async fn create_placeholder(&self, until: Instant) -> Result<Applied, KubernetesError> {
        self.secret_api(until).create_placeholder().await
    }

    /// Writes `fields` over `version`, and over no other: [`KubernetesError::Conflict`] where there was another write.
    ///
    /// # Errors
    /// What the API server answered instead.
    pub async fn apply(
        &self,
        version: &Version,
        fields: AppliedFields,
        until: Instant,
    ) -> Result<Applied, KubernetesError> {
        self.secret_api(until).apply(version, fields).await
    }

    /// Requests a token of `service_account`, bound to the Secret with this `uid`, as
    /// [`token_request::request_token`].
    ///
    /// # Errors
    /// What the API server answered instead.
    pub async fn request_token(
        &self,
        service_account: &str,
        lifetime: Lifetime,
        uid: &str,
        until: Instant,
    ) -> Result<Token, KubernetesError> {
        let (client, _) = self.connection.client(&self.authorization, until);
        let bound_to = (self.secret.as_str(), uid);
        token_request::request_token(client, &self.namespace, service_account, lifetime, bound_to).await
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
        let (client, _) = self.connection.client(&self.authorization, until);
        access_review::can_i(&client, attributes).await
    }

    /// A reviewer that asks about `credential` as itself; none where it is not exactly a Kubernetes token: another's
    /// password is never sent to the API server.
    pub fn reviewer(&self, credential: &Token, until: Instant) -> Option<Reviewer> {
        if credential.is_whole() {
            Reviewer::new(&self.connection, credential, until)
        } else {
            None
        }
    }

    fn secret_api(&self, until: Instant) -> SecretApi {
        let client = self.connection.client(&self.authorization, until);
        SecretApi::new(client, &self.namespace, &self.secret)
    }
}
