//! `ensure`: observe, decide, act, verify. One way; only another writer sends it back to the start.

use k8s_openapi::jiff::Timestamp;
use tracing::{debug, info};

use crate::{
    api_server::Refusal,
    client_view, conclusion,
    config::Mode,
    context::Context,
    credential::{self, Credential},
    deadline::Backoff,
    decision::{self, Decision, Examined, Permit, Source},
    docker_config::{Document, EditedDocument, Entry},
    finding::Finding,
    metadata,
    outcome::{Action, Outcome},
    reason::Reason,
    registry_host::RegistryHost,
    secret::{AppliedFields, StoredSecret, Version},
    verification::{Evidence, Proof, Vouch},
};

/// A credential that was made in this run, with what was proven of it.
struct Fresh {
    /// The Secret that it is bound to.
    uid: String,
    credential: Credential,
    evidence: Vec<Evidence>,
    /// It was sent to the API server: found stored, it is ours, whatever answer got lost.
    sent: Option<Action>,
}

/// What this run did so far, kept while it starts over.
#[derive(Default)]
struct Progress {
    created: bool,
    fresh: Option<Fresh>,
}

/// What was observed, before anything is decided.
struct Observed {
    secret: Option<StoredSecret>,
    examined: Examined,
    /// Of the stored credential; empty where it was not asked about.
    evidence: Vec<Evidence>,
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
    loop {
        match round(context, source, &mut progress, outcome).await {
            Ok(()) => return,
            Err(Stop::Found(finding)) => {
                outcome.findings.push(finding);
                return;
            }
            Err(Stop::StartOver) => {
                context.begin_reading();
                debug!("somebody else wrote the Secret in between: starting over");
                if !backoff.wait(None, context.deadline.writing).await {
                    outcome.findings.push(context.refused(
                        "patch",
                        "secrets",
                        context.config.name.as_str(),
                        &Refusal::Conflict,
                    ));
                    return;
                }
            }
        }
    }
}

async fn round(
    context: &Context<'_>,
    source: &Source,
    progress: &mut Progress,
    outcome: &mut Outcome,
) -> Result<(), Stop> {
    let secret = read(context).await?;
    let now = context.api.now();
    if let Source::File(file) = source
        && file.is_expired(now)
    {
        return Err(Stop::Found(expired(context)));
    }
    if let (Some(secret), Some(fresh)) = (&secret, &progress.fresh)
        && let Some(action) = fresh.sent
        && decision::holds(context.config, secret, &fresh.credential)
    {
        // The write went through and only its answer was lost.
        outcome.action = action;
        return finish(context, outcome, secret, &fresh.credential, &fresh.evidence);
    }
    let observed = observe(context, source, secret, now).await;
    let proofs: Vec<&Proof> = observed.evidence.iter().flat_map(Evidence::proofs).collect();
    match decision::decide(
        context.config,
        observed.secret.as_ref(),
        &observed.examined,
        &proofs,
        now,
    ) {
        Decision::Refuse(finding) => Err(Stop::Found(finding)),
        Decision::Unchanged => {
            info!("nothing to change");
            outcome.action = if progress.created {
                Action::Created
            } else {
                Action::Unchanged
            };
            keep(context, &observed, outcome)
        }
        Decision::Metadata(fields) => {
            info!("labels, annotations or keys differ: writing them, the credential stays");
            let (Some(secret), Examined::Current(credential)) = (&observed.secret, &observed.examined) else {
                return Err(Stop::StartOver);
            };
            write(
                context,
                &secret.version,
                fields.clone(),
                Action::Refreshed,
                outcome,
            )
            .await?;
            match read_again(context, &secret.version, credential, fields).await? {
                Ok(secret) => finish(context, outcome, &secret, credential, &observed.evidence),
                Err(secret) => accept_another_run(context, source, &secret, outcome).await,
            }
        }
        Decision::Renew(because) => {
            match because {
                Some(because) => info!("a new credential is due: {}", because.as_str()),
                None => info!("there is no such Secret yet: creating it"),
            }
            renew(context, source, observed, progress, outcome).await
        }
    }
}

async fn read(context: &Context<'_>) -> Result<Option<StoredSecret>, Stop> {
    let name = context.config.name.as_str();
    context
        .secret
        .get()
        .await
        .map_err(|refusal| Stop::Found(context.refused("get", "secrets", name, &refusal)))
}

