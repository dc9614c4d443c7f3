//! Observe and decide: what `ensure` does next, and what `plan` and `doctor` say that it would do.

use k8s_openapi::jiff::Timestamp;

use crate::{
    context::Context,
    decision::{self, Decision, Source},
    finding::Finding,
    observation::{Observed, observe, stored_credentials},
    outcome::Outcome,
    reason::Reason,
    secret::StoredSecret,
    verification::{Evidence, Proof},
};

/// Observes `secret`, as it was just read, and decides. `outcome` gets what is stored.
///
/// # Errors
/// The Secret can't be corrected in place, or what is to be stored is dead already.
pub async fn consider(
    context: &Context<'_>,
    source: &Source,
    secret: Option<StoredSecret>,
    now: Timestamp,
    outcome: &mut Outcome,
) -> Result<(Observed, Decision), Finding> {
    let observed = observe(context, source, secret, now).await;
    outcome.credential = stored_credentials(context, &observed)
        .first()
        .map(|(_, credential)| credential.summary())
        .unwrap_or_default();
    let proofs: Vec<&Proof> = observed.evidence.iter().flat_map(Evidence::proofs).collect();
    let decision = decision::decide(
        context.config,
        observed.secret.as_ref(),
        &observed.examined,
        &proofs,
        now,
    )?;
    if let Source::File(file) = source
        && file.is_expired(now)
    {
        return Err(Finding::new(
            Reason::CredentialExpired,
            "the token in PULL_SECRET_TOKEN_FILE is past its expiry",
        ));
    }
    Ok((observed, decision))
}
