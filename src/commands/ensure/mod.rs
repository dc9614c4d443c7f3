//! `ensure`: observe, decide, act, verify. Only another writer sends it back to the start.

pub mod new_credential;
pub mod replace;

use tokio::time::Instant;
use tracing::{debug, info};

use self::{
    new_credential::{NewCredential, VerifiedCredential},
    replace::Replacement,
};
use crate::{
    commands::{
        observe::{self, Considered, consider, usable_credentials},
        operation::Operation,
        sent_write::SentWrite,
    },
    credential::Credential,
    decide::{self, CredentialSource, Decision, RenewReason, StoredState, object},
    dockerconfig::{pull_secret, without_expired_leftovers},
    image::RegistryHost,
    kubernetes::{
        error::KubernetesError,
        secret::{Applied, AppliedFields, PLACEHOLDER, StoredSecret, Version},
        secret_fields,
    },
    outcome::{Action, Finding, Outcome, Reason},
    transport::retry::{Retry, RetryCause},
    verification::Evidence,
};

/// Creates or refreshes the Secret and verifies it.
pub async fn ensure(operation: &Operation<'_>, source: &CredentialSource) -> Outcome {
    let mut run = Run {
        operation,
        source: source.clone(),
        created: false,
        new_credential: None,
        reverts: 0,
        rewritten: None,
    };
    let end = run.rounds().await;
    let mut outcome = match end {
        Ok(End::Stored { secret, verified }) => Outcome {
            credential: verified.credential.summary(),
            excess: verified.excess,
            ..observe::stored(operation, &secret, &verified.credential, &verified.evidence)
        },
        Ok(End::NotWritten { credential, evidence }) => operation.outcome_of(&credential, &evidence),
        Err(finding) => operation.outcome_with(finding),
    };
    let is_written = outcome.action != Action::None;
    outcome.findings.extend(run.rewritten.map(|mut finding| {
        if is_written {
            finding.cause.push_str("; it was corrected");
        }
        finding
    }));
    outcome
}

/// How a run ends without an error.
enum End {
    /// The Secret holds this credential.
    Stored {
        secret: Box<StoredSecret>,
        verified: VerifiedCredential,
    },
    /// The new credential is not written.
    NotWritten {
        credential: Credential,
        evidence: Vec<Evidence>,
    },
}

impl End {
    fn stored(secret: StoredSecret, verified: VerifiedCredential) -> Self {
        Self::Stored {
            secret: Box::new(secret),
            verified,
        }
    }
}

/// Why a round ended early.
enum Abort {
    /// Another writer changed the Secret in between.
    Restart,
    /// The token that was issued expires before a stored one: the decision is another one.
    Reconsider,
    /// The run can't go on.
    Fail(Finding),
}

impl From<Finding> for Abort {
    fn from(finding: Finding) -> Self {
        Self::Fail(finding)
    }
}

/// What is to be written.
struct Write {
    verified: VerifiedCredential,
    fields: AppliedFields,
    action: Action,
}

/// The Secret before a new credential is written.
struct Stored {
    /// The Secret; none where there is none.
    secret: Option<StoredSecret>,
    /// The credential for each registry of the run, where clients find one.
    credentials: Vec<(RegistryHost, Credential)>,
    /// The evidence of the stored credential, where it was verified.
    evidence: Vec<Evidence>,
    /// Whether a stored token was rejected in this run.
    is_rejected: bool,
}

/// A run with what it did so far, kept while it starts over.
struct Run<'a> {
    operation: &'a Operation<'a>,
    source: CredentialSource,
    created: bool,
    new_credential: Option<NewCredential>,
    /// How often the Secret held something else after a write.
    reverts: u32,
    /// The warning that another manager rewrote the document before this run.
    rewritten: Option<Finding>,
}

