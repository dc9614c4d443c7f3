//! What to do about what was observed. Pure: no I/O, and the time comes in.

use k8s_openapi::jiff::Timestamp;
use secrecy::ExposeSecret;

use crate::{
    clip::clip_name,
    config::{Config, NextRun},
    credential::Credential,
    docker_config::{self, Document, DocumentError},
    finding::Finding,
    metadata,
    outcome::CredentialSummary,
    reason::Reason,
    secret::{AppliedFields, SECRET_TYPE, StoredSecret},
    token::{Lifetime, ServiceAccountName, Token, TokenKind},
    verification::{Proof, Vouch},
};
use crate::registry::Silence;

/// Whose credential shall be stored.
#[derive(Clone)]
pub enum Source {
    /// A token minted for this account, of the audiences that the API server gives where none are asked for; they are
    /// known from the caller's own token, and empty where that does not tell.
    Mint {
        /// The account.
        service_account: ServiceAccountName,
        /// Audiences of the API server.
        audiences: Vec<String>,
    },
    /// This one, from a file.
    File(Credential),
}

/// What the structure of the stored Secret tells.
pub enum Examined {
    /// There is none.
    Absent,
    /// It can't be corrected in place.
    Unusable(Finding),
    /// It holds the credential that it shall hold, with enough life left.
    Current(Credential),
    /// A new credential is due.
    Due {
        /// Why.
        because: Due,
        /// What is stored, where it can be told: the first registry's entry.
        stored: Option<Credential>,
    },
}

/// Why a new credential is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The document has no `auths` object.
    NoAuths,
    /// A registry of the run has no entry, or not one that every client reads.
    EntryMissing,
    /// The entries of the run's registries differ, or have another user name.
    EntriesDiffer,
    /// The file holds another token.
    NotTheFile,
    /// It is not a service account's token.
    NotAServiceAccountToken,
    /// It belongs to another service account.
    OtherAccount,
    /// It is bound to a pod.
    BoundToPod,
    /// It is not bound to this Secret.
    NotBoundToSecret,
    /// It is for another audience.
    OtherAudience,
    /// It is expired, or too little of its life is left.
    LittleLifeLeft,
    /// It was rejected.
    Rejected,
}

impl Due {
    /// For the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoAuths => "the document has no auths wrapper",
            Self::EntryMissing => "a registry has no entry that every client reads",
            Self::EntriesDiffer => "the entries differ from each other or in their user name",
            Self::NotTheFile => "PULL_SECRET_TOKEN_FILE holds another token",
            Self::NotAServiceAccountToken => "the stored token is not a service account's",
            Self::OtherAccount => "the stored token belongs to another service account",
            Self::BoundToPod => "the stored token is bound to a pod and dies with it",
            Self::NotBoundToSecret => "the stored token is not bound to this Secret",
            Self::OtherAudience => "the stored token is for another audience",
            Self::LittleLifeLeft => "too little is left of the stored token's life",
            Self::Rejected => "the stored token is not accepted any more",
        }
    }
}

/// Reads what is stored, by its structure alone.
pub fn examine(config: &Config, source: &Source, stored: Option<&StoredSecret>, now: Timestamp) -> Examined {
    let Some(secret) = stored else { return Examined::Absent };
    let document = match open(config, secret) {
        Ok(document) => document,
        Err(finding) => return Examined::Unusable(finding),
    };
    let mut entries = config.registries.iter().map(|registry| document.entry(&registry.key()));
    let first = entries.next().flatten();
    let credential =
        first.as_ref().map(|entry| Credential::of(entry.username(), Token::new(entry.password().clone())));
    let because = if !document.has_auths() {
        Some(Due::NoAuths)
    } else if let Some(first) = first.filter(|entry| entry.is_well_formed()) {
        entries.fold(None, |because, entry| match entry {
            Some(entry) if entry.is_well_formed() && entry.same_as(&first) => because,
            Some(entry) if entry.is_well_formed() => because.or(Some(Due::EntriesDiffer)),
            _ => Some(Due::EntryMissing),
        })
    } else {
        Some(Due::EntryMissing)
    };
    match (because, credential) {
        (None, Some(credential)) => match due(config, source, secret, &credential, now) {
            None => Examined::Current(credential),
            Some(because) => Examined::Due { because, stored: Some(credential) },
        },
        (because, stored) => Examined::Due { because: because.unwrap_or(Due::EntryMissing), stored },
    }
}

