//! `ensure`: observe, decide, act, verify. One way; only another writer sends it back to the start.

mod new_credential;
pub mod replace;

use tokio::time::Instant;
use tracing::{debug, info};

use crate::{
    commands::{
        context::Context,
        ensure::{new_credential::Fresh, replace::Replacement},
        observe::{Observed, consider, usable_credentials},
    },
    credential::Credential,
    decide::{self, Decision, Examined, Source, object},
    dockerconfig::{lookup, pull_secret},
    kubernetes::{
        error::Refusal,
        secret::{AppliedFields, PLACEHOLDER, StoredSecret, Version},
        secret_fields,
    },
    outcome::{Action, ExcessPermissions, Finding, Outcome, Reason},
    transport::deadline::Backoff,
    verification::{Evidence, explain},
};

/// A write that was sent: found stored, it is ours, whatever answer got lost.
struct Sent {
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
    fresh: Option<Fresh>,
    sent: Option<Sent>,
    /// How often something else was found than was written.
    undone: u32,
}

/// Why a round did not come to its end.
enum Stop {
    /// Somebody else wrote in between.
    StartOver,
    /// It can't go on.
    Found(Finding),
}

impl From<Finding> for Stop {
    fn from(finding: Finding) -> Self {
        Self::Found(finding)
    }
}

/// Makes the Secret right and proves it. What was done and found is in `outcome` at any moment.
pub async fn ensure(context: &Context<'_>, source: &Source, outcome: &mut Outcome) {
    let mut progress = Progress::default();
    let mut backoff = Backoff::new();
    let mut has_started_over = false;
    loop {
        match round(context, source, &mut progress, outcome).await {
            Ok(()) => return,
            // Where others took all the time, the call that its end met is not why.
            Err(Stop::Found(finding))
                if has_started_over
                    && finding.reason == Reason::ApiUnavailable
                    && Instant::now() >= context.deadline.writing =>
            {
                give_up(context, &progress, outcome).await;
                return;
            }
            Err(Stop::Found(finding)) => {
                outcome.findings.push(finding);
                return;
            }
            Err(Stop::StartOver) => {
                has_started_over = true;
                context.begin_reading();
                debug!("somebody else wrote the Secret in between: starting over");
                if !backoff.wait(None, context.deadline.writing).await {
                    give_up(context, &progress, outcome).await;
                    return;
                }
            }
        }
    }
}

/// No time to start over. A write whose answer was lost may have been done all the same: one look.
async fn give_up(context: &Context<'_>, progress: &Progress, outcome: &mut Outcome) {
    context.begin_writing();
    if let Some(sent) = &progress.sent
        && let Ok(Some(secret)) = context.read().await
    {
        if found_sent(context, sent, &secret) {
            found(context, outcome, &secret, sent);
            return;
        }
        if secret.deletion.is_some()
            && let Err(finding) = object::open(context.config, &secret)
        {
            outcome.findings.push(finding);
            return;
        }
    }
    let name = context.config.name.as_str();
    outcome
        .findings
        .push(context.refused("patch", "secrets", name, &Refusal::Conflict));
}

async fn round(
    context: &Context<'_>,
    source: &Source,
    progress: &mut Progress,
    outcome: &mut Outcome,
) -> Result<(), Stop> {
    let secret = context.read().await?;
    let now = context.api.now();
    if let (Some(secret), Some(sent)) = (&secret, &progress.sent)
        && found_sent(context, sent, secret)
    {
        // The write went through and only its answer was lost.
        found(context, outcome, secret, sent);
        return Ok(());
    }
    let (observed, decision) = consider(context, source, secret, now, outcome).await?;
    match (decision, &observed.secret, &observed.examined) {
        (Decision::Unchanged, Some(secret), Examined::Current(credential)) => {
            info!("nothing to change");
            outcome.action = if progress.created {
                Action::Created
            } else {
                Action::Unchanged
            };
            finish(context, outcome, secret, credential, &observed.evidence);
            Ok(())
        }
        (Decision::Metadata(fields), Some(secret), Examined::Current(credential)) => {
            info!("labels, annotations or keys differ: writing them, the credential stays");
            let sent = Sent {
                uid: secret.version.uid.clone(),
                credential: credential.as_ref().clone(),
                evidence: observed.evidence.clone(),
                excess: None,
                fields,
                action: if progress.created {
                    Action::Created
                } else {
                    Action::Refreshed
                },
            };
            write(context, source, &secret.version, sent, progress, outcome).await
        }
        (Decision::Renew(because), _, _) => {
            match because {
                Some(because) => info!("a new credential is due: {}", because.as_str()),
                None => info!("there is no such Secret yet: creating it"),
            }
            renew(context, source, observed, progress, outcome).await
        }
        (Decision::Unchanged | Decision::Metadata(_), _, _) => Err(Stop::StartOver),
    }
}