async fn observe(
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

async fn prove(context: &Context<'_>, credential: &Credential) -> Vec<Evidence> {
    context
        .verifier(&context.registries, credential)
        .prove(&context.registries_with_images())
        .await
}

/// The stored credential stays: the verdict on it is final.
fn keep(context: &Context<'_>, observed: &Observed, outcome: &mut Outcome) -> Result<(), Stop> {
    match (&observed.secret, &observed.examined) {
        (Some(secret), Examined::Current(credential)) => {
            finish(context, outcome, secret, credential, &observed.evidence)
        }
        _ => Err(Stop::StartOver),
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
    let mut fresh = match progress.fresh.take().filter(|fresh| fresh.uid == version.uid) {
        Some(fresh) => fresh,
        None => make(context, source, &version).await?,
    };
    let stored = stored_alive(&observed, context.api.now());
    if !may_write(context, &fresh.evidence, stored.as_ref()).await {
        info!("the new credential is not written");
        conclusion::conclude(outcome, Mode::Ensure, &fresh.credential, &fresh.evidence);
        outcome.credential = stored.map(|stored| stored.summary()).unwrap_or_default();
        return Ok(());
    }
    let document = observed
        .secret
        .as_ref()
        .map_or(&b"{\"auths\":{}}"[..], StoredSecret::document);
    let edited = splice(context, document, &fresh.credential)?;
    let action = match (progress.created, edited.shape_repaired) {
        (true, _) => Action::Created,
        (false, true) => Action::Repaired,
        (false, false) => Action::Refreshed,
    };
    let summary = fresh.credential.summary();
    let fields = metadata::fields(
        context.config,
        observed.secret.as_ref(),
        &summary,
        context.api.now(),
        edited.bytes,
    );
    fresh.sent = Some(action);
    let fresh = progress.fresh.insert(fresh);
    write(context, &version, fields.clone(), action, outcome).await?;
    match read_again(context, &version, &fresh.credential, fields).await? {
        Ok(secret) => finish(context, outcome, &secret, &fresh.credential, &fresh.evidence),
        Err(secret) => accept_another_run(context, source, &secret, outcome).await,
    }
}

/// Reads what is stored after a write of `fields`; the error is a Secret that holds another credential by now.
async fn read_again(
    context: &Context<'_>,
    version: &Version,
    credential: &Credential,
    fields: AppliedFields,
) -> Result<Result<StoredSecret, StoredSecret>, Stop> {
    let secret = read(context)
        .await?
        .filter(|secret| secret.version.uid == version.uid)
        .ok_or(Stop::StartOver)?;
    if !decision::holds(context.config, &secret, credential) {
        return Ok(Err(secret));
    }
    // The document holds our entries; what others wrote into it meanwhile is theirs.
    let beside = AppliedFields {
        data: metadata::beside_document(fields.data),
        ..fields
    };
    if metadata::differs(&beside, &secret) {
        Err(Stop::Found(reverted(context)))
    } else {
        Ok(Ok(secret))
    }
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
            }
            Ok(version)
        }
        Err(Refusal::Conflict) => Err(Stop::StartOver),
        Err(refusal) => Err(Stop::Found(context.refused("create", "secrets", name, &refusal))),
    }
}

async fn make(context: &Context<'_>, source: &Source, version: &Version) -> Result<Fresh, Stop> {
    let credential = match source {
        Source::File(credential) => credential.as_ref().clone(),
        Source::Mint {
            service_account: (_, account),
            ..
        } => {
            let config = context.config;
            let bound_to = (config.name.as_str(), version.uid.as_str());
            let minted = credential::mint(
                context.client.clone(),
                &context.namespace,
                account,
                config.token_lifetime,
                bound_to,
            );
            match minted.await {
                Ok((token, expires_at)) => Credential {
                    username: config.username.clone(),
                    token,
                    expires_at,
                },
                Err(Refusal::Conflict) => return Err(Stop::StartOver),
                Err(Refusal::Missing { kind }) if kind == "secrets" => return Err(Stop::StartOver),
                Err(refusal) => {
                    return Err(Stop::Found(context.refused(
                        "create",
                        "serviceaccounts/token",
                        account,
                        &refusal,
                    )));
                }
            }
        }
    };
    let evidence = prove(context, &credential).await;
    Ok(Fresh {
        uid: version.uid.clone(),
        credential,
        evidence,
        sent: None,
    })
}

/// What is stored, where it may still do its work: it decodes, is not past its expiry and was not rejected.
fn stored_alive(observed: &Observed, now: Timestamp) -> Option<Credential> {
    let stored = match &observed.examined {
        Examined::Due { stored, .. } => stored.as_ref()?,
        Examined::Current(credential) => credential,
        Examined::Absent | Examined::Unusable(_) => return None,
    };
    let rejected = observed
        .evidence
        .iter()
        .flat_map(Evidence::proofs)
        .any(decision::is_rejected);
    (!rejected && !stored.is_expired(now)).then(|| stored.clone())
}

/// Make before break: nothing alive is replaced by something that does less. The stored credential is asked about an
/// image only where the new one was refused it.
async fn may_write(context: &Context<'_>, evidence: &[Evidence], stored: Option<&Credential>) -> bool {
    let strictest = evidence
        .iter()
        .flat_map(Evidence::proofs)
        .map(decision::permit)
        .max();
    match (strictest.unwrap_or(Permit::Yes), stored) {
        (Permit::No, _) => false,
        (Permit::UnlessAlive, stored) => stored.is_none(),
        (Permit::UnlessStoredPulls, Some(stored)) => !pulls_what_was_refused(context, evidence, stored).await,
        (Permit::UnlessStoredPulls, None) | (Permit::Yes, _) => true,
    }
}

