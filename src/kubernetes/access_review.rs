//! Reviews of the calling account by the API server: SelfSubjectReview, SelfSubjectAccessReview and SelfSubjectRulesReview.
//!
//! Only Kubernetes tokens are reviewed: the API server's webhook authenticators would see any other password.

use k8s_openapi::api::{
    authentication::v1::SelfSubjectReview,
    authorization::v1::{
        ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SelfSubjectRulesReview,
        SelfSubjectRulesReviewSpec,
    },
};
use kube::{Api, Client, api::PostParams};
use tokio::time::Instant;

use crate::{
    config::Access,
    credential::Token,
    image::ImageReference,
    kubernetes::{
        client::{ApiConnection, Authorization},
        error::KubernetesError,
        excess_permissions,
        rejection::Rejection,
    },
    outcome::ExcessPermissions,
    transport::retry::Retry,
};

/// The API server's verdict on a token, or on a permission of its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenReview {
    /// Accepted, allowed.
    Valid,
    /// Refused, denied.
    Invalid,
    /// The API server can't be asked.
    Unavailable,
    /// Not reviewed: no Kubernetes token, or the API server refuses the review itself for good, or names another user.
    NotApplicable,
}

/// Reviewer of one credential, by the API server.
pub struct Reviewer {
    connection: ApiConnection,
    client: Client,
    until: Instant,
    /// The subject of the credential's claims; none of a login token.
    subject: Option<String>,
}

impl Reviewer {
    /// Reviewer that calls with the credential, until `until`; none where a header can't contain it.
    pub fn new(connection: &ApiConnection, credential: &Token, until: Instant) -> Option<Self> {
        let authorization = Authorization::bearer(credential.secret()).ok()?;
        let (client, _) = connection.client(&authorization, until);
        Some(Self {
            connection: connection.clone(),
            client,
            until,
            subject: credential.claims().and_then(|claims| claims.subject.clone()),
        })
    }

    /// Whether the API server named the credential's subject; of a login token, anybody but an anonymous user.
    fn is_subject(&self, username: &str) -> bool {
        match &self.subject {
            Some(subject) => username == subject,
            None => !matches!(username, "" | "system:anonymous"),
        }
    }

    /// Whether the credential is accepted.
    pub async fn authenticates(&self) -> TokenReview {
        let reviews: Api<SelfSubjectReview> = Api::all(self.client.clone());
        match reviews
            .create(&PostParams::default(), &SelfSubjectReview::default())
            .await
        {
            Ok(review) => match review.status.and_then(|status| status.user_info?.username) {
                Some(user) if self.is_subject(&user) => TokenReview::Valid,
                Some(_) => TokenReview::NotApplicable,
                None => TokenReview::Unavailable,
            },
            Err(kube::Error::Api(status)) if status.code == 401 => TokenReview::Invalid,
            // Authenticated, but not authorized to review itself: the message names the user.
            Err(kube::Error::Api(status))
                if status.code == 403
                    && refused_user(&status.message).is_some_and(|user| self.is_subject(user)) =>
            {
                TokenReview::Valid
            }
            Err(kube::Error::Api(status)) if Rejection::of(&status).is_some() => TokenReview::NotApplicable,
            Err(_) => TokenReview::Unavailable,
        }
    }

    /// Whether the credential may `verb` (`get` pulls, `update` pushes) the image's stream. Asked as OpenShift's registry asks:
    /// the resource is the one string `imagestreams/layers`, with the stream's name; the split form is allowed where the
    /// registry denies.
    pub async fn permits(&self, verb: &str, image: &ImageReference) -> TokenReview {
        let Some((namespace, name)) = image.repository().split_once('/') else {
            return TokenReview::Invalid;
        };
        let pull = ResourceAttributes {
            group: Some("image.openshift.io".to_owned()),
            resource: Some("imagestreams/layers".to_owned()),
            verb: Some(verb.to_owned()),
            namespace: Some(namespace.to_owned()),
            name: Some(name.to_owned()),
            ..ResourceAttributes::default()
        };
        let mut retry = Retry::new(self.until);
        loop {
            match can_i(&self.client, pull.clone()).await {
                Ok(true) => return TokenReview::Valid,
                // Without a recent failure the first denial counts: the registry denied too.
                Ok(false) if retry.again(self.connection.refusal(0)).await => {}
                Ok(false) => return TokenReview::Invalid,
                // A 401 too: it is about the token, which was reviewed before, and not about the permission.
                Err(
                    KubernetesError::Unauthenticated
                    | KubernetesError::Status(_)
                    | KubernetesError::Unreachable(_)
                    | KubernetesError::NotUnderstood,
                ) => return TokenReview::Unavailable,
                Err(_) => return TokenReview::NotApplicable,
            }
        }
    }

    /// What the credential may do in `namespace`, beyond pulling; none where the API server can't be asked.
    pub async fn excess(&self, namespace: &str, access: Access) -> Option<ExcessPermissions> {
        let review = SelfSubjectRulesReview {
            spec: SelfSubjectRulesReviewSpec {
                namespace: Some(namespace.to_owned()),
            },
            ..SelfSubjectRulesReview::default()
        };
        let reviews: Api<SelfSubjectRulesReview> = Api::all(self.client.clone());
        let answer = reviews.create(&PostParams::default(), &review).await.ok()?;
        Some(excess_permissions::from_rules(&answer.status?, access))
    }
}

/// The user in `… User "system:serviceaccount:demo:puller" cannot create resource …` (apiserver
/// `pkg/endpoints/handlers/responsewriters/errors.go`, `forbiddenMessage`); compared, never printed.
fn refused_user(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("User \"")?;
    let (user, rest) = rest.split_once('"')?;
    rest.starts_with(" cannot ").then_some(user)
}

/// Whether the identity of `client` may do this.
///
/// # Errors
/// What the API server answered instead.
pub async fn can_i(client: &Client, what: ResourceAttributes) -> Result<bool, KubernetesError> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(what),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    // An object without a verdict is no review.
    let status = answer.status.ok_or(KubernetesError::NotUnderstood)?;
    Ok(status.allowed)
}