/// The stored document, where this program may touch it at all.
///
/// # Errors
/// `wrong-type`, `document-unreadable`, `document-ambiguous`.
pub fn open<'a>(config: &Config, secret: &'a StoredSecret) -> Result<Document<'a>, Finding> {
    let name = clip_name(&config.name, 80);
    if secret.secret_type != SECRET_TYPE {
        let found = clip_name(&secret.secret_type, 60);
        return Err(Finding::new(
            Reason::WrongType,
            format!("Secret {name} has the type {found}, not {SECRET_TYPE}, and a type cannot be changed"),
        ));
    }
    let keys: Vec<String> = config.registries.iter().map(|registry| registry.key()).collect();
    let document = Document::parse(secret.document()).and_then(|document| {
        document.check_keys(keys.iter().map(String::as_str))?;
        Ok(document)
    });
    document.map_err(|error| match error {
        DocumentError::Unreadable { .. } => Finding::new(
            Reason::DocumentUnreadable,
            format!("the document of Secret {name} cannot be read ({error}); it was left as it is"),
        ),
        DocumentError::Ambiguous { .. } => Finding::new(
            Reason::DocumentAmbiguous,
            format!("clients read the document of Secret {name} differently ({error}); it was left as it is"),
        ),
    })
}

fn due(
    config: &Config,
    source: &Source,
    secret: &StoredSecret,
    credential: &Credential,
    now: Timestamp,
) -> Option<Due> {
    if credential.username != config.username {
        return Some(Due::EntriesDiffer);
    }
    match source {
        Source::File(file) => {
            let same = file.token.secret().expose_secret() == credential.token.secret().expose_secret();
            (!same).then_some(Due::NotTheFile)
        }
        Source::Mint { service_account, audiences } => {
            let claims = match credential.token.kind() {
                TokenKind::ServiceAccount => credential.token.claims(),
                TokenKind::Login | TokenKind::Other => None,
            };
            let Some(claims) = claims else { return Some(Due::NotAServiceAccountToken) };
            if claims.service_account().as_ref() != Some(service_account) {
                Some(Due::OtherAccount)
            } else if claims.is_bound_to_pod() {
                Some(Due::BoundToPod)
            } else if claims.bound_secret_uid() != Some(secret.version.uid.as_str()) {
                Some(Due::NotBoundToSecret)
            } else if !audiences.is_empty() && !claims.audiences().iter().any(|audience| audiences.contains(audience)) {
                Some(Due::OtherAudience)
            } else if !has_enough_life(config, credential, now) {
                Some(Due::LittleLifeLeft)
            } else {
                None
            }
        }
    }
}

fn has_enough_life(config: &Config, credential: &Credential, now: Timestamp) -> bool {
    let issued_at = credential.token.claims().and_then(|claims| claims.issued_at());
    match (issued_at, credential.expires_at) {
        (Some(issued_at), Some(expires_at)) => {
            let within = match config.next_run_within {
                NextRun::Within(within) => Some(within),
                NextRun::Unknown | NextRun::NotPlanned => None,
            };
            crate::token::has_enough_life(issued_at, expires_at, now, config.refresh_below, within)
        }
        _ => false,
    }
}

/// `expires-before-next-run`, where the credential would not outlive the time until the next run.
pub fn outlives_next_run(config: &Config, credential: &Credential, now: Timestamp) -> Option<Finding> {
    let NextRun::Within(within) = config.next_run_within else { return None };
    let expires_at = credential.expires_at?;
    let left = u64::try_from(expires_at.duration_since(now).as_secs()).unwrap_or(0);
    (left < within.as_secs()).then(|| {
        Finding::new(
            Reason::ExpiresBeforeNextRun,
            format!("the credential lives {} more, the next run may be {within} away", Lifetime::rounded(left)),
        )
    })
}

/// What to do with the Secret.
pub enum Decision {
    /// It can't be corrected in place.
    Refuse(Finding),
    /// Nothing is to be written.
    Unchanged,
    /// The credential stays, labels, annotations or keys are put right.
    Metadata(AppliedFields),
    /// A new credential is to be made, proven and written.
    Renew(Option<Due>),
}

