//! A new credential: requested for one Secret, and verified before it is written.

use futures_util::future::join;

use crate::{
    commands::{observe::verify_everywhere, operation::Operation, permissions::TOKENS},
    credential::Credential,
    decide::CredentialSource,
    kubernetes::{error::KubernetesError, secret::Version},
    outcome::{ExcessPermissions, Finding},
    verification::Evidence,
};

/// A credential that was made in this run, with what was verified of it.
pub struct NewCredential {
    /// The uid of the Secret that it is bound to.
    pub uid: String,
    /// The credential itself.
    pub credential: Credential,
    /// What the registries answered.
    pub evidence: Vec<Evidence>,
    /// What it may do beyond pulling; none where the API server did not answer.
    pub excess: Option<ExcessPermissions>,
}

/// The evidence of the stored credential, where it was verified in this run.
pub struct StoredEvidence<'a> {
    /// The stored credential.
    pub credential: Option<&'a Credential>,
    /// Its evidence; empty where it was not verified.
    pub evidence: &'a [Evidence],
}

/// Requests a token that is bound to the Secret `version`, or takes the file's; none where the Secret was replaced or
/// deleted meanwhile.
///
/// # Errors
/// Why no token is issued.
pub async fn request(
    operation: &Operation<'_>,
    source: &CredentialSource,
    version: &Version,
    stored: &StoredEvidence<'_>,
) -> Result<Option<NewCredential>, Finding> {
    let credential = match source {
        CredentialSource::File(credential) => credential.as_ref().clone(),
        CredentialSource::TokenRequest { service_account, .. } => {
            let config = operation.target.config;
            let account = &service_account.name;
            let (lifetime, until) = (config.token_lifetime, operation.deadline.writing);
            let requested = operation
                .api
                .request_token(account, lifetime, &version.uid, until);
            match requested.await {
                Ok(token) => Credential::of(&config.username, token),
                Err(KubernetesError::Conflict) => return Ok(None),
                Err(KubernetesError::Missing { kind }) if kind == "secrets" => return Ok(None),
                Err(refusal) => {
                    return Err(operation.explain("create", TOKENS, account, &refusal));
                }
            }
        }
    };
    let verified = async {
        // The file's token is the stored one, which was verified just now: a failed login counts once.
        if !stored.evidence.is_empty() && stored.credential == Some(&credential) {
            stored.evidence.to_vec()
        } else {
            verify_everywhere(operation, &credential).await
        }
    };
    let (evidence, excess) = join(verified, operation.excess(&credential)).await;
    Ok(Some(NewCredential {
        uid: version.uid.clone(),
        credential,
        evidence,
        excess,
    }))
}
