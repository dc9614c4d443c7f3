//! `ensure`: observe, decide, act, verify. Only another writer sends it back to the start.

mod new_credential;
pub mod replace;

use tokio::time::Instant;
use tracing::{debug, info};

use crate::{
    commands::{
        ensure::{
            new_credential::{NewCredential, StoredEvidence},
            replace::Replacement,
        },
        observe::{consider, usable_credentials},
        operation::Operation,
    },
    credential::Credential,
    decide::{self, CredentialSource, Decision, StoredState, object},
    dockerconfig::{lookup, pull_secret},
    image::RegistryHost,
    kubernetes::{
        error::KubernetesError,
        secret::{Applied, AppliedFields, PLACEHOLDER, StoredSecret, Version},
        secret_fields,
    },
    outcome::{Action, ExcessPermissions, Finding, Outcome, Reason},
    transport::retry::{Retry, RetryCause},
    verification::{Evidence, explain},
};

/// A write that was sent. Found stored, it is this run's, even where its answer was lost.
struct PendingWrite {
    uid: String,
    credential: Credential,
    evidence: Vec<Evidence>,
    excess: Option<ExcessPermissions>,
    fields: AppliedFields,
    action: Action,
}

/// What this run did so far, kept while it starts over.
#[derive(Default)]
struct Progress {
    created: bool,
    new_credential: Option<NewCredential>,
    pending: Option<PendingWrite>,
    /// How often something else was stored than was written.
    reverts: u32,
}

/// Why a round ended early.
enum Abort {
    /// Another writer changed the Secret in between.
    Restart,
    /// The run can't go on.
    Fail(Finding),
}

impl From<Finding> for Abort {
    fn from(finding: Finding) -> Self {
        Self::Fail(finding)
    }
}

/// Creates or refreshes the Secret and verifies it. What was done and found is in `outcome` at any moment.
pub async fn ensure(operation: &Operation<'_>, source: &CredentialSource, outcome: &mut Outcome) {
    let mut progress = Progress::default();
    let mut retry = Retry::new(operation.deadline.writing);
    let mut has_restarted = false;
    loop {
        match round(operation, source, &mut progress, outcome).await {
            Ok(()) => return,
            // Where other writers took all the time, the call that met the deadline is not the reason.
            Err(Abort::Fail(finding))
                if has_restarted
                    && finding.reason == Reason::ApiUnavailable
                    && Instant::now() >= operation.deadline.writing =>
            {
                give_up(operation, &progress, outcome).await;
                return;
            }
            Err(Abort::Fail(finding)) => {
                outcome.findings.push(finding);
                return;
            }
            Err(Abort::Restart) => {
                has_restarted = true;
                debug!("another writer changed the Secret in between: starting over");
                if !retry.again(RetryCause::TRANSIENT).await {
                    give_up(operation, &progress, outcome).await;
                    return;
                }
            }
        }
    }
}

/// Ends without time to start over. A write whose answer was lost may have been done: the Secret is read once more.
async fn give_up(operation: &Operation<'_>, progress: &Progress, outcome: &mut Outcome) {
    if let Some(pending) = &progress.pending
        && let Ok(Some(secret)) = operation.read(operation.deadline.end).await
    {
        if matches_pending(operation, pending, &secret) {
            confirm(operation, outcome, &secret, pending);
            return;
        }
        if secret.deletion.is_some()
            && let Err(finding) = object::open(operation.target.config, &secret)
        {
            outcome.findings.push(finding);
            return;
        }
    }
    outcome
        .findings
        .push(operation.explain_for_secret("patch", &KubernetesError::Conflict));
}

