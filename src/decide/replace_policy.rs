//! The replace policy: may a new credential be written over the stored one? Pure.
//!
//! CONTRACT section 1, "What `ensure` writes": a usable credential is never replaced by one that does less.

use crate::{
    credential::Credential,
    image::{ImageReference, RegistryHost},
    kubernetes::access_review::TokenReview,
    registry::Inconclusive,
    verification::{Evidence, Proof},
};

/// What one proof of the new credential means for the stored one: a row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplacePolicy {
    /// Write.
    Replace,
    /// Write, unless the stored one does more with the image.
    UnlessStoredDoesMore,
    /// Write, unless a usable credential is stored that is no Kubernetes token.
    UnlessUsableOfAnotherKind,
    /// Write, unless a usable credential is stored.
    UnlessUsable,
    /// Don't write.
    Keep,
}

impl ReplacePolicy {
    /// The row for `proof`.
    pub fn for_proof(proof: &Proof) -> Self {
        match proof {
            Proof::Pulls | Proof::Accepted => Self::Replace,
            Proof::RepositoryMissing | Proof::TagMissing | Proof::PullForbidden | Proof::PushForbidden => {
                Self::UnlessStoredDoesMore
            }
            Proof::Rejected | Proof::Inconclusive(_, TokenReview::Invalid | TokenReview::Unavailable) => {
                Self::Keep
            }
            Proof::Inconclusive(
                Inconclusive::Anonymous | Inconclusive::NotAsked | Inconclusive::PushNotAsked,
                TokenReview::Valid | TokenReview::NotApplicable,
            ) => Self::Replace,
            Proof::Inconclusive(
                Inconclusive::Unreachable(_) | Inconclusive::Untrusted(_) | Inconclusive::Protocol(_),
                TokenReview::Valid,
            ) => Self::UnlessUsableOfAnotherKind,
            Proof::Inconclusive(
                Inconclusive::Unreachable(_) | Inconclusive::Untrusted(_) | Inconclusive::Protocol(_),
                TokenReview::NotApplicable,
            ) => Self::UnlessUsable,
        }
    }

    /// What it comes to at a registry for which `stored` is usable; none where nothing usable is stored.
    pub fn decide(self, new: &Credential, stored: Option<&Credential>) -> ReplaceDecision {
        let Some(stored) = stored else {
            return if self == Self::Keep {
                ReplaceDecision::Keep
            } else {
                ReplaceDecision::Replace
            };
        };
        match self {
            Self::Replace => ReplaceDecision::Replace,
            Self::Keep => ReplaceDecision::Keep,
            // Nothing changes here; the same credential may be added at another registry.
            _ if new == stored => ReplaceDecision::Replace,
            Self::UnlessStoredDoesMore => ReplaceDecision::AskStored,
            Self::UnlessUsableOfAnotherKind if stored.is_kubernetes_token() => ReplaceDecision::Replace,
            Self::UnlessUsableOfAnotherKind | Self::UnlessUsable => ReplaceDecision::KeepUsable,
        }
    }
}

/// What follows for one image, or one registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReplaceDecision {
    /// The stored credential is replaced.
    Replace,
    /// It is replaced unless it does more with the image: it has to be asked.
    AskStored,
    /// It stays, unless a registry that accepts the new one rejects it.
    KeepUsable,
    /// It stays.
    Keep,
}

/// The stored credential that is usable for `registry`.
pub fn usable_for<'a>(
    registry: &RegistryHost,
    usable: &'a [(RegistryHost, Credential)],
) -> Option<&'a Credential> {
    usable
        .iter()
        .find(|(stored_for, _)| stored_for == registry)
        .map(|(_, credential)| credential)
}

/// The images at one registry about which the stored credential has to be asked.
pub fn images_to_ask<'a>(
    evidence: &'a Evidence,
    new: &Credential,
    stored: &Credential,
) -> Vec<&'a ImageReference> {
    let decision = |proof| ReplacePolicy::for_proof(proof).decide(new, Some(stored));
    evidence
        .images
        .iter()
        .filter(|(_, proof)| decision(proof) == ReplaceDecision::AskStored)
        .map(|(image, _)| image)
        .collect()
}

/// Whether the stored credential, whose proof for an image is `stored`, does more with it than the new one; where its
/// answer is inconclusive, it may.
pub fn does_more(stored: &Proof, new: &Proof) -> bool {
    let rank = |proof: &Proof| match proof {
        Proof::Pulls => 2,
        Proof::PushForbidden => 1,
        Proof::Accepted
        | Proof::RepositoryMissing
        | Proof::TagMissing
        | Proof::PullForbidden
        | Proof::Rejected
        | Proof::Inconclusive(..) => 0,
    };
    match stored {
        Proof::Inconclusive(_, review) => *review != TokenReview::Invalid,
        stored => rank(stored) > rank(new),
    }
}

#[cfg(test)]
mod tests;
