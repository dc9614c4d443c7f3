//! Permissions of the ServiceAccount that runs the program, asked without using them.

use k8s_openapi::api::authorization::v1::ResourceAttributes;

use crate::{
    commands::operation::Operation,
    kubernetes::{
        error::KubernetesError,
        secret::{AppliedFields, Version},
    },
    outcome::Finding,
};

/// The resource of a token request, as a Role names it.
pub const TOKENS: &str = "serviceaccounts/token";

/// The uid of no object: a token bound to it is never given.
const NO_UID: &str = "none";

/// Whether this account may `verb` the Secret.
///
/// # Errors
/// Where the API server can't be asked.
pub async fn can_i(operation: &Operation<'_>, verb: &str) -> Result<bool, Finding> {
    ask(operation, verb, "secrets", operation.target.config.name.as_str()).await
}

/// Whether this account may create tokens of `account`, which is of the Secret's namespace. By the rules alone: whether
/// one would be given is what [`check_token_request`] finds out.
///
/// # Errors
/// Where the API server can't be asked.
pub async fn can_request_token(operation: &Operation<'_>, account: &str) -> Result<bool, Finding> {
    ask(operation, "create", TOKENS, account).await
}

/// `resource` as a Role names it, its subresource behind a slash.
async fn ask(operation: &Operation<'_>, verb: &str, resource: &str, name: &str) -> Result<bool, Finding> {
    let (parent, subresource) = match resource.split_once('/') {
        Some((parent, subresource)) => (parent, Some(subresource)),
        None => (resource, None),
    };
    let asked = operation.api.can_i(
        ResourceAttributes {
            verb: Some(verb.to_owned()),
            resource: Some(parent.to_owned()),
            subresource: subresource.map(str::to_owned),
            name: Some(name.to_owned()),
            namespace: Some(operation.target.namespace.clone()),
            ..ResourceAttributes::default()
        },
        operation.deadline.writing,
    );
    asked
        .await
        .map_err(|refusal| operation.explain(verb, resource, name, &refusal))
}

/// `api-forbidden`, after an access review denied it.
pub fn forbidden(operation: &Operation<'_>, verb: &str, resource: &str, name: &str) -> Finding {
    operation.explain(verb, resource, name, &KubernetesError::Forbidden { verb: None })
}

/// `api-forbidden`, where this account may not `verb` the Secret.
///
/// # Errors
/// That, and where the API server can't be asked.
pub async fn require(operation: &Operation<'_>, verb: &str) -> Result<(), Finding> {
    if can_i(operation, verb).await? {
        Ok(())
    } else {
        let name = operation.target.config.name.as_str();
        Err(forbidden(operation, verb, "secrets", name))
    }
}

/// What a write of the Secret needs, in the order in which `ensure` would be refused.
///
/// # Errors
/// As [`require`].
pub async fn require_write(operation: &Operation<'_>, exists: bool) -> Result<(), Finding> {
    require(operation, "patch").await?;
    if exists {
        Ok(())
    } else {
        require(operation, "create").await
    }
}

/// Whether quotas, admission policies and validation permit the write, by a server-side dry run: of `fields` over
/// `version`, or as a new Secret; without `fields`, of the placeholder.
///
/// # Errors
/// What the write of `ensure` would end with.
pub async fn require_dry_run(
    operation: &Operation<'_>,
    version: Option<&Version>,
    fields: Option<AppliedFields>,
) -> Result<(), Finding> {
    let verb = if version.is_some() { "patch" } else { "create" };
    let asked = operation.api.dry_run(version, fields, operation.deadline.writing);
    match asked.await {
        Ok(()) => Ok(()),
        Err(KubernetesError::NoDryRun) => {
            let note = "An admission webhook does not support dry runs: it may still refuse the write.";
            operation.progress.add_note(note.to_owned());
            Ok(())
        }
        Err(error) => Err(operation.explain_for_secret(verb, &error)),
    }
}

/// Whether a token can be requested: one that is bound to a Secret with a uid that no object has. The API server checks
/// everything, admission policies and the account's existence included, before it compares the uid and refuses.
///
/// # Errors
/// What the token request of `ensure` would end with.
pub async fn check_token_request(operation: &Operation<'_>, account: &str) -> Result<(), Finding> {
    let config = operation.target.config;
    let until = operation.deadline.writing;
    let asked = operation
        .api
        .request_token(account, config.token_lifetime, NO_UID, until);
    match asked.await {
        Ok(_) | Err(KubernetesError::Conflict) => Ok(()),
        Err(KubernetesError::Missing { kind }) if kind == "secrets" => Ok(()),
        Err(refusal) => Err(operation.explain("create", TOKENS, account, &refusal)),
    }
}
