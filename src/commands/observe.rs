//! What is there, before anything is decided.

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

/// What was observed, before anything is decided.
pub struct Observed {
    /// The Secret; none where there is none.
    pub secret: Option<StoredSecret>,
    /// What its structure tells.
    pub examined: StoredState,
    /// Of the stored credential; empty where it was not asked about.
    pub evidence: Vec<Evidence>,
}

/// Examines the Secret, and asks about the stored credential where that is worth it.
pub async fn observe(
    operation: &Operation<'_>,
    source: &CredentialSource,
    secret: Option<StoredSecret>,
    now: Timestamp,
) -> Observed {
    let examined = decide::examine(operation.target.config, source, secret.as_ref(), now);
    let evidence = match &examined {
        StoredState::Current(credential) => prove(operation, credential).await,
        StoredState::Absent | StoredState::Unusable(_) | StoredState::RenewalDue { .. } => Vec::new(),
    };
    Observed {
        secret,
        examined,
        evidence,
    }
}

/// Asks every registry of the run about `credential`.
pub async fn prove(operation: &Operation<'_>, credential: &Credential) -> Vec<Evidence> {
    operation
        .verifier(&operation.registries, credential, operation.deadline.writing)
        .verify(&operation.target.registries_with_images())
        .await
}

/// What is stored for each registry of the run, as far as a credential can be found in it.
pub fn stored_credentials(operation: &Operation<'_>, observed: &Observed) -> Vec<(RegistryHost, Credential)> {
    match &observed.examined {
        StoredState::RenewalDue { stored, .. } => stored.clone(),
        StoredState::Current(credential) => operation
            .target
            .config
            .registries
            .iter()
            .map(|registry| (registry.clone(), credential.as_ref().clone()))
            .collect(),
        StoredState::Absent | StoredState::Unusable(_) => Vec::new(),
    }
}

/// Stored credentials that may still work: decodable, unexpired, not rejected in this run, and not a Kubernetes token at a
/// registry that may not receive one.
pub fn usable_credentials(operation: &Operation<'_>, observed: &Observed) -> Vec<(RegistryHost, Credential)> {
    let rejected = |registry: &RegistryHost| {
        let at = observed.evidence.iter().filter(|at| at.registry == *registry);
        at.flat_map(Evidence::proofs).any(Proof::is_rejection)
    };
    let mut stored = stored_credentials(operation, observed);
    stored.retain(|(registry, credential)| {
        let may_be_sent = operation.target.send_policy(credential).allows(registry);
        may_be_sent && !credential.is_expired(operation.api.now()) && !rejected(registry)
    });
    stored
}

/// Observes `secret`, as it was just read, and decides. `outcome` gets what is stored.
///
/// # Errors
/// The Secret can't be corrected in place, or what is to be stored is dead already.
pub async fn consider(
    operation: &Operation<'_>,
    source: &CredentialSource,
    secret: Option<StoredSecret>,
    now: Timestamp,
    outcome: &mut Outcome,
) -> Result<(Observed, Decision), Finding> {
    let observed = observe(operation, source, secret, now).await;
    outcome.credential = stored_credentials(operation, &observed)
        .first()
        .map(|(_, credential)| credential.summary())
        .unwrap_or_default();
    let proofs: Vec<&Proof> = observed.evidence.iter().flat_map(Evidence::proofs).collect();
    let decision = decide::decide(
        operation.target.config,
        observed.secret.as_ref(),
        &observed.examined,
        &proofs,
        now,
    )?;
    if let CredentialSource::File(file) = source
        && file.is_expired(now)
    {
        return Err(Finding::new(
            Reason::CredentialExpired,
            "the token in PULL_SECRET_TOKEN_FILE is past its expiry",
        ));
    }
    Ok((observed, decision))
}