/// Decides, once the stored credential was asked about. `proofs` are of the stored credential.
pub fn decide(
    config: &Config,
    stored: Option<&StoredSecret>,
    examined: &Examined,
    proofs: &[&Proof],
    now: Timestamp,
) -> Decision {
    let decision = match examined {
        Examined::Unusable(finding) => return Decision::Refuse(finding.clone()),
        Examined::Absent => Decision::Renew(None),
        Examined::Due { because, .. } => Decision::Renew(Some(*because)),
        Examined::Current(_) if proofs.iter().any(|proof| is_rejected(proof)) => {
            Decision::Renew(Some(Due::Rejected))
        }
        Examined::Current(credential) => match stored {
            Some(secret) => keep(config, secret, &credential.summary(), now),
            None => Decision::Renew(None),
        },
    };
    match (decision, stored) {
        (Decision::Unchanged, _) => Decision::Unchanged,
        (_, Some(secret)) if secret.immutable => Decision::Refuse(immutable(config)),
        (decision, _) => decision,
    }
}

/// The Secret would have to be changed and is immutable.
pub fn immutable(config: &Config) -> Finding {
    Finding::new(
        Reason::Immutable,
        format!("Secret {} is immutable and would have to be changed", clip_name(&config.name, 80)),
    )
}

fn keep(config: &Config, secret: &StoredSecret, credential: &CredentialSummary, now: Timestamp) -> Decision {
    let refreshed_at = metadata::refreshed_at(secret).or(credential.issued_at).unwrap_or(now);
    let fields = metadata::fields(config, Some(secret), credential, refreshed_at, secret.document().to_vec());
    if metadata::differs(&fields, secret) { Decision::Metadata(fields) } else { Decision::Unchanged }
}

/// Whether a proof says that the credential is not accepted. Not being allowed to pull an image is no rejection.
pub fn is_rejected(proof: &Proof) -> bool {
    match proof {
        Proof::Rejected | Proof::Silent(_, Vouch::Refuses) => true,
        Proof::Pulls
        | Proof::Accepted
        | Proof::RepositoryMissing
        | Proof::TagMissing
        | Proof::PullForbidden
        | Proof::PushForbidden
        | Proof::Silent(_, Vouch::Accepts | Vouch::Unavailable | Vouch::Nobody) => false,
    }
}

/// Whether a new credential may replace the stored one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permit {
    /// Write.
    Yes,
    /// Write, unless the stored one pulls an image that this one may not.
    UnlessStoredPulls,
    /// Write only where nothing alive is stored.
    UnlessAlive,
    /// Don't write.
    No,
}

/// The table "What `ensure` writes" of the contract, for one proof of the new credential; of several the strictest
/// holds.
pub fn permit(proof: &Proof) -> Permit {
    match proof {
        Proof::Pulls | Proof::Accepted | Proof::RepositoryMissing | Proof::TagMissing => Permit::Yes,
        Proof::PullForbidden | Proof::PushForbidden => Permit::UnlessStoredPulls,
        Proof::Rejected | Proof::Silent(_, Vouch::Refuses | Vouch::Unavailable) => Permit::No,
        Proof::Silent(_, Vouch::Accepts) | Proof::Silent(Silence::Open | Silence::NotAsked, Vouch::Nobody) => {
            Permit::Yes
        }
        Proof::Silent(Silence::Unreachable(_) | Silence::Untrusted(_) | Silence::Protocol(_), Vouch::Nobody) => {
            Permit::UnlessAlive
        }
    }
}

/// An entry of somebody else's that makes the kubelet reject the whole document.
pub fn foreign_entry_broken(config: &Config, document: &[u8]) -> Option<Finding> {
    let keys: Vec<String> = config.registries.iter().map(|registry| registry.key()).collect();
    let broken = docker_config::foreign_broken_entry(document, keys.iter().map(String::as_str))?;
    let key = broken.key();
    Some(
        Finding::new(
            Reason::ForeignEntryBroken,
            format!(
                "the entry {} in Secret {} makes the kubelet reject the whole document",
                clip_name(key, 80),
                clip_name(&config.name, 80)
            ),
        )
        .about(clip_name(key, 253)),
    )
}
