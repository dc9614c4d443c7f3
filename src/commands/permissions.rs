//! Whether the account that runs this may do what `ensure` does, asked without doing it.

use k8s_openapi::api::authorization::v1::ResourceAttributes;

use crate::{
    commands::context::Context,
    decide::Source,
    kubernetes::{access_review, error::Refusal, token_request},
    outcome::Finding,
};

/// What is created where a token is minted, as a Role names it.
pub const TOKENS: &str = "serviceaccounts/token";

/// The uid of no object: a token bound to it is never given.
const NO_UID: &str = "none";

/// Whether this account may `verb` the Secret.
///
/// # Errors
/// Where the API server can't be asked.
pub async fn may(context: &Context<'_>, verb: &str) -> Result<bool, Finding> {
    ask(context, verb, "secrets", context.config.name.as_str()).await
}

/// Whether this account may create tokens of `account`, which is of the Secret's namespace. By the rules alone: whether
/// one would be given is what [`mints`] finds out.
///
/// # Errors
/// Where the API server can't be asked.
pub async fn may_mint(context: &Context<'_>, account: &str) -> Result<bool, Finding> {
    ask(context, "create", TOKENS, account).await
}

/// `resource` as a Role names it, its subresource behind a slash.
async fn ask(context: &Context<'_>, verb: &str, resource: &str, name: &str) -> Result<bool, Finding> {
    let (parent, subresource) = match resource.split_once('/') {
        Some((parent, subresource)) => (parent, Some(subresource)),
        None => (resource, None),
    };
    let asked = access_review::may(
        &context.client,
        ResourceAttributes {
            verb: Some(verb.to_owned()),
            resource: Some(parent.to_owned()),
            subresource: subresource.map(str::to_owned),
            name: Some(name.to_owned()),
            namespace: Some(context.namespace.clone()),
            ..ResourceAttributes::default()
        },
    );
    asked
        .await
        .map_err(|refusal| context.refused(verb, resource, name, &refusal))
}

/// `api-forbidden`, since the API server said that this account may not.
pub fn forbidden(context: &Context<'_>, verb: &str, resource: &str, name: &str) -> Finding {
    context.refused(verb, resource, name, &Refusal::Forbidden { verb: None })
}

/// `api-forbidden`, where this account may not `verb` the Secret.
///
/// # Errors
/// That, and where the API server can't be asked.
pub async fn needs(context: &Context<'_>, verb: &str) -> Result<(), Finding> {
    if may(context, verb).await? {
        Ok(())
    } else {
        let name = context.config.name.as_str();
        Err(forbidden(context, verb, "secrets", name))
    }
}

/// What a write of the Secret needs, in the order in which `ensure` would be refused.
///
/// # Errors
/// As [`needs`].
pub async fn writes(context: &Context<'_>, exists: bool) -> Result<(), Finding> {
    needs(context, "patch").await?;
    if exists {
        Ok(())
    } else {
        needs(context, "create").await
    }
}

/// Whether a token can be minted: asks for one that is bound to a Secret with a uid that no object has. The API server
/// checks everything, admission policies and the account's existence included, before it compares the uid; then it says
/// no.
///
/// # Errors
/// What minting would end with.
pub async fn mints(context: &Context<'_>, source: &Source) -> Result<(), Finding> {
    let Source::Mint {
        service_account: (_, account),
        ..
    } = source
    else {
        return Ok(());
    };
    let config = context.config;
    let asked = token_request::request_token(
        context.client.clone(),
        &context.namespace,
        account,
        config.token_lifetime,
        (config.name.as_str(), NO_UID),
    );
    match asked.await {
        Ok(_) | Err(Refusal::Conflict) => Ok(()),
        Err(Refusal::Missing { kind }) if kind == "secrets" => Ok(()),
        Err(refusal) => Err(context.refused("create", TOKENS, account, &refusal)),
    }
}