/// The new credential is made, proven, written and read again.
async fn renew(
    context: &Context<'_>,
    source: &Source,
    observed: Observed,
    progress: &mut Progress,
    outcome: &mut Outcome,
) -> Result<(), Stop> {
    let version = match &observed.secret {
        Some(secret) => secret.version.clone(),
        None => create_placeholder(context, progress, outcome).await?,
    };
    // A token that was minted for this Secret in an earlier round is used again.
    let fresh = match progress.fresh.take().filter(|fresh| fresh.uid == version.uid) {
        Some(fresh) => fresh,
        None => new_credential::make(context, source, &version, &observed)
            .await?
            .ok_or(Stop::StartOver)?,
    };
    let fresh = progress.fresh.insert(fresh);
    let usable = usable_credentials(context, &observed);
    let replacement = replace::decide(context, &fresh.credential, &fresh.evidence, &usable).await;
    if let Replacement::Keep(evidence) = replacement {
        if has_ended(context, source, &version).await {
            return Err(Stop::StartOver);
        }
        info!("the new credential is not written");
        explain::findings(outcome, context.config.mode, &fresh.credential, &evidence);
        return Ok(());
    }
    let (secret, now) = (observed.secret.as_ref(), context.api.now());
    let document = secret.map_or(PLACEHOLDER, StoredSecret::document);
    let edited = pull_secret::with_credential(context.config, document, &fresh.credential)?;
    let sent = Sent {
        uid: version.uid.clone(),
        credential: fresh.credential.clone(),
        evidence: fresh.evidence.clone(),
        excess: fresh.excess.clone(),
        fields: secret_fields::fields(
            context.config,
            secret,
            &fresh.credential.summary(),
            now,
            edited.bytes,
        ),
        action: match (progress.created, edited.shape_repaired) {
            (true, _) => Action::Created,
            (false, true) => Action::Repaired,
            (false, false) => Action::Refreshed,
        },
    };
    write(context, source, &version, sent, progress, outcome).await
}

/// Whether the Secret that a token was requested for is gone or being deleted: the token ends with it, so its refusal says
/// nothing of the account.
async fn has_ended(context: &Context<'_>, source: &Source, version: &Version) -> bool {
    match source {
        Source::File(_) => false,
        Source::Mint { .. } => match context.read().await {
            Ok(secret) => {
                secret.is_none_or(|secret| secret.version.uid != version.uid || secret.deletion.is_some())
            }
            Err(_) => false,
        },
    }
}

/// Applies, reads again, and says what is stored.
async fn write(
    context: &Context<'_>,
    source: &Source,
    version: &Version,
    sent: Sent,
    progress: &mut Progress,
    outcome: &mut Outcome,
) -> Result<(), Stop> {
    context.begin_writing();
    let sent = progress.sent.insert(sent);
    match context.secret.apply(version, sent.fields.clone()).await {
        Ok(_) => {
            (outcome.action, outcome.credential) = (sent.action, sent.credential.summary());
            context.checkpoint(outcome);
        }
        Err(Refusal::Conflict) => return Err(Stop::StartOver),
        Err(refusal) => {
            let name = context.config.name.as_str();
            return Err(Stop::Found(context.refused("patch", "secrets", name, &refusal)));
        }
    }
    let secret = context
        .read()
        .await?
        .filter(|secret| secret.version.uid == version.uid && secret.deletion.is_none())
        .ok_or(Stop::StartOver)?;
    if found_sent(context, sent, &secret) {
        found(context, outcome, &secret, sent);
        return Ok(());
    }
    let another = decide::examine(context.config, source, Some(&secret), context.api.now());
    match another {
        // Another run's good credential is as good as ours.
        Examined::Current(credential) if *credential != sent.credential => {
            let registries = context.registries.with_until(context.deadline.end);
            let evidence = context
                .verifier(&registries, &credential)
                .verify(&context.registries_with_images())
                .await;
            finish(context, outcome, &secret, &credential, &evidence);
            Ok(())
        }
        // Once may be another run; twice is somebody who undoes it.
        _ if progress.undone == 0 => {
            progress.undone = 1;
            Err(Stop::StartOver)
        }
        _ => Err(Stop::Found(decide::reverted(context.config))),
    }
}

/// What was sent is what is stored.
fn found(context: &Context<'_>, outcome: &mut Outcome, secret: &StoredSecret, sent: &Sent) {
    outcome.action = sent.action;
    outcome.excess = sent.excess.clone();
    finish(context, outcome, secret, &sent.credential, &sent.evidence);
}

/// Whether what was sent is what is stored; what others wrote beside it meanwhile is theirs.
fn found_sent(context: &Context<'_>, sent: &Sent, secret: &StoredSecret) -> bool {
    let beside = AppliedFields {
        data: secret_fields::beside_document(sent.fields.data.clone()),
        ..sent.fields.clone()
    };
    sent.uid == secret.version.uid
        && decide::holds(context.config, secret, &sent.credential)
        && !secret_fields::differs(&beside, secret)
}

async fn create_placeholder(
    context: &Context<'_>,
    progress: &mut Progress,
    outcome: &mut Outcome,
) -> Result<Version, Stop> {
    let name = context.config.name.as_str();
    match context.secret.create_placeholder().await {
        Ok(version) => {
            // 201 made it; 200 found the same placeholder of another run.
            if context.api.created() {
                progress.created = true;
                outcome.action = Action::Created;
                context.checkpoint(outcome);
            }
            Ok(version)
        }
        Err(Refusal::Conflict) => Err(Stop::StartOver),
        Err(refusal) => Err(Stop::Found(context.refused("create", "secrets", name, &refusal))),
    }
}

/// Says what is stored, and what was proven of it.
pub fn finish(
    context: &Context<'_>,
    outcome: &mut Outcome,
    secret: &StoredSecret,
    credential: &Credential,
    evidence: &[Evidence],
) {
    let (config, document) = (context.config, secret.document());
    let images: Vec<_> = config.images.iter().collect();
    outcome.credential = credential.summary();
    outcome.verified = explain::least_verified(evidence);
    explain::findings(outcome, context.config.mode, credential, evidence);
    outcome
        .findings
        .extend(pull_secret::unmanaged_entry_invalid(config, document));
    outcome
        .findings
        .extend(lookup::kubelet_misses(&images, document, credential));
    outcome
        .findings
        .extend(decide::outlives_next_run(config, credential, context.api.now()));
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
