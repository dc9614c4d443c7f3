//! May the new credential be written? Asks the stored one where only its answer decides.

use crate::{
    commands::operation::Operation,
    credential::Credential,
    decide::replace_policy::{self, ReplaceDecision, ReplacePolicy},
    image::{ImageReference, RegistryHost},
    transport::retry::can_confirm_login,
    verification::{Evidence, Proof},
};

/// What happens to the stored credentials of all registries of the run: they are replaced together.
pub enum Replacement {
    /// They are replaced.
    Write,
    /// They stay; the evidence of the new credential, as it is to be reported.
    Keep(Vec<Evidence>),
}

/// Decides by the `evidence` of the credential `new`; `usable` is what is stored for each registry and may still work.
pub async fn decide(
    operation: &Operation<'_>,
    new: &Credential,
    evidence: &[Evidence],
    usable: &[(RegistryHost, Credential)],
) -> Replacement {
    let mut reported = evidence.to_vec();
    let mut is_kept = false;
    for (at, reported) in evidence.iter().zip(&mut reported) {
        let stored = replace_policy::usable_for(&at.registry, usable);
        let decision = at
            .proofs()
            .map(|proof| ReplacePolicy::for_proof(proof).decide(new, stored))
            .max()
            .unwrap_or(ReplaceDecision::Replace);
        is_kept = match (decision, stored) {
            (ReplaceDecision::Keep, _) => true,
            (ReplaceDecision::Replace, _) | (_, None) => false,
            (ReplaceDecision::KeepUsable, Some(stored)) => {
                !is_rejected_elsewhere(operation, evidence, usable, stored).await
            }
            (ReplaceDecision::AskStored, Some(stored)) => {
                stored_does_more(operation, reported, new, stored).await
            }
        };
        if is_kept {
            break;
        }
    }
    if !is_kept {
        return Replacement::Write;
    }
    // Nothing is written: an unreachable registry is an error then, not a warning.
    for proof in reported.iter_mut().flat_map(Evidence::proofs_mut) {
        proof.leave_out_valid_review();
    }
    Replacement::Keep(reported)
}

/// Whether the stored credential does more with an image that the new one was refused or didn't find. In `at` such an
/// image becomes one that the new credential may not pull: the registry hides it.
async fn stored_does_more(
    operation: &Operation<'_>,
    at: &mut Evidence,
    new: &Credential,
    stored: &Credential,
) -> bool {
    let images = replace_policy::images_to_ask(at, new, stored);
    let (found, is_confirmed) = ask_stored(operation, stored, &at.registry, images).await;
    let found: Vec<_> = found.into_iter().flat_map(|at| at.images).collect();
    let mut does_more = false;
    for (image, proof) in &mut at.images {
        let stored_proof = found
            .iter()
            .find(|(asked, _)| asked == image)
            .map(|(_, proof)| proof);
        let is_kept = |stored: &Proof| {
            replace_policy::does_more(stored, proof) || (!is_confirmed && stored.is_rejection())
        };
        if stored_proof.is_some_and(is_kept) {
            does_more = true;
            if matches!(proof, Proof::RepositoryMissing | Proof::TagMissing) {
                *proof = Proof::PullForbidden;
            }
        }
    }
    does_more
}

/// Evidence of the stored credential at one registry, and whether a refused login was confirmed. It has the time until the
/// write: an unreachable registry may have taken that of the registries.
async fn ask_stored(
    operation: &Operation<'_>,
    stored: &Credential,
    registry: &RegistryHost,
    images: Vec<&ImageReference>,
) -> (Vec<Evidence>, bool) {
    let until = operation.deadline.writing;
    let registries = operation.registries.with_until(until);
    let found = operation
        .verifier(&registries, stored, until)
        .verify(&[(registry, images)])
        .await;
    (found, can_confirm_login(until))
}

/// Whether a registry that accepts the new credential rejects the stored one, which is stored for that registry too.
async fn is_rejected_elsewhere(
    operation: &Operation<'_>,
    evidence: &[Evidence],
    usable: &[(RegistryHost, Credential)],
    stored: &Credential,
) -> bool {
    for at in evidence.iter().filter(|at| at.proofs().any(Proof::is_acceptance)) {
        if replace_policy::usable_for(&at.registry, usable) != Some(stored) {
            continue;
        }
        let (found, is_confirmed) = ask_stored(operation, stored, &at.registry, Vec::new()).await;
        if is_confirmed && found.iter().flat_map(Evidence::proofs).any(Proof::is_rejection) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests;
