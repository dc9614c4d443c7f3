//! What the API server says of whoever calls: SelfSubjectReview, SelfSubjectAccessReview and SelfSubjectRulesReview.
//!
//! Only a Kubernetes token ever calls: another's password sent for review would be seen by the API server's webhook
//! authenticators.

use k8s_openapi::api::{
    authentication::v1::SelfSubjectReview,
    authorization::v1::{
        ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SelfSubjectRulesReview,
        SelfSubjectRulesReviewSpec,
    },
};
use kube::{Api, Client, api::PostParams};

use crate::{
    config::Access,
    image::ImageReference,
    kubernetes::{client::ApiServer, error::Refusal, excess_permissions},
    outcome::ExcessPermissions,
};

/// What the API server says about a token, or about a permission of its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenReview {
    /// Accepted, allowed.
    Valid,
    /// Refused, denied.
    Invalid,
    /// The API server can't be asked.
    Unavailable,
    /// It is not asked: no Kubernetes token.
    NotApplicable,
}

/// Asks the API server about one credential.
pub struct Reviewer {
    api: ApiServer,
    client: Client,
}

impl Reviewer {
    /// A reviewer whose `client` calls `api` with the credential under test.
    pub const fn new(api: ApiServer, client: Client) -> Self {
        Self { api, client }
    }

    /// Is the credential accepted?
    pub async fn authenticates(&self) -> TokenReview {
        let reviews: Api<SelfSubjectReview> = Api::all(self.client.clone());
        match reviews
            .create(&PostParams::default(), &SelfSubjectReview::default())
            .await
            .map_err(Refusal::from)
        {
            Ok(review)
                if review
                    .status
                    .as_ref()
                    .is_some_and(|status| status.user_info.is_some()) =>
            {
                TokenReview::Valid
            }
            // Who may not even ask who he is was authenticated all the same.
            Err(Refusal::Forbidden { .. } | Refusal::Denied { .. }) => TokenReview::Valid,
            Err(Refusal::Unauthenticated) => TokenReview::Invalid,
            // An object that names nobody is no review.
            Ok(_) | Err(_) => TokenReview::Unavailable,
        }
    }

    /// May the credential `verb` (`get` pulls, `update` pushes) the image's stream? Asked as OpenShift's registry asks:
    /// the resource is the one string `imagestreams/layers`, with the stream's name; the split form says yes where the
    /// registry says no.
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
        loop {
            match may(&self.client, pull.clone()).await {
                Ok(true) => return TokenReview::Valid,
                // The first one counts, where there was no trouble: the registry has said no as well.
                Ok(false) if self.api.doubts_refusal(false).await => {}
                Ok(false) => return TokenReview::Invalid,
                // A 401 too: whether the credential is accepted was asked before, and this is no word on what it may do.
                Err(_) => return TokenReview::Unavailable,
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

/// Whether whoever `client` calls as may do this.
///
/// # Errors
/// What the API server answered instead.
pub async fn may(client: &Client, what: ResourceAttributes) -> Result<bool, Refusal> {
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
    let status = answer.status.ok_or(Refusal::NotUnderstood)?;
    Ok(status.allowed)
}
