//! What is stored: what `ensure` would do with it, what it proves, and what else it opens.

use super::clients;
use crate::{
    commands::{observe::consider, operation::Operation},
    credential::{Credential, rfc3339},
    decide::{self, CredentialSource, Decision},
    image::RegistryHost,
    kubernetes::{excess_permissions, secret::StoredSecret},
    outcome::{DoctorCheck, Outcome},
    text::clip_name,
    verification::{Evidence, explain},
};

const WHAT: &str = "secret";

/// Adds the checks of `secret`. Evidence of registries that were not reached is left out: they have their finding.
pub async fn examine(
    operation: &Operation<'_>,
    source: &CredentialSource,
    secret: Option<StoredSecret>,
    unreached: &[RegistryHost],
    outcome: &mut Outcome,
) {
    let now = operation.api.now();
    let considered = consider(operation, source, secret, now, outcome).await;
    let (decision, evidence) = match considered {
        Ok(considered) => considered,
        Err(finding) => {
            outcome.findings.push(finding);
            return;
        }
    };
    outcome.lines.push(condition(operation, &decision));
    let config = operation.target.config;
    let (secret, current) = match &decision {
        Decision::Create => (None, None),
        Decision::Unchanged { secret, credential }
        | Decision::Metadata {
            secret, credential, ..
        } => (Some(secret), Some(credential.as_ref())),
        Decision::Renew { secret, .. } => (Some(secret), None),
    };
    if let Some(credential) = current {
        proven(operation, evidence, credential, unreached, outcome);
        outcome
            .findings
            .extend(decide::outlives_next_run(config, credential, now));
    }
    clients::examine(operation, source, secret, current, outcome);
    if let Some((_, credential)) = decision.stored_credentials(config).first() {
        outcome.excess = operation.excess(credential).await;
        outcome.lines.extend(power(outcome, credential));
    }
}

/// What `ensure` would do, and why.
fn condition(operation: &Operation<'_>, decision: &Decision) -> DoctorCheck {
    let name = clip_name(operation.target.config.name.as_str(), 80);
    let run = "Run ensure; plan shows what it would change.";
    match decision {
        Decision::Create => {
            DoctorCheck::ok(WHAT, format!("there is no Secret {name} yet: ensure creates it"))
        }
        Decision::Renew { because, .. } => DoctorCheck::warn(
            WHAT,
            format!("a new credential is due for Secret {name}: {}", because.as_str()),
            run,
        ),
        Decision::Metadata { .. } => DoctorCheck::warn(
            WHAT,
            format!("labels, annotations or keys of Secret {name} differ from what ensure writes"),
            run,
        ),
        Decision::Unchanged { secret, credential } => {
            let claims = credential.token.claims();
            let bound = claims
                .and_then(|claims| claims.kubernetes.as_ref()?.secret.as_ref())
                .is_some_and(|bound| bound.uid == secret.version.uid);
            let bound = if bound { ", bound to this Secret" } else { "" };
            let until = credential.expires_at.map_or_else(String::new, |expires_at| {
                format!(", until {}", rfc3339(expires_at))
            });
            DoctorCheck::ok(
                WHAT,
                format!("Secret {name} holds a credential{bound}{until}: nothing to change"),
            )
        }
    }
}

fn proven(
    operation: &Operation<'_>,
    evidence: Vec<Evidence>,
    credential: &Credential,
    unreached: &[RegistryHost],
    outcome: &mut Outcome,
) {
    let evidence: Vec<Evidence> = evidence
        .into_iter()
        .filter(|at| !unreached.contains(&at.registry))
        .collect();
    explain::findings(outcome, operation.target.config.mode, credential, &evidence);
    if unreached.is_empty() {
        outcome.verified = explain::least_verified(&evidence);
    }
    let pulled = outcome.images.iter().filter(|image| image.reason.is_none());
    let lines: Vec<DoctorCheck> = pulled
        .map(|image| {
            let subject = clip_name(&image.subject, 160);
            DoctorCheck::ok("image", format!("{subject}: {}", image.verified.as_str()))
        })
        .collect();
    outcome.lines.extend(lines);
}

/// What whoever reads the Secret could do.
fn power(outcome: &Outcome, credential: &Credential) -> Option<DoctorCheck> {
    let excess = outcome.excess.as_ref()?;
    let account = credential.summary().service_account;
    Some(if excess.rights.is_empty() {
        DoctorCheck::ok("credential", excess_permissions::none_found(excess.complete))
    } else {
        DoctorCheck::warn(
            "credential",
            excess_permissions::sentence(account.as_deref(), &excess.rights, excess.complete),
            excess_permissions::REMEDY,
        )
        .with_paste(excess.remedy.clone())
    })
}
