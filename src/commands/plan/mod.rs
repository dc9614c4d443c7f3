//! `plan`: what `ensure` would do, and whether it may. Observes and decides as `ensure` does, and writes nothing.
//!
//! What can't be known without writing is left out: what the registry says of a token that isn't minted. A token from a
//! file is asked about.

mod diff;

use k8s_openapi::jiff::SignedDuration;

use crate::{
    commands::{
        ensure::{
            finish,
            replace::{self, Replacement},
        },
        observe::{Observed, consider, prove, usable_credentials},
        operation::Operation,
        permissions,
    },
    credential::{Credential, CredentialSummary, Token},
    decide::{CredentialSource, Decision, StoredState},
    dockerconfig::pull_secret,
    kubernetes::{
        secret::{AppliedFields, DOCUMENT_KEY, PLACEHOLDER, StoredSecret},
        secret_fields,
    },
    outcome::{Action, Diff, Finding, Outcome, Plan},
    verification::explain,
};

/// Says what `ensure` would do.
pub async fn plan(operation: &Operation<'_>, source: &CredentialSource, outcome: &mut Outcome) {
    if let Err(finding) = try_plan(operation, source, outcome).await {
        outcome.findings.push(finding);
    }
}

async fn try_plan(
    operation: &Operation<'_>,
    source: &CredentialSource,
    outcome: &mut Outcome,
) -> Result<(), Finding> {
    let secret = operation.read(operation.deadline.writing).await?;
    let now = operation.api.now();
    let (observed, decision) = consider(operation, source, secret, now, outcome).await?;
    match (decision, &observed.secret, &observed.examined) {
        (Decision::Unchanged, Some(secret), StoredState::Current(credential)) => {
            outcome.plan = Some(Plan {
                action: Action::Unchanged,
                because: None,
                diff: Diff::default(),
            });
            finish(operation, outcome, secret, credential, &observed.evidence);
        }
        (Decision::Metadata(fields), Some(secret), StoredState::Current(credential)) => {
            outcome.plan = Some(Plan {
                action: Action::Refreshed,
                because: Some("labels, annotations or keys differ"),
                diff: diff::of_metadata(
                    operation.target.config,
                    &operation.target.namespace,
                    secret,
                    &fields,
                ),
            });
            permissions::require_write(operation, true).await?;
            finish(operation, outcome, secret, credential, &observed.evidence);
        }
        (Decision::Renew(because), secret, _) => {
            let because = because.map_or("there is no such Secret yet", |due| due.as_str());
            let credential = expected(operation, source);
            let (edited, action) = edited(operation, secret.as_ref(), &credential)?;
            let fields = fields(operation, source, secret.as_ref(), &credential, edited);
            outcome.plan = Some(Plan {
                action,
                because: Some(because),
                diff: diff::of_renewal(
                    operation.target.config,
                    &operation.target.namespace,
                    source,
                    secret.as_ref(),
                    &fields,
                ),
            });
            permissions::require_write(operation, secret.is_some()).await?;
            permissions::check_token_request(operation, source).await?;
            renewed(operation, source, &observed, fields, &credential, outcome).await;
        }
        // What is current is stored.
        (Decision::Unchanged | Decision::Metadata(_), _, _) => {}
    }
    Ok(())
}

/// The credential that would be stored: the file's, or one that stands for a token that isn't minted.
pub fn expected(operation: &Operation<'_>, source: &CredentialSource) -> Credential {
    match source {
        CredentialSource::File(credential) => credential.as_ref().clone(),
        CredentialSource::TokenRequest { .. } => Credential {
            expires_at: operation
                .api
                .now()
                .checked_add(SignedDuration::from_secs(
                    operation.target.config.token_lifetime.as_secs(),
                ))
                .ok(),
            ..Credential::of(
                &operation.target.config.username,
                Token::new("new".to_owned().into()),
            )
        },
    }
}

/// The document with it, and what ACTION would be.
///
/// # Errors
/// As [`pull_secret::with_credential`].
pub fn edited(
    operation: &Operation<'_>,
    secret: Option<&StoredSecret>,
    credential: &Credential,
) -> Result<(Vec<u8>, Action), Finding> {
    let document = secret.map_or(PLACEHOLDER, StoredSecret::document);
    let edited = pull_secret::with_credential(operation.target.config, document, credential)?;
    let action = match (secret, edited.shape_repaired) {
        (None, _) => Action::Created,
        (Some(_), true) => Action::Repaired,
        (Some(_), false) => Action::Refreshed,
    };
    Ok((edited.bytes, action))
}

fn fields(
    operation: &Operation<'_>,
    source: &CredentialSource,
    secret: Option<&StoredSecret>,
    credential: &Credential,
    document: Vec<u8>,
) -> AppliedFields {
    let summary = match source {
        CredentialSource::File(credential) => credential.summary(),
        CredentialSource::TokenRequest { service_account, .. } => CredentialSummary {
            service_account: Some(service_account.to_string()),
            // Not known; the diff says so.
            credential_id: Some(String::new()),
            ..credential.summary()
        },
    };
    secret_fields::fields(
        operation.target.config,
        secret,
        &summary,
        operation.api.now(),
        document,
    )
}

/// What `ensure` would end with, as far as that can be told.
async fn renewed(
    operation: &Operation<'_>,
    source: &CredentialSource,
    observed: &Observed,
    fields: AppliedFields,
    credential: &Credential,
    outcome: &mut Outcome,
) {
    let evidence = match source {
        // Of a token that isn't minted nobody says anything.
        CredentialSource::TokenRequest { .. } => Vec::new(),
        CredentialSource::File(credential) => prove(operation, credential).await,
    };
    let usable = usable_credentials(operation, observed);
    let stored = std::mem::take(&mut outcome.credential);
    if let Replacement::Keep(evidence) = replace::decide(operation, credential, &evidence, &usable).await {
        // It would be refused: nothing of the plan would come true.
        outcome.plan = None;
        explain::findings(outcome, operation.target.config.mode, credential, &evidence);
    } else {
        let mut then = observed.secret.clone().unwrap_or_else(StoredSecret::absent);
        then.data
            .extend(fields.data.into_iter().filter(|(key, _)| key == DOCUMENT_KEY));
        finish(operation, outcome, &then, credential, &evidence);
    }
    // The report tells of what is stored, of which nothing was proven here.
    outcome.credential = stored;
    outcome.verified = Default::default();
}
