//! `plan`: what `ensure` would do, and whether it may. Observes and decides as `ensure` does, and writes nothing.
//!
//! What can't be known without writing is left out: the registry's answer to a token that isn't issued yet. A token from
//! a file is verified.

mod diff;

use k8s_openapi::jiff::SignedDuration;
use secrecy::ExposeSecret;

use crate::{
    commands::{
        ensure::replace::{self, Replacement},
        observe::{self, Considered, consider, stored, usable_credentials, verify_everywhere},
        operation::Operation,
        permissions,
    },
    credential::{Credential, CredentialSummary, Token},
    decide::{CredentialSource, Decision},
    dockerconfig::{pull_secret, without_expired_leftovers},
    image::RegistryHost,
    kubernetes::{
        secret::{AppliedFields, DOCUMENT_KEY, PLACEHOLDER, StoredSecret},
        secret_fields,
    },
    outcome::{Action, Diff, Finding, Outcome, Plan, Verified},
    verification::Evidence,
};

/// Reports what `ensure` would do.
pub async fn plan(operation: &Operation<'_>, source: &CredentialSource) -> Outcome {
    let Considered {
        decision,
        evidence,
        rewritten,
    } = match observed(operation, source).await {
        Ok(considered) => considered,
        Err(finding) => return operation.outcome_with(finding),
    };
    let mut outcome = planned(operation, source, decision, evidence).await;
    outcome.findings.extend(rewritten);
    outcome
}

async fn planned(
    operation: &Operation<'_>,
    source: &CredentialSource,
    decision: Decision,
    evidence: Vec<Evidence>,
) -> Outcome {
    match decision {
        Decision::Unchanged { secret, credential } => Outcome {
            plan: Some(Plan {
                action: Action::Unchanged,
                because: None,
                diff: Diff::default(),
            }),
            ..stored(operation, &secret, &credential, &evidence)
        },
        Decision::Metadata {
            secret,
            credential,
            fields,
        } => {
            let target = &operation.target;
            let plan = Plan {
                action: Action::Refreshed,
                because: Some(
                    if fields.data.get(DOCUMENT_KEY).map(Vec::as_slice) == Some(secret.document()) {
                        "labels, annotations or keys differ"
                    } else {
                        "an expired token of a registry that is no longer configured is removed"
                    },
                ),
                diff: diff::of_metadata(
                    (target.config, &target.namespace, &operation.secrets),
                    &secret,
                    &fields,
                ),
            };
            let permitted = async {
                permissions::require_write(operation, true).await?;
                permissions::require_dry_run(operation, Some(&secret.version), Some(fields)).await
            };
            let end = match permitted.await {
                Ok(()) => stored(operation, &secret, &credential, &evidence),
                Err(finding) => operation.outcome_with(finding),
            };
            Outcome {
                plan: Some(plan),
                ..end
            }
        }
        Decision::Create => {
            let renewal = Renewal {
                secret: None,
                because: "there is no such Secret yet",
                usable: Vec::new(),
            };
            renew(operation, source, renewal).await
        }
        Decision::Renew {
            secret,
            because,
            mut stored,
            reuse,
        } => {
            let reuse = observe::reuse(operation, reuse, &mut stored).await;
            let renewal = Renewal {
                secret: Some(secret),
                because: because.as_str(),
                usable: usable_credentials(operation, stored, &evidence),
            };
            match reuse {
                // As from a file: nothing is requested.
                Some(verified) => {
                    let source = CredentialSource::File(Box::new(verified.credential));
                    renew(operation, &source, renewal).await
                }
                None => renew(operation, source, renewal).await,
            }
        }
    }
}

async fn observed(operation: &Operation<'_>, source: &CredentialSource) -> Result<Considered, Finding> {
    let secret = operation.read(operation.deadline.writing).await?;
    consider(operation, source, secret, operation.api.now()).await
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
async fn renew(operation: &Operation<'_>, source: &CredentialSource, renewal: Renewal) -> Outcome {
    let (target, secret) = (&operation.target, renewal.secret.as_ref());
    let credential = expected(operation, source);
    let (document, action) = match edited(operation, secret, &credential) {
        Ok(edited) => edited,
        Err(finding) => return operation.outcome_with(finding),
    };
    let fields = fields(operation, source, secret, &credential, document);
    let plan = Plan {
        action,
        because: Some(renewal.because),
        diff: diff::of_renewal(
            (target.config, &target.namespace, &operation.secrets),
            source,
            secret,
            &fields,
        ),
    };
    match require_renewal(operation, source, secret.is_some()).await {
        Ok(()) => renewed(operation, source, renewal, plan, fields, &credential).await,
        Err(finding) => Outcome {
            plan: Some(plan),
            ..operation.outcome_with(finding)
        },
    }
}

async fn require_renewal(
    operation: &Operation<'_>,
    source: &CredentialSource,
    exists: bool,
) -> Result<(), Finding> {
    permissions::require_write(operation, exists).await?;
    if !exists {
        permissions::require_dry_run(operation, None, None).await?;
    }
    match source {
        CredentialSource::TokenRequest { service_account, .. } => {
            permissions::check_token_request(operation, &service_account.name).await
        }
        CredentialSource::File(_) => Ok(()),
    }
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
                // About as long as a token of the API server.
                Token::new("x".repeat(1000).into()),
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
    let uid = secret.map_or("", |secret| secret.version.uid.as_str());
    let now = operation.api.now();
    let bytes = without_expired_leftovers(operation.target.config, edited.bytes, uid, now);
    Ok((bytes, action))
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

/// `fields` with a password of the same length in place of the credential's: a dry run stores nothing, so it needs none.
fn without_credential(
    operation: &Operation<'_>,
    secret: Option<&StoredSecret>,
    credential: &Credential,
    mut fields: AppliedFields,
) -> AppliedFields {
    let length = credential.token.secret().expose_secret().len();
    let stand_in = Token::new("x".repeat(length).into());
    let stand_in = Credential::of(&credential.username, stand_in);
    // The edit succeeded with the credential itself.
    if let Ok((document, _)) = edited(operation, secret, &stand_in) {
        fields.data.insert(DOCUMENT_KEY.to_owned(), document);
    }
    fields
}

/// The end of `ensure`, as far as it is known.
async fn renewed(
    operation: &Operation<'_>,
    source: &CredentialSource,
    renewal: Renewal,
    plan: Plan,
    fields: AppliedFields,
    credential: &Credential,
) -> Outcome {
    let evidence = match source {
        // A token that isn't issued yet can't be verified.
        CredentialSource::TokenRequest { .. } => Vec::new(),
        CredentialSource::File(credential) => verify_everywhere(operation, credential).await,
    };
    match replace::decide(operation, credential, &evidence, &renewal.usable).await {
        // It would be refused: nothing of the plan would come true.
        Replacement::Keep(evidence) => operation.outcome_of(credential, &evidence),
        Replacement::Write => {
            let asked = without_credential(operation, renewal.secret.as_ref(), credential, fields.clone());
            let version = renewal.secret.as_ref().map(|secret| &secret.version);
            if let Err(finding) = permissions::require_dry_run(operation, version, Some(asked)).await {
                return Outcome {
                    plan: Some(plan),
                    ..operation.outcome_with(finding)
                };
            }
            let mut then = renewal.secret.unwrap_or_else(StoredSecret::absent);
            then.data
                .extend(fields.data.into_iter().filter(|(key, _)| key == DOCUMENT_KEY));
            Outcome {
                plan: Some(plan),
                // The report describes what is stored, which was not verified here.
                verified: Verified::None,
                ..stored(operation, &then, credential, &evidence)
            }
        }
    }
}
