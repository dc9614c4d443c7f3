//! Decides what to do about the stored Secret. Pure: no I/O, and the time is an argument.

pub mod object;
mod renew_reason;
pub mod replace_policy;
mod reuse;
mod rewritten;

pub use self::{renew_reason::RenewReason, reuse::kept_note, rewritten::rewritten};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::{
    config::{Config, Mode, NextRun},
    credential::{Credential, TokenKind, rfc3339},
    dockerconfig::{Auths, Document, Entry, lookup, without_expired_leftovers},
    image::RegistryHost,
    kubernetes::{
        explain_error::immutable,
        secret::{AppliedFields, StoredSecret},
        secret_fields,
        token_request::ServiceAccountRef,
    },
    outcome::{Finding, Reason},
    text::clip_name,
    verification::Proof,
};

/// Where the credential to store comes from.
#[derive(Clone)]
pub enum CredentialSource {
    /// A token request for this account, without audiences: the API server sets its own, which are known from the caller's
    /// token.
    TokenRequest {
        /// The account.
        service_account: ServiceAccountRef,
        /// Audiences of the API server; empty where the caller's token has none.
        audiences: Vec<String>,
        /// When the token expires that the API server issued in this run, if it did.
        issued_until: Option<Timestamp>,
    },
    /// This one, from a file.
    File(Box<Credential>),
}

/// The state of the stored Secret, by its structure.
#[derive(Clone)]
pub enum StoredState {
    /// There is no Secret.
    Absent,
    /// It can't be corrected in place.
    Unusable(Finding),
    /// It holds the credential that is wanted, with enough life left.
    Current {
        /// The Secret.
        secret: StoredSecret,
        /// Its credential, the same for every registry of the run.
        credential: Box<Credential>,
    },
    /// A new credential is due.
    RenewalDue {
        /// The Secret.
        secret: StoredSecret,
        /// Why.
        because: RenewReason,
        /// The credential for each registry of the run, where clients find one.
        stored: Vec<(RegistryHost, Credential)>,
        /// The stored token that is set for every registry, where one meets all conditions: none is requested then.
        reuse: Option<Box<Credential>>,
    },
}

impl StoredState {
    /// The first stored credential.
    pub fn credential(&self) -> Option<&Credential> {
        match self {
            Self::Absent | Self::Unusable(_) => None,
            Self::Current { credential, .. } => Some(credential),
            Self::RenewalDue { stored, .. } => stored.first().map(|(_, credential)| credential),
        }
    }
}

/// Reads the state of `stored` from its structure alone.
pub fn examine(
    config: &Config,
    source: &CredentialSource,
    stored: Option<StoredSecret>,
    now: Timestamp,
) -> StoredState {
    let Some(secret) = stored else {
        return StoredState::Absent;
    };
    let document = match object::open(config, &secret) {
        Ok(document) => document,
        Err(finding) => return StoredState::Unusable(finding),
    };
    let (because, stored) = read_entries(config, source, &secret, &document, now);
    match (because, stored.first()) {
        (None, Some((_, credential))) => StoredState::Current {
            credential: Box::new(credential.clone()),
            secret,
        },
        (because, _) => StoredState::RenewalDue {
            because: because.unwrap_or(RenewReason::EntryMissing),
            stored,
            reuse: reuse::stored_token(config, source, &secret, &document, now).map(Box::new),
            secret,
        },
    }
}

/// A credential with the registry that it is stored for.
type StoredCredentials = Vec<(RegistryHost, Credential)>;

/// Why a new credential is due, if it is, and what is stored for each registry of the run.
fn read_entries(
    config: &Config,
    source: &CredentialSource,
    secret: &StoredSecret,
    document: &Document<'_>,
    now: Timestamp,
) -> (Option<RenewReason>, StoredCredentials) {
    let entries: Vec<(&RegistryHost, Option<Entry>)> = config
        .registries
        .iter()
        .map(|registry| (registry, document.entry(&registry.key())))
        .collect();
    let stored: Vec<(RegistryHost, Credential)> = entries
        .iter()
        .filter_map(|(registry, entry)| {
            let managed = entry
                .as_ref()
                .filter(|entry| entry.decodes())
                .map(Entry::credential);
            // Without one, clients take an unmanaged entry: `quay.io` for `quay.io/team`, or `https://quay.io`.
            let credential = managed.or_else(|| {
                let images = config.images.iter().filter(|image| registry.covers(image));
                lookup::credential_found(secret.document(), registry, images)
            });
            Some(((*registry).clone(), credential?))
        })
        .collect();
    let mut found = entries.iter().map(|(_, entry)| entry.as_ref());
    let because = match stored.first() {
        _ if document.auths() != Auths::Present => Some(RenewReason::NoAuths),
        _ if !found.all(|entry| entry.is_some_and(Entry::is_well_formed)) => Some(RenewReason::EntryMissing),
        None => Some(RenewReason::EntryMissing),
        Some((_, first)) => match stored.iter().all(|(_, credential)| credential == first) {
            false => Some(RenewReason::EntriesDiffer),
            true => renew_reason(config, source, secret, first, now),
        },
    };
    (because, stored)
}

