//! `plan`: what `ensure` would do, and whether it may. Observes and decides as `ensure` does, and writes nothing.
//!
//! What can't be known without writing is left out: the registry's answer to a token that isn't issued yet. A token from
//! a file is verified.

mod diff;

use k8s_openapi::jiff::SignedDuration;

use crate::{
    commands::{
        ensure::{
            finish,
            replace::{self, Replacement},
        },
        observe::{consider, usable_credentials, verify_everywhere},
        operation::Operation,
        permissions,
    },
    credential::{Credential, CredentialSummary, Token},
    decide::{CredentialSource, Decision},
    dockerconfig::pull_secret,
    image::RegistryHost,
    kubernetes::{
        secret::{AppliedFields, DOCUMENT_KEY, PLACEHOLDER, StoredSecret},
        secret_fields,
    },
    outcome::{Action, Diff, Finding, Outcome, Plan},
    verification::explain,
};

/// Reports what `ensure` would do.
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
    let (decision, evidence) = consider(operation, source, secret, now, outcome).await?;
    match decision {
        Decision::Unchanged { secret, credential } => {
            outcome.plan = Some(Plan {
                action: Action::Unchanged,
                because: None,
                diff: Diff::default(),
            });
            finish(operation, outcome, &secret, &credential, &evidence);
        }
        Decision::Metadata {
            secret,
            credential,
            fields,
        } => {
            let target = &operation.target;
            outcome.plan = Some(Plan {
                action: Action::Refreshed,
                because: Some("labels, annotations or keys differ"),
                diff: diff::of_metadata(
                    (target.config, &target.namespace, &operation.secrets),
                    &secret,
                    &fields,
                ),
            });
            permissions::require_write(operation, true).await?;
            finish(operation, outcome, &secret, &credential, &evidence);
        }
        Decision::Create => {
            let renewal = Renewal {
                secret: None,
                because: "there is no such Secret yet",
                usable: Vec::new(),
            };
            renew(operation, source, renewal, outcome).await?;
        }
        Decision::Renew {
            secret,
            because,
            stored,
        } => {
            let renewal = Renewal {
                secret: Some(secret),
                because: because.as_str(),
                usable: usable_credentials(operation, stored, &evidence),
            };
            renew(operation, source, renewal, outcome).await?;
        }
    }
    Ok(())
}

/// A new credential that `ensure` would write.
struct Renewal {
    /// The Secret; none where there is none.
    secret: Option<StoredSecret>,
    /// Why it would be written.
    because: &'static str,
    /// Stored credentials that may still work.
    usable: Vec<(RegistryHost, Credential)>,
}

/// Plans a new credential, and asks whether `ensure` may write it.
async fn renew(
    operation: &Operation<'_>,
    source: &CredentialSource,
    renewal: Renewal,
    outcome: &mut Outcome,
) -> Result<(), Finding> {
    let (target, secret) = (&operation.target, renewal.secret.as_ref());
    let credential = expected(operation, source);
    let (edited, action) = edited(operation, secret, &credential)?;
    let fields = fields(operation, source, secret, &credential, edited);
    outcome.plan = Some(Plan {
        action,
        because: Some(renewal.because),
        diff: diff::of_renewal(
            (target.config, &target.namespace, &operation.secrets),
            source,
            secret,
            &fields,
        ),
    });
    permissions::require_write(operation, secret.is_some()).await?;
    permissions::check_token_request(operation, source).await?;
    renewed(operation, source, renewal, fields, &credential, outcome).await;
    Ok(())
}

/// The credential that would be stored: the file's, or one that stands for a token that isn't issued yet.
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
            // Unknown until the token is issued.
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

/// What `ensure` would end with, as far as that is known.
async fn renewed(
    operation: &Operation<'_>,
    source: &CredentialSource,
    renewal: Renewal,
    fields: AppliedFields,
    credential: &Credential,
    outcome: &mut Outcome,
) {
    let evidence = match source {
        // A token that isn't issued yet can't be verified.
        CredentialSource::TokenRequest { .. } => Vec::new(),
        CredentialSource::File(credential) => verify_everywhere(operation, credential).await,
    };
    let stored = std::mem::take(&mut outcome.credential);
    if let Replacement::Keep(evidence) =
        replace::decide(operation, credential, &evidence, &renewal.usable).await
    {
        // It would be refused: nothing of the plan would come true.
        outcome.plan = None;
        explain::findings(outcome, operation.target.config.mode, credential, &evidence);
    } else {
        let mut then = renewal.secret.unwrap_or_else(StoredSecret::absent);
        then.data
            .extend(fields.data.into_iter().filter(|(key, _)| key == DOCUMENT_KEY));
        finish(operation, outcome, &then, credential, &evidence);
    }
    // The report describes what is stored, which was not verified here.
    outcome.credential = stored;
    outcome.verified = Default::default();
}
