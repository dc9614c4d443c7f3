//! Every permission of the Role, asked by SelfSubjectAccessReview; and whether a token can be had.

use super::Checks;
use crate::{
    commands::{
        operation::Operation,
        permissions::{self, TOKENS},
    },
    decide::CredentialSource,
    kubernetes::{rbac_yaml, secret::StoredSecret},
    outcome::{DoctorCheck, Finding},
    text::clip_name,
};

const WHAT: &str = "permission";

/// The permissions, and the Secret that they let `doctor` read.
pub struct Permissions {
    /// One check per permission.
    pub checks: Checks,
    /// The Secret, where it exists and may be read; the finding of an API server that can't be asked.
    pub secret: Result<Option<StoredSecret>, Finding>,
}

/// Asks for each permission, and reads the Secret.
pub async fn examine(operation: &Operation<'_>, source: Option<&CredentialSource>) -> Permissions {
    let mut checks = Checks::new();
    let secret = ask(operation, source, &mut checks).await;
    Permissions { checks, secret }
}

/// The checks before an error count too.
async fn ask(
    operation: &Operation<'_>,
    source: Option<&CredentialSource>,
    checks: &mut Checks,
) -> Result<Option<StoredSecret>, Finding> {
    let may_get = permissions::can_i(operation, "get").await?;
    checks.push(check(operation, may_get, "get"));
    let may_patch = permissions::can_i(operation, "patch").await?;
    checks.push(check(operation, may_patch, "patch"));
    let may_create = permissions::can_i(operation, "create").await?;
    let secret = if may_get {
        operation.read(operation.deadline.writing).await?
    } else {
        None
    };
    if may_get && may_patch && may_create && secret.is_none() {
        let asked = permissions::require_dry_run(operation, None, None).await;
        checks.extend(asked.err().map(Err));
    }
    checks.push(match (&secret, may_create) {
        (Some(_), true) => Ok(create_not_needed(operation)),
        (Some(_), false) => Ok(DoctorCheck::ok(
            WHAT,
            format!(
                "create secrets {} is not granted, and not needed while the Secret exists",
                clip_name(operation.target.config.name.as_str(), 80)
            ),
        )),
        // What can't be read may be absent.
        (None, allowed) => check(operation, allowed, "create"),
    });
    if let Some(CredentialSource::TokenRequest { service_account, .. }) = source {
        let account = &service_account.name;
        let finding = if permissions::can_request_token(operation, account).await? {
            permissions::check_token_request(operation, account).await.err()
        } else {
            Some(permissions::forbidden(operation, "create", TOKENS, account))
        };
        checks.push(finding.map_or_else(
            || {
                let account = clip_name(account, 80);
                Ok(DoctorCheck::ok(
                    WHAT,
                    format!("may create {TOKENS} {account}, which exists"),
                ))
            },
            Err,
        ));
    }
    Ok(secret)
}

fn check(operation: &Operation<'_>, allowed: bool, verb: &str) -> Result<DoctorCheck, Finding> {
    let name = operation.target.config.name.as_str();
    if allowed {
        let message = format!("may {verb} secrets {}", clip_name(name, 80));
        Ok(DoctorCheck::ok(WHAT, message))
    } else {
        Err(permissions::forbidden(operation, verb, "secrets", name))
    }
}

fn create_not_needed(operation: &Operation<'_>) -> DoctorCheck {
    let account = operation.target.token_account();
    let account = account.as_ref().map(|account| account.name.as_str());
    DoctorCheck::warn(
        WHAT,
        format!(
            "{} may create secrets {}, which exists: if it is deleted, the account can create a Secret of that name \
             with a token of any ServiceAccount in the namespace",
            operation.target.runner_name(),
            clip_name(operation.target.config.name.as_str(), 80),
        ),
        "Remove create from the Role that grants it, as shown here, or restrict it with the admission policy.",
    )
    .with_paste(rbac_yaml::role_without_create(
        &operation.target.role_params(account),
    ))
}
