//! `plan`: what `ensure` would do, and whether it may. Observes and decides as `ensure` does, and writes nothing.
//!
//! What can't be known without writing is left out: what the registry says of a token that isn't minted. A token from a
//! file is asked about.

mod diff;

use k8s_openapi::jiff::SignedDuration;

use crate::{
    commands::{
        context::Context,
        ensure::{
            finish,
            replace::{self, Replacement},
        },
        observe::{Observed, consider, prove, usable_credentials},
        permissions,
    },
    credential::{Credential, CredentialSummary, Token},
    decide::{Decision, Examined, Source},
    dockerconfig::pull_secret,
    kubernetes::{
        secret::{AppliedFields, DOCUMENT_KEY, PLACEHOLDER, StoredSecret},
        secret_fields,
    },
    outcome::{Action, Diff, Finding, Outcome, Plan},
    verification::explain,
};

/// Says what `ensure` would do.
pub async fn plan(context: &Context<'_>, source: &Source, outcome: &mut Outcome) {
    if let Err(finding) = try_plan(context, source, outcome).await {
        outcome.findings.push(finding);
    }
}

async fn try_plan(context: &Context<'_>, source: &Source, outcome: &mut Outcome) -> Result<(), Finding> {
    let secret = context.read().await?;
    let now = context.api.now();
    let (observed, decision) = consider(context, source, secret, now, outcome).await?;
    match (decision, &observed.secret, &observed.examined) {
        (Decision::Unchanged, Some(secret), Examined::Current(credential)) => {
            outcome.plan = Some(Plan {
                action: Action::Unchanged,
                because: None,
                diff: Diff::default(),
            });
            finish(context, outcome, secret, credential, &observed.evidence);
        }
        (Decision::Metadata(fields), Some(secret), Examined::Current(credential)) => {
            outcome.plan = Some(Plan {
                action: Action::Refreshed,
                because: Some("labels, annotations or keys differ"),
                diff: diff::of_metadata(context.config, &context.namespace, secret, &fields),
            });
            permissions::writes(context, true).await?;
            finish(context, outcome, secret, credential, &observed.evidence);
        }
        (Decision::Renew(because), secret, _) => {
            let because = because.map_or("there is no such Secret yet", |due| due.as_str());
            let credential = expected(context, source);
            let (edited, action) = edited(context, secret.as_ref(), &credential)?;
            let fields = fields(context, source, secret.as_ref(), &credential, edited);
            outcome.plan = Some(Plan {
                action,
                because: Some(because),
                diff: diff::of_renewal(
                    context.config,
                    &context.namespace,
                    source,
                    secret.as_ref(),
                    &fields,
                ),
            });
            permissions::writes(context, secret.is_some()).await?;
            permissions::mints(context, source).await?;
            renewed(context, source, &observed, fields, &credential, outcome).await;
        }
        // What is current is stored.
        (Decision::Unchanged | Decision::Metadata(_), _, _) => {}
    }
    Ok(())
}

/// The credential that would be stored: the file's, or one that stands for a token that isn't minted.
pub fn expected(context: &Context<'_>, source: &Source) -> Credential {
    match source {
        Source::File(credential) => credential.as_ref().clone(),
        Source::Mint { .. } => Credential {
            expires_at: context
                .api
                .now()
                .checked_add(SignedDuration::from_secs(context.config.token_lifetime.as_secs()))
                .ok(),
            ..Credential::of(&context.config.username, Token::new("new".to_owned().into()))
        },
    }
}

/// The document with it, and what ACTION would be.
///
/// # Errors
/// As [`pull_secret::with_credential`].
pub fn edited(
    context: &Context<'_>,
    secret: Option<&StoredSecret>,
    credential: &Credential,
) -> Result<(Vec<u8>, Action), Finding> {
    let document = secret.map_or(PLACEHOLDER, StoredSecret::document);
    let edited = pull_secret::with_credential(context.config, document, credential)?;
    let action = match (secret, edited.shape_repaired) {
        (None, _) => Action::Created,
        (Some(_), true) => Action::Repaired,
        (Some(_), false) => Action::Refreshed,
    };
    Ok((edited.bytes, action))
}

fn fields(
    context: &Context<'_>,
    source: &Source,
    secret: Option<&StoredSecret>,
    credential: &Credential,
    document: Vec<u8>,
) -> AppliedFields {
    let summary = match source {
        Source::File(credential) => credential.summary(),
        Source::Mint {
            service_account: (namespace, name),
            ..
        } => CredentialSummary {
            service_account: Some(format!("{namespace}/{name}")),
            // Not known; the diff says so.
            credential_id: Some(String::new()),
            ..credential.summary()
        },
    };
    secret_fields::fields(context.config, secret, &summary, context.api.now(), document)
}

/// What `ensure` would end with, as far as that can be told.
async fn renewed(
    context: &Context<'_>,
    source: &Source,
    observed: &Observed,
    fields: AppliedFields,
    credential: &Credential,
    outcome: &mut Outcome,
) {
    let evidence = match source {
        // Of a token that isn't minted nobody says anything.
        Source::Mint { .. } => Vec::new(),
        Source::File(credential) => prove(context, credential).await,
    };
    let usable = usable_credentials(context, observed);
    let stored = std::mem::take(&mut outcome.credential);
    if let Replacement::Keep(evidence) = replace::decide(context, credential, &evidence, &usable).await {
        // It would be refused: nothing of the plan would come true.
        outcome.plan = None;
        explain::findings(outcome, context.config.mode, credential, &evidence);
    } else {
        let mut then = observed.secret.clone().unwrap_or_else(StoredSecret::absent);
        then.data
            .extend(fields.data.into_iter().filter(|(key, _)| key == DOCUMENT_KEY));
        finish(context, outcome, &then, credential, &evidence);
    }
    // The report tells of what is stored, of which nothing was proven here.
    outcome.credential = stored;
    outcome.verified = Default::default();
}
