//! What is there, before anything is decided.

use k8s_openapi::jiff::Timestamp;

use crate::{
    context::Context,
    credential::Credential,
    decision::{self, Examined, Source},
    registry_host::RegistryHost,
    secret::StoredSecret,
    verification::{Evidence, Proof},
};

/// What was observed, before anything is decided.
pub struct Observed {
    /// The Secret; none where there is none.
    pub secret: Option<StoredSecret>,
    /// What its structure tells.
    pub examined: Examined,
    /// Of the stored credential; empty where it was not asked about.
    pub evidence: Vec<Evidence>,
}

/// Examines the Secret, and asks about the stored credential where that is worth it.
pub async fn observe(
    context: &Context<'_>,
    source: &Source,
    secret: Option<StoredSecret>,
    now: Timestamp,
) -> Observed {
    let examined = decision::examine(context.config, source, secret.as_ref(), now);
    let evidence = match &examined {
        Examined::Current(credential) => prove(context, credential).await,
        Examined::Absent | Examined::Unusable(_) | Examined::Due { .. } => Vec::new(),
    };
    Observed {
        secret,
        examined,
        evidence,
    }
}

/// Asks every registry of the run about `credential`.
pub async fn prove(context: &Context<'_>, credential: &Credential) -> Vec<Evidence> {
    context
        .verifier(&context.registries, credential)
        .verify(&context.registries_with_images())
        .await
}

/// What is stored for each registry of the run, as far as a credential can be found in it.
pub fn stored_credentials(context: &Context<'_>, observed: &Observed) -> Vec<(RegistryHost, Credential)> {
    match &observed.examined {
        Examined::Due { stored, .. } => stored.clone(),
        Examined::Current(credential) => context
            .config
            .registries
            .iter()
            .map(|registry| (registry.clone(), credential.as_ref().clone()))
            .collect(),
        Examined::Absent | Examined::Unusable(_) => Vec::new(),
    }
}

/// Stored credentials that may still work: decodable, unexpired, not rejected in this run, and not a Kubernetes token at a
/// registry that may not receive one.
pub fn usable_credentials(context: &Context<'_>, observed: &Observed) -> Vec<(RegistryHost, Credential)> {
    let rejected = |registry: &RegistryHost| {
        let at = observed.evidence.iter().filter(|at| at.registry == *registry);
        at.flat_map(Evidence::proofs).any(Proof::is_rejection)
    };
    let mut stored = stored_credentials(context, observed);
    stored.retain(|(registry, credential)| {
        let may_be_sent =
            !credential.is_kubernetes_token() || context.config.may_receive_kubernetes_token(registry);
        may_be_sent && !credential.is_expired(context.api.now()) && !rejected(registry)
    });
    stored
}