async fn round(
    operation: &Operation<'_>,
    source: &CredentialSource,
    progress: &mut Progress,
    outcome: &mut Outcome,
) -> Result<(), Abort> {
    let secret = operation.read(operation.deadline.writing).await?;
    let now = operation.api.now();
    if let (Some(secret), Some(pending)) = (&secret, &progress.pending)
        && matches_pending(operation, pending, secret)
    {
        // The write was done and only its answer was lost.
        confirm(operation, outcome, secret, pending);
        return Ok(());
    }
    let (decision, evidence) = consider(operation, source, secret, now, outcome).await?;
    match decision {
        Decision::Unchanged { secret, credential } => {
            info!("nothing to change");
            outcome.action = if progress.created {
                Action::Created
            } else {
                Action::Unchanged
            };
            finish(operation, outcome, &secret, &credential, &evidence);
            Ok(())
        }
        Decision::Metadata {
            secret,
            credential,
            fields,
        } => {
            info!("labels, annotations or keys differ: writing them, the credential stays");
            let pending = PendingWrite {
                uid: secret.version.uid.clone(),
                credential: *credential,
                evidence,
                excess: None,
                fields,
                action: if progress.created {
                    Action::Created
                } else {
                    Action::Refreshed
                },
            };
            write(operation, source, &secret.version, pending, progress, outcome).await
        }
        Decision::Create => {
            info!("there is no such Secret yet: creating it");
            let stored = Stored {
                secret: None,
                credentials: Vec::new(),
                evidence,
            };
            renew(operation, source, stored, progress, outcome).await
        }
        Decision::Renew {
            secret,
            because,
            stored,
        } => {
            info!("a new credential is due: {}", because.as_str());
            let stored = Stored {
                secret: Some(secret),
                credentials: stored,
                evidence,
            };
            renew(operation, source, stored, progress, outcome).await
        }
    }
}

/// What is stored before a new credential is written.
struct Stored {
    /// The Secret; none where there is none.
    secret: Option<StoredSecret>,
    /// The credential for each registry of the run, where clients find one.
    credentials: Vec<(RegistryHost, Credential)>,
    /// The evidence of the stored credential, where it was verified.
    evidence: Vec<Evidence>,
}

/// Requests the new credential, verifies it, writes it and reads it again.
async fn renew(
    operation: &Operation<'_>,
    source: &CredentialSource,
    stored: Stored,
    progress: &mut Progress,
    outcome: &mut Outcome,
) -> Result<(), Abort> {
    let version = match &stored.secret {
        Some(secret) => secret.version.clone(),
        None => create_placeholder(operation, progress, outcome).await?,
    };
    // A token that was requested for this Secret in an earlier round is used again.
    let earlier = progress.new_credential.take();
    let new = match earlier.filter(|new| new.uid == version.uid) {
        Some(new) => new,
        None => {
            let stored = StoredEvidence {
                credential: stored.credentials.first().map(|(_, credential)| credential),
                evidence: &stored.evidence,
            };
            new_credential::request(operation, source, &version, &stored)
                .await?
                .ok_or(Abort::Restart)?
        }
    };
    let new = progress.new_credential.insert(new);
    let usable = usable_credentials(operation, stored.credentials, &stored.evidence);
    let replacement = replace::decide(operation, &new.credential, &new.evidence, &usable).await;
    if let Replacement::Keep(evidence) = replacement {
        if has_ended(operation, source, &version).await {
            return Err(Abort::Restart);
        }
        info!("the new credential is not written");
        explain::findings(outcome, operation.target.config.mode, &new.credential, &evidence);
        return Ok(());
    }
    let (secret, now) = (stored.secret.as_ref(), operation.api.now());
    let document = secret.map_or(PLACEHOLDER, StoredSecret::document);
    let edited = pull_secret::with_credential(operation.target.config, document, &new.credential)?;
    let pending = PendingWrite {
        uid: version.uid.clone(),
        credential: new.credential.clone(),
        evidence: new.evidence.clone(),
        excess: new.excess.clone(),
        fields: secret_fields::fields(
            operation.target.config,
            secret,
            &new.credential.summary(),
            now,
            edited.bytes,
        ),
        action: match (progress.created, edited.shape_repaired) {
            (true, _) => Action::Created,
            (false, true) => Action::Repaired,
            (false, false) => Action::Refreshed,
        },
    };
    write(operation, source, &version, pending, progress, outcome).await
}

/// Whether the Secret that a token was requested for is gone or being deleted: the token ends with it, so that its
/// refusal says nothing about the account.
async fn has_ended(operation: &Operation<'_>, source: &CredentialSource, version: &Version) -> bool {
    match source {
        CredentialSource::File(_) => false,
        CredentialSource::TokenRequest { .. } => match operation.read(operation.deadline.writing).await {
            Ok(secret) => {
                secret.is_none_or(|secret| secret.version.uid != version.uid || secret.deletion.is_some())
            }
            Err(_) => false,
        },
    }
}

