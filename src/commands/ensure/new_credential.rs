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

/// A credential with what was verified of it.
#[derive(Clone)]
pub struct VerifiedCredential {
    /// The credential.
    pub credential: Credential,
    /// What the registries answered.
    pub evidence: Vec<Evidence>,
    /// What it may do beyond pulling; none if that is not known.
    pub excess: Option<ExcessPermissions>,
}

/// A credential that was made in this run.
pub struct NewCredential {
    /// The uid of the Secret that it is bound to.
    pub uid: String,
    /// The credential with what was verified of it.
    pub verified: VerifiedCredential,
}

/// Requests a token that is bound to the Secret `version`, or takes the file's; none where the Secret was replaced or
/// deleted meanwhile. `evidence` is of the `stored` credential, empty if it was not verified in this run.
///
/// # Errors
/// Why no token is issued.
pub async fn request(
    operation: &Operation<'_>,
    source: &CredentialSource,
    version: &Version,
    stored: Option<&Credential>,
    evidence: &[Evidence],
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
        if !evidence.is_empty() && stored == Some(&credential) {
            evidence.to_vec()
        } else {
            verify_everywhere(operation, &credential).await
        }
    };
    let (evidence, excess) = join(verified, operation.excess(&credential)).await;
    Ok(Some(NewCredential {
        uid: version.uid.clone(),
        verified: VerifiedCredential {
            credential,
            evidence,
            excess,
        },
    }))
}
