//! `doctor`: what is missing, or too much, before anything happens. Reads only.
//!
//! What is right, or not quite, is a [`DoctorCheck`]; what would make `ensure` fail is a finding, as everywhere.

mod clients;
mod permissions;
mod registries;
mod stored;

use k8s_openapi::jiff::SignedDuration;

use crate::{
    commands::context::Context,
    credential::rfc3339,
    decide::{Source, object},
    outcome::{DoctorCheck, Finding, Outcome},
    text::clip_name,
};

/// How far apart the clocks may be.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// Looks at everything that a run needs.
pub async fn doctor(context: &Context<'_>, source: Result<Source, Finding>, outcome: &mut Outcome) {
    outcome.lines.push(identity(context));
    let source = match source {
        Ok(source) => Some(source),
        Err(finding) => {
            outcome.findings.push(finding);
            None
        }
    };
    let secret = match permissions::examine(context, source.as_ref(), outcome).await {
        Ok(secret) => secret,
        // The API server does not answer: nothing else could be told.
        Err(finding) => {
            outcome.findings.push(finding);
            return;
        }
    };
    outcome.lines.extend(clock(context));
    let unreached = registries::examine(context, outcome).await;
    match (&source, secret) {
        (Some(source), secret) => stored::examine(context, source, secret, &unreached, outcome).await,
        // Without a source there is nothing to compare with; a Secret that can't be corrected is reported all the same.
        (None, Some(secret)) => outcome
            .findings
            .extend(object::open(context.config, &secret).err()),
        (None, None) => {}
    }
}

/// The account that runs this, by its token.
fn identity(context: &Context<'_>) -> DoctorCheck {
    let claims = context.caller_claims();
    let Some((namespace, name)) = claims.and_then(|claims| claims.service_account()) else {
        return DoctorCheck::warn(
            "identity",
            "the mounted token is not a service account's",
            "Run it in a pod, with the token that Kubernetes mounts.",
        );
    };
    let pod = claims
        .and_then(|claims| claims.kubernetes.as_ref()?.pod.as_ref())
        .map_or_else(String::new, |pod| {
            format!(", in pod {}", clip_name(&pod.name, 63))
        });
    let until = claims
        .and_then(|claims| claims.expires_at)
        .map_or_else(String::new, |expires_at| {
            format!(", until {}", rfc3339(expires_at))
        });
    DoctorCheck::ok(
        "identity",
        format!(
            "this is {}{pod}{until}",
            clip_name(&format!("{namespace}/{name}"), 120)
        ),
    )
}

fn clock(context: &Context<'_>) -> Option<DoctorCheck> {
    let ahead = context.api.clock_ahead()?;
    Some(if ahead.abs() <= SKEW {
        DoctorCheck::ok("clock", "this machine's clock agrees with the API server's")
    } else {
        DoctorCheck::warn(
            "clock",
            format!(
                "this machine's clock is {} s {} the API server's",
                ahead.abs().as_secs(),
                if ahead.is_positive() { "behind" } else { "ahead of" }
            ),
            "Have the node's clock set; the API server's is the one that counts here.",
        )
    })
}
