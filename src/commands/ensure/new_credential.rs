//! A new credential: made for one Secret, and proven before it is written.

use futures_util::future::join;

use crate::{
    commands::{
        context::Context,
        observe::{Observed, prove},
        permissions::TOKENS,
    },
    credential::Credential,
    decide::{Examined, Source},
    kubernetes::{error::Refusal, secret::Version, token_request},
    outcome::{ExcessPermissions, Finding},
    verification::Evidence,
};

/// A credential that was made in this run, with what was proven of it.
pub struct Fresh {
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
pub async fn make(
    context: &Context<'_>,
    source: &Source,
    version: &Version,
    observed: &Observed,
) -> Result<Option<Fresh>, Finding> {
    let credential = match source {
        Source::File(credential) => credential.as_ref().clone(),
        Source::Mint {
            service_account: (_, account),
            ..
        } => {
            let config = context.config;
            let bound_to = (config.name.as_str(), version.uid.as_str());
            let minted = token_request::request_token(
                context.client.clone(),
                &context.namespace,
                account,
                config.token_lifetime,
                bound_to,
            );
            match minted.await {
                Ok(token) => Credential::of(&config.username, token),
                Err(Refusal::Conflict) => return Ok(None),
                Err(Refusal::Missing { kind }) if kind == "secrets" => return Ok(None),
                Err(refusal) => {
                    return Err(context.refused("create", TOKENS, account, &refusal));
                }
            }
        }
    };
    let verified = async {
        match &observed.examined {
            // The file's token is the stored one, which was verified just now: a failed login counts once.
            Examined::Current(stored) if **stored == credential => observed.evidence.clone(),
            _ => prove(context, &credential).await,
        }
    };
    let (evidence, excess) = join(verified, context.excess(&credential)).await;
    Ok(Some(Fresh {
        uid: version.uid.clone(),
        credential,
        evidence,
        excess,
    }))
}
