//! Every permission of the Role, asked by SelfSubjectAccessReview; and whether a token can be had.

use crate::{
    commands::{
        operation::Operation,
        permissions::{self, TOKENS},
    },
    decide::CredentialSource,
    kubernetes::{rbac_yaml, secret::StoredSecret},
    outcome::{DoctorCheck, Finding, Outcome},
    text::clip_name,
};

const WHAT: &str = "permission";

/// Adds a check or finding for each permission. Returns the Secret, where it exists and may be read.
///
/// # Errors
/// Where the API server can't be asked.
pub async fn examine(
    operation: &Operation<'_>,
    source: Option<&CredentialSource>,
    outcome: &mut Outcome,
) -> Result<Option<StoredSecret>, Finding> {
    let name = clip_name(operation.target.config.name.as_str(), 80);
    let mut may_get = false;
    for verb in ["get", "patch"] {
        let allowed = permissions::can_i(operation, verb).await?;
        may_get |= allowed && verb == "get";
        add_check(operation, outcome, allowed, verb);
    }
    let creates = permissions::can_i(operation, "create").await?;
    let secret = if may_get {
        operation.read(operation.deadline.writing).await?
    } else {
        None
    };
    let account = operation.target.token_account();
    let account = account.as_ref().map(|account| account.name.as_str());
    let role_without_create = rbac_yaml::role_without_create(&operation.target.role_params(account));
    match (&secret, creates) {
        (Some(_), true) => outcome.lines.push(
            DoctorCheck::warn(
                WHAT,
                format!(
                    "{} may create secrets {name}, which exists: were it deleted, the account could make a token of \
                     any account of the namespace under that name",
                    operation.target.runner_name()
                ),
                "Take create away from the Role that gives it, as here, or bound it by the admission policy.",
            )
            .with_paste(role_without_create),
        ),
        (Some(_), false) => outcome.lines.push(DoctorCheck::ok(
            WHAT,
            format!("create secrets {name} is not held, and not needed while it exists"),
        )),
        // What can't be read may be absent.
        (None, allowed) => add_check(operation, outcome, allowed, "create"),
    }
    if let Some(source) = source {
        check_token(operation, source, outcome).await?;
    }
    Ok(secret)
}

fn add_check(operation: &Operation<'_>, outcome: &mut Outcome, allowed: bool, verb: &str) {
    let name = operation.target.config.name.as_str();
    if allowed {
        let message = format!("may {verb} secrets {}", clip_name(name, 80));
        outcome.lines.push(DoctorCheck::ok(WHAT, message));
    } else {
        outcome
            .findings
            .push(permissions::forbidden(operation, verb, "secrets", name));
    }
}

async fn check_token(
    operation: &Operation<'_>,
    source: &CredentialSource,
    outcome: &mut Outcome,
) -> Result<(), Finding> {
    let CredentialSource::TokenRequest { service_account, .. } = source else {
        return Ok(());
    };
    let account = &service_account.name;
    let finding = if permissions::can_request_token(operation, account).await? {
        permissions::check_token_request(operation, source).await.err()
    } else {
        Some(permissions::forbidden(operation, "create", TOKENS, account))
    };
    match finding {
        Some(finding) => outcome.findings.push(finding),
        None => outcome.lines.push(DoctorCheck::ok(
            WHAT,
            format!("may create {TOKENS} {}, which exists", clip_name(account, 80)),
        )),
    }
    Ok(())
}
