//! Observes what is stored, and decides.

use k8s_openapi::jiff::Timestamp;

use crate::{
    commands::{ensure::new_credential::VerifiedCredential, operation::Operation},
    credential::Credential,
    decide::{self, CredentialSource, Decision, StoredState},
    dockerconfig::{Document, lookup, pull_secret},
    image::RegistryHost,
    kubernetes::secret::StoredSecret,
    outcome::{Finding, Outcome, Reason},
    verification::{Evidence, Proof, explain},
};

/// Verifies `credential` at every registry of the run.
pub async fn verify_everywhere(operation: &Operation<'_>, credential: &Credential) -> Vec<Evidence> {
    operation
        .verifier(&operation.registries, credential, operation.deadline.writing)
        .verify(&operation.target.registries_with_images())
        .await
}

/// Stored credentials that may still work: decodable, unexpired, not rejected in this run, and not a Kubernetes token at a
/// registry that may not receive one. `evidence` is of the stored credential.
pub fn usable_credentials(
    operation: &Operation<'_>,
    mut stored: Vec<(RegistryHost, Credential)>,
    evidence: &[Evidence],
) -> Vec<(RegistryHost, Credential)> {
    let rejected = |registry: &RegistryHost| {
        let at = evidence.iter().filter(|at| at.registry == *registry);
        at.flat_map(Evidence::proofs).any(Proof::is_rejection)
    };
    stored.retain(|(registry, credential)| {
        let may_be_sent = operation.target.send_policy(credential).allows(registry);
        may_be_sent && !credential.is_expired(operation.api.now()) && !rejected(registry)
    });
    stored
}

/// The stored token `token`, verified to be set for every registry; none where it is rejected. Then it is removed from
/// `stored` for the registries that reject it.
pub async fn reuse(
    operation: &Operation<'_>,
    token: Option<Box<Credential>>,
    stored: &mut Vec<(RegistryHost, Credential)>,
) -> Option<VerifiedCredential> {
    let credential = *token?;
    let evidence = verify_everywhere(operation, &credential).await;
    let rejecting = |at: &&Evidence| at.proofs().any(Proof::is_rejection);
    let rejecting: Vec<_> = evidence.iter().filter(rejecting).map(|at| &at.registry).collect();
    if !rejecting.is_empty() {
        stored
            .retain(|(registry, stored)| stored.token != credential.token || !rejecting.contains(&registry));
        return None;
    }
    Some(VerifiedCredential {
        credential,
        evidence,
        excess: None,
    })
}

/// A decision, with the evidence of the stored credential.
pub struct Considered {
    /// What to do.
    pub decision: Decision,
    /// The evidence of the stored credential; empty if it was not verified.
    pub evidence: Vec<Evidence>,
    /// The warning that another manager rewrote the document.
    pub rewritten: Option<Finding>,
}

/// Examines `secret`, as it was just read, verifies its credential where that can matter, and decides.
///
/// # Errors
/// The Secret can't be corrected in place, or the credential to store is expired.
pub async fn consider(
    operation: &Operation<'_>,
    source: &CredentialSource,
    secret: Option<StoredSecret>,
    now: Timestamp,
) -> Result<Considered, Finding> {
    let rewritten = secret.as_ref().and_then(|secret| rewritten(operation, secret));
    let state = decide::examine(operation.target.config, source, secret, now);
    let evidence = match &state {
        StoredState::Current { credential, .. } => verify_everywhere(operation, credential).await,
        StoredState::Absent | StoredState::Unusable(_) | StoredState::RenewalDue { .. } => Vec::new(),
    };
    let kept = match &state {
        StoredState::Current { credential, .. }
        | StoredState::RenewalDue {
            reuse: Some(credential),
            ..
        } => decide::kept_note(operation.target.config, source, credential, now),
        StoredState::Absent | StoredState::Unusable(_) | StoredState::RenewalDue { reuse: None, .. } => None,
    };
    kept.into_iter()
        .for_each(|note| operation.progress.add_note(note));
    let credential = state.credential().map(Credential::summary);
    operation.progress.set_credential(credential.unwrap_or_default());
    let proofs: Vec<&Proof> = evidence.iter().flat_map(Evidence::proofs).collect();
    let decision = decide::decide(operation.target.config, state, &proofs, now)?;
    if let CredentialSource::File(file) = source
        && file.is_expired(now)
    {
        return Err(Finding::new(
            Reason::CredentialExpired,
            "the token in PULL_SECRET_TOKEN_FILE is past its expiry",
        ));
    }
    Ok(Considered {
        decision,
        evidence,
        rewritten,
    })
}

/// Warning that another manager rewrote the document of `secret` since the last run.
pub fn rewritten(operation: &Operation<'_>, secret: &StoredSecret) -> Option<Finding> {
    decide::rewritten(operation.target.config, secret, &operation.secrets)
}

/// Outcome of a run that ends with `credential` in `secret`, verified by `evidence`.
pub fn stored(
    operation: &Operation<'_>,
    secret: &StoredSecret,
    credential: &Credential,
    evidence: &[Evidence],
) -> Outcome {
    let (config, document) = (operation.target.config, secret.document());
    let images: Vec<_> = config.images.iter().collect();
    let mut outcome = operation.outcome_of(credential, evidence);
    outcome.verified = explain::least_verified(evidence);
    outcome
        .findings
        .extend(pull_secret::unmanaged_entry_invalid(config, document));
    outcome
        .findings
        .extend(lookup::kubelet_misses(&images, document, credential));
    outcome
        .findings
        .extend(decide::outlives_next_run(config, credential, operation.api.now()));
    outcome.warnings.extend(lookup::containers_image_prefers_others(
        &images, document, credential,
    ));
    let parsed = Document::parse(document);
    let helpers = parsed.map(|document| document.helper_warnings(config.registries.iter()));
    let helpers = helpers.unwrap_or_default();
    outcome.warnings.extend(helpers.iter().map(ToString::to_string));
    outcome.notes.extend(pull_secret::forgotten_entries(
        config,
        document,
        &secret.version.uid,
        credential,
    ));
    outcome
}

#[cfg(test)]
mod tests;