/// Applies, reads again, and reports what is stored.
async fn write(
    operation: &Operation<'_>,
    source: &CredentialSource,
    version: &Version,
    pending: PendingWrite,
    progress: &mut Progress,
    outcome: &mut Outcome,
) -> Result<(), Abort> {
    let until = operation.deadline.end;
    let pending = progress.pending.insert(pending);
    let applied = operation.api.apply(version, pending.fields.clone(), until).await;
    match applied {
        Ok(_) => {
            (outcome.action, outcome.credential) = (pending.action, pending.credential.summary());
            operation.checkpoint(outcome);
        }
        Err(KubernetesError::Conflict) => return Err(Abort::Restart),
        Err(error) => return Err(Abort::Fail(operation.explain_for_secret("patch", &error))),
    }
    let secret = operation
        .read(until)
        .await?
        .filter(|secret| secret.version.uid == version.uid && secret.deletion.is_none())
        .ok_or(Abort::Restart)?;
    if matches_pending(operation, pending, &secret) {
        confirm(operation, outcome, &secret, pending);
        return Ok(());
    }
    let state = decide::examine(operation.target.config, source, Some(secret), operation.api.now());
    match state {
        // A good credential of another run is left in place.
        StoredState::Current { secret, credential } if *credential != pending.credential => {
            let registries = operation.registries.with_until(until);
            let evidence = operation
                .verifier(&registries, &credential, until)
                .verify(&operation.target.registries_with_images())
                .await;
            finish(operation, outcome, &secret, &credential, &evidence);
            Ok(())
        }
        // Once may be another run; twice is a controller that reverts the write.
        _ if progress.reverts == 0 => {
            progress.reverts = 1;
            Err(Abort::Restart)
        }
        _ => Err(Abort::Fail(decide::reverted(operation.target.config))),
    }
}

/// Reports a write that is found stored.
fn confirm(operation: &Operation<'_>, outcome: &mut Outcome, secret: &StoredSecret, pending: &PendingWrite) {
    outcome.action = pending.action;
    outcome.excess = pending.excess.clone();
    finish(operation, outcome, secret, &pending.credential, &pending.evidence);
}

/// Whether what was sent is stored; what others wrote beside it meanwhile is left aside.
fn matches_pending(operation: &Operation<'_>, pending: &PendingWrite, secret: &StoredSecret) -> bool {
    let beside = AppliedFields {
        data: secret_fields::beside_document(pending.fields.data.clone()),
        ..pending.fields.clone()
    };
    pending.uid == secret.version.uid
        && decide::holds(operation.target.config, secret, &pending.credential)
        && !secret_fields::differs(&beside, secret)
}

async fn create_placeholder(
    operation: &Operation<'_>,
    progress: &mut Progress,
    outcome: &mut Outcome,
) -> Result<Version, Abort> {
    match operation.api.create_placeholder(operation.deadline.writing).await {
        Ok(Applied { version, created }) => {
            // Otherwise another run's placeholder was found, which is the same.
            if created {
                progress.created = true;
                outcome.action = Action::Created;
                operation.checkpoint(outcome);
            }
            Ok(version)
        }
        Err(KubernetesError::Conflict) => Err(Abort::Restart),
        Err(error) => Err(Abort::Fail(operation.explain_for_secret("create", &error))),
    }
}

/// Reports what is stored, and what was verified of it.
pub fn finish(
    operation: &Operation<'_>,
    outcome: &mut Outcome,
    secret: &StoredSecret,
    credential: &Credential,
    evidence: &[Evidence],
) {
    let (config, document) = (operation.target.config, secret.document());
    let images: Vec<_> = config.images.iter().collect();
    outcome.credential = credential.summary();
    outcome.verified = explain::least_verified(evidence);
    explain::findings(outcome, operation.target.config.mode, credential, evidence);
    outcome
        .findings
        .extend(pull_secret::unmanaged_entry_invalid(config, document));
    outcome
        .findings
        .extend(lookup::kubelet_misses(&images, document, credential));
    outcome
        .findings
        .extend(decide::outlives_next_run(config, credential, operation.api.now()));
    outcome.notes.extend(lookup::containers_image_prefers_others(
        &images, document, credential,
    ));
    outcome.notes.extend(pull_secret::forgotten_entries(
        config,
        secret.document(),
        &secret.version.uid,
        credential,
    ));
}

#[cfg(test)]
mod tests;
