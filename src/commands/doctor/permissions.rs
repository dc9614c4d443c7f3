//! Every permission of the Role, asked by SelfSubjectAccessReview; and whether a token can be had.

use crate::{
    commands::{
        context::Context,
        permissions::{self, TOKENS},
    },
    decide::Source,
    kubernetes::{rbac_yaml, secret::StoredSecret},
    outcome::{DoctorCheck, Finding, Outcome},
    text::clip_name,
};

const WHAT: &str = "permission";

/// Adds a line or finding for each permission; gives the Secret, where it is there and may be read.
///
/// # Errors
/// Where the API server can't be asked.
pub async fn examine(
    context: &Context<'_>,
    source: Option<&Source>,
    outcome: &mut Outcome,
) -> Result<Option<StoredSecret>, Finding> {
    let name = clip_name(context.config.name.as_str(), 80);
    let mut may_get = false;
    for verb in ["get", "patch"] {
        let allowed = permissions::may(context, verb).await?;
        may_get |= allowed && verb == "get";
        tell(context, outcome, allowed, verb);
    }
    let creates = permissions::may(context, "create").await?;
    let secret = if may_get { context.read().await? } else { None };
    match (&secret, creates) {
        (Some(_), true) => outcome.lines.push(
            DoctorCheck::warn(
                WHAT,
                format!(
                    "{} may create secrets {name}, which exists: were it deleted, the account could make a token of \
                     any account of the namespace under that name",
                    context.runner_name()
                ),
                "Take create away from the Role that gives it, as here, or bound it by the admission policy.",
            )
            .with_paste(context.role(rbac_yaml::role_without_create)),
        ),
        (Some(_), false) => outcome.lines.push(DoctorCheck::ok(
            WHAT,
            format!("create secrets {name} is not held, and not needed while it exists"),
        )),
        // What can't be read may be absent.
        (None, allowed) => tell(context, outcome, allowed, "create"),
    }
    if let Some(source) = source {
        mint(context, source, outcome).await?;
    }
    Ok(secret)
}

fn tell(context: &Context<'_>, outcome: &mut Outcome, allowed: bool, verb: &str) {
    let name = context.config.name.as_str();
    if allowed {
        let says = format!("may {verb} secrets {}", clip_name(name, 80));
        outcome.lines.push(DoctorCheck::ok(WHAT, says));
    } else {
        outcome
            .findings
            .push(permissions::forbidden(context, verb, "secrets", name));
    }
}

async fn mint(context: &Context<'_>, source: &Source, outcome: &mut Outcome) -> Result<(), Finding> {
    let Source::Mint {
        service_account: (_, account),
        ..
    } = source
    else {
        return Ok(());
    };
    let finding = if permissions::may_mint(context, account).await? {
        permissions::mints(context, source).await.err()
    } else {
        Some(permissions::forbidden(context, "create", TOKENS, account))
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
