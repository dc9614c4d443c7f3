//! Observes what is stored, and decides.

use k8s_openapi::jiff::Timestamp;

use crate::{
    commands::operation::Operation,
    credential::Credential,
    decide::{self, CredentialSource, Decision, StoredState},
    image::RegistryHost,
    kubernetes::secret::StoredSecret,
    outcome::{Finding, Outcome, Reason},
    verification::{Evidence, Proof},
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

/// Examines `secret`, as it was just read, verifies its credential where that can matter, and decides; with the evidence
/// of the stored credential, empty where it was not verified. `outcome` gets what is stored.
///
/// # Errors
/// The Secret can't be corrected in place, or the credential to store is expired.
pub async fn consider(
    operation: &Operation<'_>,
    source: &CredentialSource,
    secret: Option<StoredSecret>,
    now: Timestamp,
    outcome: &mut Outcome,
) -> Result<(Decision, Vec<Evidence>), Finding> {
    let state = decide::examine(operation.target.config, source, secret, now);
    let evidence = match &state {
        StoredState::Current { credential, .. } => verify_everywhere(operation, credential).await,
        StoredState::Absent | StoredState::Unusable(_) | StoredState::RenewalDue { .. } => Vec::new(),
    };
    outcome.credential = state.credential().map(Credential::summary).unwrap_or_default();
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
    Ok((decision, evidence))
}