/// Whether every registry of the run has this very credential, as every client reads it.
pub fn holds(config: &Config, secret: &StoredSecret, credential: &Credential) -> bool {
    object::open(config, secret).is_ok_and(|document| {
        config.registries.iter().all(|registry| {
            document
                .entry(&registry.key())
                .is_some_and(|entry| entry.holds(credential))
        })
    })
}

fn renew_reason(
    config: &Config,
    source: &CredentialSource,
    secret: &StoredSecret,
    credential: &Credential,
    now: Timestamp,
) -> Option<RenewReason> {
    if credential.username != config.username {
        return Some(RenewReason::EntriesDiffer);
    }
    match source {
        CredentialSource::File(file) => (file.token != credential.token).then_some(RenewReason::NotTheFile),
        CredentialSource::TokenRequest {
            service_account,
            audiences,
            ..
        } => unfit(service_account, audiences, secret, credential).or_else(|| {
            let is_fresh = has_enough_life(config, credential, now)
                || reuse::outlives_a_new_one(config, source, credential, now);
            (!is_fresh).then_some(RenewReason::LittleLifeLeft)
        }),
    }
}

/// Why a credential is no token of the account for this Secret, whatever its lifetime.
fn unfit(
    service_account: &ServiceAccountRef,
    audiences: &[String],
    secret: &StoredSecret,
    credential: &Credential,
) -> Option<RenewReason> {
    let claims = match credential.token.kind() {
        TokenKind::ServiceAccount => credential.token.claims(),
        TokenKind::OpenShiftLogin | TokenKind::Other => None,
    };
    let bound = claims.and_then(|claims| claims.kubernetes.as_ref());
    let (Some(claims), Some(bound)) = (claims, bound) else {
        return Some(RenewReason::NotAServiceAccountToken);
    };
    let wanted = (service_account.namespace.as_str(), service_account.name.as_str());
    if claims.service_account() != Some(wanted) {
        Some(RenewReason::OtherAccount)
    } else if bound.pod.is_some() {
        Some(RenewReason::BoundToPod)
    } else if bound.secret_uid.as_ref() != Some(&secret.version.uid) {
        Some(RenewReason::NotBoundToSecret)
    } else if !audiences.is_empty()
        && !claims
            .audiences
            .iter()
            .any(|audience| audiences.contains(audience))
    {
        Some(RenewReason::OtherAudience)
    } else {
        None
    }
}

fn has_enough_life(config: &Config, credential: &Credential, now: Timestamp) -> bool {
    let within = match config.next_run_within {
        NextRun::Within(within) => Some(within),
        NextRun::Unknown | NextRun::NotPlanned => None,
    };
    let validity = credential.token.claims().and_then(|claims| claims.validity());
    validity.is_some_and(|validity| validity.has_enough_left(now, config.refresh_below, within))
}

/// `expires-before-next-run`, where the credential would not outlive the time until the next run.
pub fn outlives_next_run(config: &Config, credential: &Credential, now: Timestamp) -> Option<Finding> {
    let NextRun::Within(within) = config.next_run_within else {
        return None;
    };
    let expires_at = credential.expires_at?;
    let left = expires_at.duration_since(now);
    let needed = SignedDuration::from_secs(within.as_secs());
    (left <= needed).then(|| {
        let at = rfc3339(expires_at);
        let cause = if credential.is_expired(now) {
            format!("the credential expired at {at}")
        } else {
            format!("the credential expires at {at}, before the next run (in at most {within})")
        };
        Finding {
            remedy: longer_life(config, credential).map(str::to_owned),
            ..Finding::new(Reason::ExpiresBeforeNextRun, cause)
        }
    })
}