impl Run<'_> {
    async fn rounds(&mut self) -> Result<End, Finding> {
        let writing = self.operation.deadline.writing;
        let mut retry = Retry::new(writing);
        let mut has_restarted = false;
        loop {
            match self.round().await {
                Ok(end) => return Ok(end),
                // Where other writers took all the time, the call that met the deadline is not the reason.
                Err(Abort::Fail(finding))
                    if has_restarted
                        && finding.reason == Reason::ApiUnavailable
                        && Instant::now() >= writing =>
                {
                    return self.give_up().await;
                }
                Err(Abort::Fail(finding)) => return self.look_again().await.ok_or(finding),
                Err(Abort::Reconsider) => {}
                Err(Abort::Restart) => {
                    has_restarted = true;
                    debug!("another writer changed the Secret in between: starting over");
                    if !retry.again(RetryCause::TRANSIENT).await {
                        return self.give_up().await;
                    }
                }
            }
        }
    }

    /// Ends without time to start over. A write whose answer was lost may have been done: the Secret is read once more.
    async fn give_up(&self) -> Result<End, Finding> {
        let operation = self.operation;
        if operation.sent.borrow().is_some()
            && let Ok(secret) = operation.read(operation.deadline.end).await
        {
            match (operation.settle(secret.as_ref()), secret) {
                (Some(verified), Some(secret)) => return Ok(End::stored(secret, verified)),
                (None, Some(secret)) if secret.deletion.is_some() => {
                    object::open(operation.target.config, &secret)?;
                }
                _ => {}
            }
        }
        Err(operation.explain_for_secret("patch", &KubernetesError::Conflict))
    }

    async fn round(&mut self) -> Result<End, Abort> {
        let operation = self.operation;
        let secret = operation.read(operation.deadline.writing).await?;
        let now = operation.api.now();
        // The write was done and only its answer was lost.
        let secret = match (operation.settle(secret.as_ref()), secret) {
            (Some(verified), Some(secret)) => return Ok(End::stored(secret, verified)),
            (_, secret) => secret,
        };
        let considered = consider(operation, &self.source, secret, now).await?;
        let Considered {
            decision, evidence, ..
        } = considered;
        self.rewritten = self.rewritten.take().or(considered.rewritten);
        match decision {
            Decision::Unchanged { secret, credential } => {
                info!("nothing to change");
                operation.progress.set_action(self.created_or(Action::Unchanged));
                let verified = VerifiedCredential {
                    credential: *credential,
                    evidence,
                    excess: None,
                };
                Ok(End::stored(secret, verified))
            }
            Decision::Metadata {
                secret,
                credential,
                fields,
            } => {
                info!("labels, annotations or keys differ: writing them, the credential stays");
                let write = Write {
                    verified: VerifiedCredential {
                        credential: *credential,
                        evidence,
                        excess: None,
                    },
                    fields,
                    action: self.created_or(Action::Refreshed),
                };
                self.write(&secret.version, write).await
            }
            Decision::Create => {
                info!("there is no such Secret yet: creating it");
                let stored = Stored {
                    secret: None,
                    credentials: Vec::new(),
                    evidence,
                    is_rejected: false,
                };
                self.renew(stored, None).await
            }
            Decision::Renew {
                secret,
                because,
                stored: mut credentials,
                reuse,
            } => {
                info!("the credential is to be written: {}", because.as_str());
                let had_token = reuse.is_some();
                let reuse = observe::reuse(operation, reuse, &mut credentials).await;
                let stored = Stored {
                    secret: Some(secret),
                    credentials,
                    evidence,
                    is_rejected: because == RenewReason::Rejected || (had_token && reuse.is_none()),
                };
                self.renew(stored, reuse).await
            }
        }
    }

    const fn created_or(&self, action: Action) -> Action {
        if self.created { Action::Created } else { action }
    }

    /// Requests the new credential and verifies it, unless a stored one is set again; writes it and reads it again.
    async fn renew(&mut self, stored: Stored, reuse: Option<VerifiedCredential>) -> Result<End, Abort> {
        let operation = self.operation;
        let version = match &stored.secret {
            Some(secret) => secret.version.clone(),
            None => self.create_placeholder().await?,
        };
        let is_reused = reuse.is_some();
        let verified = match reuse {
            Some(verified) => verified,
            None => self.new_credential(&version, &stored).await?,
        };
        let usable = usable_credentials(operation, stored.credentials, &stored.evidence);
        let replacement = replace::decide(operation, &verified.credential, &verified.evidence, &usable).await;
        if let Replacement::Keep(evidence) = replacement {
            if self.has_ended(&version).await {
                return Err(Abort::Restart);
            }
            info!("the new credential is not written");
            return Ok(End::NotWritten {
                credential: verified.credential,
                evidence,
            });
        }
        let (config, secret) = (operation.target.config, stored.secret.as_ref());
        let document = secret.map_or(PLACEHOLDER, StoredSecret::document);
        let edited = pull_secret::with_credential(config, document, &verified.credential)?;
        let summary = verified.credential.summary();
        let now = operation.api.now();
        let bytes = without_expired_leftovers(config, edited.bytes, &version.uid, now);
        let now = match secret {
            // The token is older than this write.
            Some(secret) if is_reused => secret_fields::refreshed_at(secret, &summary, now),
            _ => now,
        };
        let write = Write {
            verified,
            fields: secret_fields::fields(config, secret, &summary, now, bytes),
            action: self.created_or(if edited.shape_repaired {
                Action::Repaired
            } else {
                Action::Refreshed
            }),
        };
        self.write(&version, write).await
    }

    /// A new credential for the Secret `version`; one of an earlier round is used again.
    async fn new_credential(
        &mut self,
        version: &Version,
        stored: &Stored,
    ) -> Result<VerifiedCredential, Abort> {
        let operation = self.operation;
        if let Some(new) = self.new_credential.take_if(|new| new.uid == version.uid) {
            return Ok(self.new_credential.insert(new).verified.clone());
        }
        let first = stored.credentials.first().map(|(_, credential)| credential);
        let new = new_credential::request(operation, &self.source, version, first, &stored.evidence)
            .await?
            .ok_or(Abort::Restart)?;
        let verified = self.new_credential.insert(new).verified.clone();
        if let (CredentialSource::TokenRequest { issued_until, .. }, Some(expires_at)) =
            (&mut self.source, verified.credential.expires_at)
        {
            *issued_until = Some(expires_at);
        }
        if !stored.is_rejected && self.keeps_stored(stored) {
            return Err(Abort::Reconsider);
        }
        Ok(verified)
    }

    /// Whether a stored token is to be used instead of the one that was just issued.
    fn keeps_stored(&self, stored: &Stored) -> bool {
        let operation = self.operation;
        let (config, now) = (operation.target.config, operation.api.now());
        match decide::examine(config, &self.source, stored.secret.clone(), now) {
            StoredState::Current { .. } => true,
            StoredState::RenewalDue { reuse, .. } => reuse.is_some(),
            StoredState::Absent | StoredState::Unusable(_) => false,
        }
    }

    /// Whether the Secret that a token was requested for is gone or being deleted: the token ends with it, so that a
    /// rejection is not the ServiceAccount's fault.
    async fn has_ended(&self, version: &Version) -> bool {
        let operation = self.operation;
        match self.source {
            CredentialSource::File(_) => false,
            CredentialSource::TokenRequest { .. } => {
                let secret = operation.read(operation.deadline.writing).await;
                secret.is_ok_and(|secret| {
                    secret.is_none_or(|secret| secret.version.uid != version.uid || secret.deletion.is_some())
                })
            }
        }
    }

    /// Applies the write and reads the Secret again.
    async fn write(&mut self, version: &Version, write: Write) -> Result<End, Abort> {
        let (operation, until) = (self.operation, self.operation.deadline.end);
        let Write {
            verified,
            fields,
            action,
        } = write;
        let written = verified.credential.clone();
        let lost = self.send(SentWrite::new(&version.uid, verified, &fields, action));
        let applied = operation
            .api
            .apply(version, fields, operation.deadline.write_end())
            .await;
        self.answered(lost, applied.as_ref().err());
        match applied {
            Ok(_) => {
                operation.progress.set_action(action);
                operation.progress.set_credential(written.summary());
            }
            Err(KubernetesError::Conflict) => return Err(Abort::Restart),
            Err(error) => return Err(Abort::Fail(operation.explain_for_secret("patch", &error))),
        }
        let secret = operation
            .read(until)
            .await?
            .filter(|secret| secret.version.uid == version.uid && secret.deletion.is_none())
            .ok_or(Abort::Restart)?;
        if let Some(verified) = operation.settle(Some(&secret)) {
            return Ok(End::stored(secret, verified));
        }
        let config = operation.target.config;
        match decide::examine(config, &self.source, Some(secret), operation.api.now()) {
            // A good credential of another run is left in place.
            StoredState::Current { secret, credential } if *credential != written => {
                let registries = operation.registries.with_until(until);
                let evidence = operation
                    .verifier(&registries, &credential, until)
                    .verify(&operation.target.registries_with_images())
                    .await;
                let verified = VerifiedCredential {
                    credential: *credential,
                    evidence,
                    excess: None,
                };
                Ok(End::stored(secret, verified))
            }
            // Once may be another run; twice is a controller that reverts the write.
            _ if self.reverts == 0 => {
                self.reverts = 1;
                Err(Abort::Restart)
            }
            _ => Err(Abort::Fail(decide::reverted(config))),
        }
    }

    /// Records a write that is about to be sent. Returns how many answers were lost before.
    fn send(&self, write: SentWrite) -> u32 {
        self.operation.sends(write);
        self.operation.api.connection.lost_answers()
    }

    /// Records that the write was not done, where the API server's `error` is sure about it.
    fn answered(&self, lost_before: u32, error: Option<&KubernetesError>) {
        let is_lost = self.operation.api.connection.lost_answers() != lost_before;
        if !is_lost && error.is_some_and(|error| *error != KubernetesError::NotUnderstood) {
            self.operation.progress.undo_sent();
        }
    }

    /// The end of the run, if the Secret holds a write whose answer was lost.
    async fn look_again(&self) -> Option<End> {
        let found = self.operation.look_again(self.operation.deadline.end).await;
        found.map(|(secret, verified)| End::stored(secret, verified))
    }

    async fn create_placeholder(&mut self) -> Result<Version, Abort> {
        let operation = self.operation;
        let lost = self.send(SentWrite::placeholder());
        let applied = operation.api.create_placeholder(operation.deadline.writing).await;
        self.answered(lost, applied.as_ref().err());
        match applied {
            Ok(Applied { version, created }) => {
                // Otherwise another run's placeholder was found, which is the same.
                if created {
                    self.created = true;
                    operation.progress.set_action(Action::Created);
                } else {
                    operation.progress.undo_sent();
                }
                Ok(version)
            }
            Err(KubernetesError::Conflict) => Err(Abort::Restart),
            Err(error) => Err(Abort::Fail(operation.explain_for_secret("create", &error))),
        }
    }
}

#[cfg(test)]
mod tests;
