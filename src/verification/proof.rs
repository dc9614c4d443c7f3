//! What is known about a credential.

use crate::{
    image::{ImageReference, RegistryHost},
    kubernetes::access_review::TokenReview,
    registry::{Inconclusive, RegistryVerdict},
};

/// What is known about a credential at one registry, or with one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It pulls the image (and may push, where that was asked for).
    Pulls,
    /// It is accepted.
    Accepted,
    /// It is accepted; the repository is not there, or hidden from it.
    RepositoryMissing,
    /// It is accepted; the tag or digest is not there, or hidden from it.
    TagMissing,
    /// It is accepted and may not pull.
    PullForbidden,
    /// It pulls and may not push, which was asked for.
    PushForbidden,
    /// It is not accepted.
    Rejected,
    /// The registry's answers don't decide; what the API server says instead.
    Inconclusive(Inconclusive, TokenReview),
}

impl Proof {
    /// The registry's verdict; `review` is what the API server says where that decides nothing.
    pub fn from_verdict(verdict: RegistryVerdict, review: TokenReview) -> Self {
        match verdict {
            RegistryVerdict::Pulls => Self::Pulls,
            RegistryVerdict::Accepted => Self::Accepted,
            RegistryVerdict::RepositoryMissing => Self::RepositoryMissing,
            RegistryVerdict::TagMissing => Self::TagMissing,
            RegistryVerdict::PullForbidden => Self::PullForbidden,
            RegistryVerdict::PushForbidden => Self::PushForbidden,
            RegistryVerdict::Rejected => Self::Rejected,
            RegistryVerdict::Inconclusive(inconclusive) => Self::Inconclusive(inconclusive, review),
        }
    }

    /// Whether it shows that the credential is not accepted. Not being allowed to pull an image is no rejection.
    pub fn is_rejection(&self) -> bool {
        match self {
            Self::Rejected | Self::Inconclusive(_, TokenReview::Invalid) => true,
            Self::Pulls
            | Self::Accepted
            | Self::RepositoryMissing
            | Self::TagMissing
            | Self::PullForbidden
            | Self::PushForbidden
            | Self::Inconclusive(
                _,
                TokenReview::Valid | TokenReview::Unavailable | TokenReview::NotApplicable,
            ) => false,
        }
    }

    /// Leaves out that the API server accepts the credential, where the registry didn't decide.
    pub fn leave_out_valid_review(&mut self) {
        if let Self::Inconclusive(_, review @ TokenReview::Valid) = self {
            *review = TokenReview::NotApplicable;
        }
    }

    /// Whether it shows that the registry accepts the credential.
    pub fn is_acceptance(&self) -> bool {
        match self {
            Self::Pulls
            | Self::Accepted
            | Self::RepositoryMissing
            | Self::TagMissing
            | Self::PullForbidden
            | Self::PushForbidden => true,
            Self::Rejected | Self::Inconclusive(..) => false,
        }
    }
}

/// What is known about one credential at one registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The registry.
    pub registry: RegistryHost,
    /// Whether the API server's RBAC decides who may pull from it.
    pub uses_rbac: bool,
    /// What is known about the credential itself, where no image tells.
    pub login: Option<Proof>,
    /// What is known about each image that this registry serves.
    pub images: Vec<(ImageReference, Proof)>,
}

impl Evidence {
    /// Every proof at this registry, to be changed.
    pub fn proofs_mut(&mut self) -> impl Iterator<Item = &mut Proof> {
        self.login
            .iter_mut()
            .chain(self.images.iter_mut().map(|(_, proof)| proof))
    }

    /// Every proof at this registry.
    pub fn proofs(&self) -> impl Iterator<Item = &Proof> {
        self.login
            .iter()
            .chain(self.images.iter().map(|(_, proof)| proof))
    }
}
