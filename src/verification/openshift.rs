//! Verification at OpenShift's registry: its answers, and the API server's where they leave a question.

use crate::{
    config::Access,
    image::ImageReference,
    kubernetes::access_review::TokenReview,
    registry::{
        Inconclusive, Login, ProtocolError, PullAnswer, Registries, Session,
        kind::openshift::{self, AccessQuestion},
        may_push,
    },
    transport::deadline::{Backoff, REFUSAL_PAUSE},
    verification::{Proof, Verifier},
};

impl Verifier<'_> {
    pub(super) async fn openshift_login(&self, session: &Session<'_>) -> Proof {
        let mut retry = RefusalRetry::default();
        loop {
            match session.login().await {
                Login::Accepted => return Proof::Accepted,
                Login::Inconclusive(inconclusive) => return self.inconclusive(inconclusive, None).await,
                Login::Refused | Login::NeedsScope => {}
            }
            // The registry decides by the API server's word, so that word can overrule it.
            if let Some(proof) = retry.next(self.token_review().await, self.registries).await {
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
        let mut retry = RefusalRetry::default();
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
                    TokenReview::Invalid => return Proof::PullForbidden,
                    TokenReview::Unavailable | TokenReview::NotApplicable => {
                        return unreachable(TokenReview::Unavailable);
                    }
                }
            }
            if let Some(proof) = retry.next(review, self.registries).await {
                return proof;
            }
        }
    }

    /// An access review tells whether it may push, without a trace; an upload, where there can be none.
    async fn openshift_push(&self, session: &Session<'_>, image: &ImageReference) -> Proof {
        match self.access {
            Access::Pull => Proof::Pulls,
            Access::PushPull if self.reviewer.is_none() => {
                let verdict = may_push(session, image).await;
                Proof::from_verdict(verdict, TokenReview::NotApplicable)
            }
            Access::PushPull => match self.permitted(AccessQuestion::Push, image).await {
                TokenReview::Valid => Proof::Pulls,
                TokenReview::Invalid => Proof::PushForbidden,
                TokenReview::Unavailable | TokenReview::NotApplicable => {
                    Proof::Inconclusive(Inconclusive::NotAsked, TokenReview::Unavailable)
                }
            },
        }
    }
}

const fn unreachable(review: TokenReview) -> Proof {
    Proof::Inconclusive(Inconclusive::Unreachable(ProtocolError::Refused), review)
}

/// Retry policy for a 401 of OpenShift's registry, which answers so to a good token now and then.
#[derive(Default)]
struct RefusalRetry {
    backoff: Backoff,
    attempts: u32,
}

impl RefusalRetry {
    /// The proof that follows from one more 401 and the API server's review; none: ask the registry again.
    ///
    /// - It refuses the credential too: rejected, once the registry has said so twice, as the API server has (one that
    ///   starts refuses good tokens for a moment).
    /// - It is not asked (no Kubernetes token): the registry's word stands, after one retry.
    /// - It accepts: the registry is asked until its share of the deadline is over, then it counts as unreachable.
    async fn next(&mut self, review: TokenReview, registries: &Registries) -> Option<Proof> {
        self.attempts += 1;
        let (pause, last) = match review {
            TokenReview::Invalid | TokenReview::NotApplicable => {
                if self.attempts > 1 {
                    return Some(Proof::Rejected);
                }
                (Some(REFUSAL_PAUSE), Proof::Rejected)
            }
            TokenReview::Unavailable => return Some(unreachable(TokenReview::Unavailable)),
            TokenReview::Valid => (None, unreachable(TokenReview::Valid)),
        };
        if self.backoff.wait(pause, registries.until()).await {
            None
        } else {
            Some(last)
        }
    }
}
