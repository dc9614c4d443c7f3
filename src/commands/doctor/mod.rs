//! `doctor`: checks what a run needs, before it runs. Reads only.
//!
//! What passes, with or without a warning, is a [`DoctorCheck`]; what would make `ensure` fail is a finding.

mod clients;
mod permissions;
mod registries;
mod stored;

use self::stored::StoredChecks;
use crate::{
    commands::operation::Operation,
    credential::{Claims, rfc3339},
    decide::{CredentialSource, object},
    outcome::{DoctorCheck, Finding, Outcome},
    text::{SafeName, clip_name},
};

/// Result of each check of a step.
type Checks = Vec<Result<DoctorCheck, Finding>>;

/// Checks everything that a run needs.
pub async fn doctor(operation: &Operation<'_>, source: Result<CredentialSource, Finding>) -> Outcome {
    let mut checks = vec![Ok(identity(operation))];
    let claims = operation.target.caller_claims.as_ref();
    checks.extend(claims.and_then(audiences).map(Ok));
    let source = source.map_err(|finding| checks.push(Err(finding))).ok();
    let permissions = permissions::examine(operation, source.as_ref()).await;
    checks.extend(permissions.checks);
    let mut stored = StoredChecks::default();
    match permissions.secret {
        // The API server does not answer: nothing else can be checked.
        Err(finding) => checks.push(Err(finding)),
        Ok(secret) => {
            checks.extend(clock(operation).map(Ok));
            let registries = registries::examine(operation).await;
            checks.extend(registries.checks);
            match (&source, secret) {
                (Some(source), secret) => {
                    stored = stored::examine(operation, source, secret, &registries.unreached).await;
                }
                // Without a source there is nothing to compare with; a Secret that can't be corrected is a finding.
                (None, Some(secret)) => {
                    let opened = object::open(operation.target.config, &secret);
                    checks.extend(opened.err().map(Err));
                }
                (None, None) => {}
            }
        }
    }
    checks.append(&mut stored.checks);
    let mut outcome = Outcome {
        registries: stored.explained.registries,
        images: stored.explained.images,
        verified: stored.verified,
        excess: stored.excess,
        ..operation.progress.outcome()
    };
    for check in checks {
        match check {
            Ok(line) => outcome.lines.push(line),
            Err(finding) => outcome.findings.push(finding),
        }
    }
    outcome
}

/// ServiceAccount of the mounted token.
fn identity(operation: &Operation<'_>) -> DoctorCheck {
    let claims = operation.target.caller_claims.as_ref();
    let Some((namespace, name)) = claims.and_then(|claims| claims.service_account()) else {
        return DoctorCheck::warn(
            "identity",
            "the mounted token is not a service account's",
            "Run it in a pod, with the token that Kubernetes mounts.",
        );
    };
    let pod = claims
        .and_then(|claims| claims.kubernetes.as_ref()?.pod.as_ref())
        .map_or_else(String::new, |pod| format!(", in pod {}", clip_name(pod, 63)));
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

/// The audiences of the mounted token, as `names.yaml` has them: the admission policy allows tokens for these alone, and
/// they differ between distributions.
fn audiences(claims: &Claims) -> Option<DoctorCheck> {
    let shown = |audience: &String| clip_name(SafeName::of_text(audience).as_str(), 120);
    let audiences: Vec<String> = claims.audiences.iter().map(shown).collect();
    let message = format!(
        "the API server's audiences are {} (audiences of the admission policy)",
        audiences.join(",")
    );
    (!audiences.is_empty()).then(|| DoctorCheck::ok("audiences", message))
}

fn clock(operation: &Operation<'_>) -> Option<DoctorCheck> {
    operation.api.connection.clock_offset()?;
    Some(match operation.clock_skew() {
        None => DoctorCheck::ok("clock", "this machine's clock agrees with the API server's"),
        Some(skew) => DoctorCheck::warn(
            "clock",
            format!("this machine's clock is {skew}"),
            "Correct the node's clock; expiry is judged by the API server's clock.",
        ),
    })
}

#[cfg(test)]
mod tests;
