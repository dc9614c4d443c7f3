//! Stored tokens that are set again instead of requesting another one (CONTRACT section 1, "Unchanged").

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{CredentialSource, has_enough_life, unfit};
use crate::{
    config::Config,
    credential::Credential,
    dockerconfig::{Document, Entry},
    kubernetes::secret::StoredSecret,
};

/// By how much this machine's clock may be behind without being corrected (kubernetes/client.rs).
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(2);

/// When a token that is requested now expires: as configured, unless the API server already issued a shorter one.
fn attainable(config: &Config, issued_until: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let lifetime = SignedDuration::from_secs(config.token_lifetime.as_secs());
    issued_until.or_else(|| now.checked_add(lifetime).ok()?.checked_add(CLOCK_TOLERANCE).ok())
}

/// Whether `credential`, a token for this Secret, has too little life left, and lives longer than a token that is
/// requested now.
pub(super) fn outlives_a_new_one(
    config: &Config,
    source: &CredentialSource,
    credential: &Credential,
    now: Timestamp,
) -> bool {
    let CredentialSource::TokenRequest { issued_until, .. } = source else {
        return false;
    };
    let attainable = attainable(config, *issued_until, now);
    !credential.is_expired(now)
        && !has_enough_life(config, credential, now)
        && credential
            .expires_at
            .zip(attainable)
            .is_some_and(|(own, new)| own > new)
}

/// Note that a stored token stays though it has too little life left, with the cause.
pub fn kept_note(
    config: &Config,
    source: &CredentialSource,
    credential: &Credential,
    now: Timestamp,
) -> Option<String> {
    let CredentialSource::TokenRequest { issued_until, .. } = source else {
        return None;
    };
    let cause = match issued_until {
        None => format!("PULL_SECRET_TOKEN_LIFETIME is {}", config.token_lifetime),
        Some(_) => "the API server issues tokens of a shorter lifetime".to_owned(),
    };
    outlives_a_new_one(config, source, credential, now)
        .then(|| format!("The stored token stays: a new one would expire earlier, since {cause}."))
}

/// The stored token that is set for every registry of the run: of the configured account, for this Secret, and with
/// enough life left; of several the one that lives longest. It has the configured user name.
pub(super) fn stored_token(
    config: &Config,
    source: &CredentialSource,
    secret: &StoredSecret,
    document: &Document<'_>,
    now: Timestamp,
) -> Option<Credential> {
    let CredentialSource::TokenRequest {
        service_account,
        audiences,
        ..
    } = source
    else {
        return None;
    };
    let with_username = |entry: Entry| Credential::of(&config.username, entry.credential().token);
    let is_fit = |credential: &Credential| {
        unfit(service_account, audiences, secret, credential).is_none()
            && (has_enough_life(config, credential, now)
                || outlives_a_new_one(config, source, credential, now))
    };
    document
        .all_entries()
        .filter(Entry::decodes)
        .map(with_username)
        .filter(is_fit)
        .max_by_key(|credential| credential.expires_at)
}