async fn pulls_what_was_refused(context: &Context<'_>, evidence: &[Evidence], stored: &Credential) -> bool {
    if stored.token.kind().is_kubernetes()
        && !context
            .config
            .registries
            .iter()
            .all(|registry| context.config.may_receive_kubernetes_token(registry))
    {
        return false;
    }
    let refused: Vec<_> = evidence
        .iter()
        .map(|at| {
            let images = at
                .images
                .iter()
                .filter(|(_, proof)| decision::permit(proof) == Permit::UnlessStoredPulls);
            (&at.registry, images.map(|(image, _)| image).collect::<Vec<_>>())
        })
        .filter(|(_, images)| !images.is_empty())
        .collect();
    let proven = context
        .verifier(&context.registries, stored)
        .prove(&refused)
        .await;
    proven.iter().flat_map(Evidence::proofs).any(|proof| match proof {
        Proof::Pulls => true,
        // Where the registry can't be asked, the API server's word that it may pull counts.
        Proof::Silent(_, vouch) => *vouch == Vouch::Accepts,
        Proof::Accepted
        | Proof::RepositoryMissing
        | Proof::TagMissing
        | Proof::PullForbidden
        | Proof::PushForbidden
        | Proof::Rejected => false,
    })
}

fn splice(
    context: &Context<'_>,
    document: &[u8],
    credential: &Credential,
) -> Result<EditedDocument, Finding> {
    let entry = Entry::new(&credential.username, credential.token.secret().clone())
        .map_err(|error| Finding::new(Reason::InvalidConfiguration, error.to_string()))?;
    let keys: Vec<String> = context.config.registries.iter().map(RegistryHost::key).collect();
    let entries: Vec<_> = keys.iter().map(|key| (key.as_str(), &entry)).collect();
    Document::parse(document)
        .and_then(|document| document.with_entries(&entries))
        .map_err(|error| Finding::new(Reason::DocumentUnreadable, error.to_string()))
}

async fn write(
    context: &Context<'_>,
    version: &Version,
    fields: AppliedFields,
    action: Action,
    outcome: &mut Outcome,
) -> Result<(), Stop> {
    context.begin_writing();
    match context.secret.apply(version, fields).await {
        Ok(_) => {
            outcome.action = action;
            Ok(())
        }
        Err(Refusal::Conflict) => Err(Stop::StartOver),
        Err(refusal) => Err(Stop::Found(context.refused(
            "patch",
            "secrets",
            context.config.name.as_str(),
            &refusal,
        ))),
    }
}

/// Another value is stored than was written. Another run's good credential is as good as ours; anything else means
/// that somebody undoes the write.
async fn accept_another_run(
    context: &Context<'_>,
    source: &Source,
    secret: &StoredSecret,
    outcome: &mut Outcome,
) -> Result<(), Stop> {
    match decision::examine(context.config, source, Some(secret), context.api.now()) {
        Examined::Current(credential) => {
            let registries = context.registries.with_until(context.deadline.end);
            let verifier = context.verifier(&registries, &credential);
            let evidence = verifier.prove(&context.registries_with_images()).await;
            finish(context, outcome, secret, &credential, &evidence)
        }
        Examined::Absent | Examined::Unusable(_) | Examined::Due { .. } => {
            Err(Stop::Found(reverted(context)))
        }
    }
}

/// Says what is stored, and what was proven of it.
fn finish(
    context: &Context<'_>,
    outcome: &mut Outcome,
    secret: &StoredSecret,
    credential: &Credential,
    evidence: &[Evidence],
) -> Result<(), Stop> {
    let (config, document) = (context.config, secret.document());
    let images: Vec<_> = config.images.iter().collect();
    outcome.credential = credential.summary();
    outcome.verified = conclusion::least_verified(evidence);
    conclusion::conclude(outcome, Mode::Ensure, credential, evidence);
    outcome
        .findings
        .extend(decision::foreign_entry_broken(config, document));
    outcome
        .findings
        .extend(client_view::kubelet_misses(&images, document, credential));
    outcome
        .findings
        .extend(decision::outlives_next_run(config, credential, context.api.now()));
    outcome.notes.extend(client_view::containers_image_prefers_others(
        &images, document, credential,
    ));
    outcome
        .notes
        .extend(decision::forgotten_entries(config, secret, credential));
    Ok(())
}

fn expired(context: &Context<'_>) -> Finding {
    let cause = if context.config.token_file.is_some() {
        "the token in PULL_SECRET_TOKEN_FILE is past its expiry"
    } else {
        "the credential is past its expiry"
    };
    Finding::new(Reason::CredentialExpired, cause)
}

fn reverted(context: &Context<'_>) -> Finding {
    let name = crate::clip::clip_name(context.config.name.as_str(), 80);
    Finding::new(
        Reason::Reverted,
        format!("another manager put back other values into Secret {name} after the write"),
    )
}
