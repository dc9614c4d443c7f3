//! A new credential: made for one Secret, and proven before it is written.

use futures_util::future::join;

use crate::{
    commands::{
        observe::{Observed, prove},
        operation::Operation,
        permissions::TOKENS,
    },
    credential::Credential,
    decide::{CredentialSource, StoredState},
    kubernetes::{error::KubernetesError, secret::Version},
    outcome::{ExcessPermissions, Finding},
    verification::Evidence,
};

/// A credential that was made in this run, with what was proven of it.
pub struct NewCredential {
    /// The Secret that it is bound to.
    pub uid: String,
    /// The credential itself.
    pub credential: Credential,
    /// What the registries say of it.
    pub evidence: Vec<Evidence>,
    /// What it may do beyond pulling; none where the API server did not tell.
    pub excess: Option<ExcessPermissions>,
}

/// Mints a token that is bound to this very Secret, or takes the file's; nothing where the Secret is another one by now,
/// or gone.
///
/// # Errors
/// Where no token may be minted, or none is.
pub async fn request(
    operation: &Operation<'_>,
    source: &CredentialSource,
    version: &Version,
    observed: &Observed,
) -> Result<Option<NewCredential>, Finding> {
    let credential = match source {
        CredentialSource::File(credential) => credential.as_ref().clone(),
        CredentialSource::TokenRequest { service_account, .. } => {
            let config = operation.target.config;
            let account = &service_account.name;
            let (lifetime, until) = (config.token_lifetime, operation.deadline.writing);
            let minted = operation
                .api
                .request_token(account, lifetime, &version.uid, until);
            match minted.await {
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
        match &observed.examined {
            // The file's token is the stored one, which was verified just now: a failed login counts once.
            StoredState::Current(stored) if **stored == credential => observed.evidence.clone(),
            _ => prove(operation, &credential).await,
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
