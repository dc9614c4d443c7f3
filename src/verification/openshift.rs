//! Verification at OpenShift's registry: its answers, and the API server's where they leave a question.

use std::{pin::pin, time::Duration};

use futures_util::future::{join, join_all};
use tokio::time::timeout;

use crate::{
    config::Access,
    image::ImageReference,
    kubernetes::access_review::TokenReview,
    registry::{
        Inconclusive, Login, ProtocolError, PullAnswer, Session,
        kind::openshift::{self, AccessQuestion},
        may_push,
    },
    transport::retry::{Retry, RetryCause},
    verification::{Proof, Verifier},
};

/// How long the first image is asked for alone: long enough for a refusal and its retry.
const FIRST_IMAGE: Duration = Duration::from_secs(3);

impl Verifier<'_> {
    /// A credential that is rejected with the first image is not sent for the others. They don't wait for an image that the
    /// registry can't answer for.
    pub(super) async fn openshift_images(
        &self,
        session: &Session<'_>,
        images: &[&ImageReference],
    ) -> Vec<Proof> {
        let Some((first, others)) = images.split_first() else {
            return Vec::new();
        };
        let mut first = pin!(self.openshift_image(session, first));
        let early = timeout(FIRST_IMAGE, &mut first).await;
        if let Ok(proof) = &early
            && proof.is_rejection()
        {
            return vec![proof.clone(); images.len()];
        }
        let first = async {
            match early {
                Ok(proof) => proof,
                Err(_) => first.await,
            }
        };
        let others = join_all(others.iter().map(|image| self.openshift_image(session, image)));
        let (first, others) = join(first, others).await;
        std::iter::once(first).chain(others).collect()
    }

    pub(super) async fn openshift_login(&self, session: &Session<'_>) -> Proof {
        let mut retry = Retry::new(self.registries.until());
        loop {
            match session.login().await {
                Login::Accepted => return Proof::Accepted,
                Login::Inconclusive(inconclusive) => return self.inconclusive(inconclusive, None).await,
                Login::Refused | Login::NeedsScope => {}
            }
            // The registry decides by the API server's word, so that word can overrule it.
            if let Some(proof) = after_refusal(self.token_review().await, &mut retry).await {
                return proof;
            }
        }
    }

    pub(super) async fn openshift_image(&self, session: &Session<'_>, image: &ImageReference) -> Proof {
        if !openshift::has_repository(image) {
            return match self.openshift_login(session).await {
                Proof::Accepted => Proof::RepositoryMissing,
                other => other,
            };
        }
        let mut retry = Retry::new(self.registries.until());
        loop {
            match session.pull(image).await {
                PullAnswer::Served => return self.openshift_push(session, image).await,
                PullAnswer::RepositoryMissing => return Proof::RepositoryMissing,
                PullAnswer::TagMissing => return Proof::TagMissing,
                PullAnswer::Forbidden => return Proof::PullForbidden,
                PullAnswer::Inconclusive(inconclusive) => {
                    return self.inconclusive(inconclusive, Some(image)).await;
                }
                PullAnswer::Refused => {}
            }
            let review = self.token_review().await;
            if review == TokenReview::Valid {
                match self.permitted(AccessQuestion::Pull, image).await {
                    TokenReview::Valid => {}
                    // Not reviewed for good: the token is accepted, and the registry refuses.
                    TokenReview::Invalid | TokenReview::NotApplicable => return Proof::PullForbidden,
                    TokenReview::Unavailable => return unreachable(TokenReview::Unavailable),
                }
            }
            if let Some(proof) = after_refusal(review, &mut retry).await {
                return proof;
            }
        }
    }

    /// An access review tells whether it may push, without a trace; an upload, where there is nobody to review.
    async fn openshift_push(&self, session: &Session<'_>, image: &ImageReference) -> Proof {
        match self.access {
            Access::Pull => Proof::Pulls,
            Access::PushPull => match self.permitted(AccessQuestion::Push, image).await {
                TokenReview::Valid => Proof::Pulls,
                TokenReview::Invalid => Proof::PushForbidden,
                TokenReview::NotApplicable if self.reviewer.is_none() => {
                    let verdict = may_push(session, image).await;
                    Proof::from_verdict(verdict, TokenReview::NotApplicable)
                }
                review @ (TokenReview::Unavailable | TokenReview::NotApplicable) => {
                    Proof::Inconclusive(Inconclusive::PushNotAsked, review)
                }
            },
        }
    }
}

const fn unreachable(review: TokenReview) -> Proof {
    Proof::Inconclusive(Inconclusive::Unreachable(ProtocolError::Refused), review)
}

/// The proof that follows from one more 401 of OpenShift's registry and the API server's review; none: ask it again.
///
/// - It refuses the credential too: rejected, once the registry has refused it twice (a starting API server refuses good
///   tokens for a moment).
/// - It is not asked (no Kubernetes token): the registry's answer stands, after one retry.
/// - It accepts: the registry is asked until its share of the deadline is over, then it counts as unreachable.
async fn after_refusal(review: TokenReview, retry: &mut Retry) -> Option<Proof> {
    let (cause, last) = match review {
        TokenReview::Invalid | TokenReview::NotApplicable => {
            (RetryCause::api_refusal(1, None), Proof::Rejected)
        }
        TokenReview::Unavailable => return Some(unreachable(TokenReview::Unavailable)),
        TokenReview::Valid => (RetryCause::TRANSIENT, unreachable(TokenReview::Valid)),
    };
    (!retry.again(cause).await).then_some(last)
}