/// What makes the credential live longer, where a longer lifetime in the request does not.
fn longer_life(config: &Config, credential: &Credential) -> Option<&'static str> {
    let validity = credential.token.claims().and_then(|claims| claims.validity());
    let granted = validity.map(|validity| validity.expires_at.duration_since(validity.issued_at));
    let requested = SignedDuration::from_secs(config.token_lifetime.as_secs());
    if config.token_file.is_some() {
        Some(
            "Put a credential that lives longer into PULL_SECRET_TOKEN_FILE, or run more often and lower PULL_SECRET_NEXT_RUN_WITHIN.",
        )
    } else if config.mode == Mode::Verify {
        Some("Run ensure, which requests a new token where that lives longer.")
    } else if granted.is_some_and(|granted| granted < requested) {
        Some(
            "Run more often and lower PULL_SECRET_NEXT_RUN_WITHIN: the API server grants no longer lifetime.",
        )
    } else {
        None
    }
}

/// What to do, with the Secret and the credential that it is about.
pub enum Decision {
    /// There is no Secret: it is created, with a new credential.
    Create,
    /// Nothing is written.
    Unchanged {
        /// The Secret.
        secret: StoredSecret,
        /// Its credential.
        credential: Box<Credential>,
    },
    /// The credential stays; labels, annotations or keys are corrected.
    Metadata {
        /// The Secret.
        secret: StoredSecret,
        /// Its credential.
        credential: Box<Credential>,
        /// What is written.
        fields: AppliedFields,
    },
    /// A new credential is requested, verified and written.
    Renew {
        /// The Secret.
        secret: StoredSecret,
        /// Why.
        because: RenewReason,
        /// The credential for each registry of the run, where clients find one.
        stored: Vec<(RegistryHost, Credential)>,
        /// The stored token that is set for every registry, unless it is rejected.
        reuse: Option<Box<Credential>>,
    },
}

impl Decision {
    /// The stored credential for each registry of the run, where clients find one.
    pub fn stored_credentials(&self, config: &Config) -> Vec<(RegistryHost, Credential)> {
        match self {
            Self::Create => Vec::new(),
            Self::Unchanged { credential, .. } | Self::Metadata { credential, .. } => {
                for_each_registry(config, credential)
            }
            Self::Renew { stored, .. } => stored.clone(),
        }
    }
}

fn for_each_registry(config: &Config, credential: &Credential) -> Vec<(RegistryHost, Credential)> {
    config
        .registries
        .iter()
        .map(|registry| (registry.clone(), credential.clone()))
        .collect()
}

/// Decides, once the stored credential was verified. `proofs` are of the stored credential.
///
/// # Errors
/// The Secret can't be corrected in place.
pub fn decide(
    config: &Config,
    state: StoredState,
    proofs: &[&Proof],
    now: Timestamp,
) -> Result<Decision, Finding> {
    let decision = match state {
        StoredState::Unusable(finding) => return Err(finding),
        StoredState::Absent => return Ok(Decision::Create),
        StoredState::RenewalDue {
            secret,
            because,
            stored,
            reuse,
        } => Decision::Renew {
            secret,
            because,
            stored,
            reuse,
        },
        StoredState::Current { secret, credential } if proofs.iter().any(|proof| proof.is_rejection()) => {
            Decision::Renew {
                secret,
                because: RenewReason::Rejected,
                stored: for_each_registry(config, &credential),
                reuse: None,
            }
        }
        StoredState::Current { secret, credential } => keep(config, secret, credential, now),
    };
    match &decision {
        Decision::Renew { secret, .. } if secret.immutable => Err(immutable(config.name.as_str())),
        _ => Ok(decision),
    }
}

/// What was written is not what is stored, again.
pub fn reverted(config: &Config) -> Finding {
    Finding::new(
        Reason::Reverted,
        format!(
            "another manager put back other values into Secret {} after the write",
            clip_name(config.name.as_str(), 80)
        ),
    )
}

fn keep(config: &Config, secret: StoredSecret, credential: Box<Credential>, now: Timestamp) -> Decision {
    let summary = credential.summary();
    let refreshed_at = secret_fields::refreshed_at(&secret, &summary, now);
    let mut fields = secret_fields::fields(
        config,
        Some(&secret),
        &summary,
        refreshed_at,
        without_expired_leftovers(config, secret.document().to_vec(), &secret.version.uid, now),
    );
    secret_fields::blank_expiry_of_others(&mut fields, &secret);
    if secret.immutable {
        secret_fields::keep_data(&mut fields, &secret);
    }
    if secret_fields::differs(&fields, &secret) {
        Decision::Metadata {
            secret,
            credential,
            fields,
        }
    } else {
        Decision::Unchanged { secret, credential }
    }
}

#[cfg(test)]
mod tests;
