//! What is stored: what `ensure` would do with it, what it proves, and what else it opens.

use super::{Checks, clients};
use crate::{
    commands::{
        observe::{Considered, consider},
        operation::Operation,
    },
    credential::{Credential, rfc3339},
    decide::{self, CredentialSource, Decision},
    image::RegistryHost,
    kubernetes::{excess_permissions, secret::StoredSecret},
    outcome::{Check, DoctorCheck, ExcessPermissions, Finding, Verified},
    text::clip_name,
    verification::{
        Evidence,
        explain::{self, Explained},
    },
};

const WHAT: &str = "secret";

/// What was found in the Secret.
#[derive(Default)]
pub struct StoredChecks {
    /// The checks.
    pub checks: Checks,
    /// One row per registry, and one per image.
    pub explained: Explained,
    /// Weakest verification reached.
    pub verified: Verified,
    /// Excess permissions of the stored credential; none if unknown.
    pub excess: Option<ExcessPermissions>,
}

impl StoredChecks {
    /// A single problem, without anything else.
    pub fn of_problem(finding: Finding) -> Self {
        Self {
            checks: vec![Err(finding)],
            ..Self::default()
        }
    }
}

/// Checks `secret`. Evidence of registries that were not reached is left out: they have their finding.
pub async fn examine(
    operation: &Operation<'_>,
    source: &CredentialSource,
    secret: Option<StoredSecret>,
    unreached: &[RegistryHost],
) -> StoredChecks {
    let now = operation.api.now();
    let Considered {
        decision,
        evidence,
        rewritten,
    } = match consider(operation, source, secret, now).await {
        Ok(considered) => considered,
        Err(finding) => return StoredChecks::of_problem(finding),
    };
    let config = operation.target.config;
    let mut found = StoredChecks {
        checks: rewritten
            .map(Err)
            .into_iter()
            .chain([Ok(condition(operation, &decision))])
            .collect(),
        ..StoredChecks::default()
    };
    let (secret, current) = match &decision {
        Decision::Create => (None, None),
        Decision::Unchanged { secret, credential }
        | Decision::Metadata {
            secret, credential, ..
        } => (Some(secret), Some(credential.as_ref())),
        Decision::Renew { secret, .. } => (Some(secret), None),
    };
    if let Some(credential) = current {
        let reached = |at: &Evidence| !unreached.contains(&at.registry);
        let evidence: Vec<Evidence> = evidence.into_iter().filter(reached).collect();
        let mut explained = operation.explain_evidence(credential, &evidence);
        if unreached.is_empty() {
            found.verified = explain::least_verified(&evidence);
        }
        let findings = std::mem::take(&mut explained.findings);
        found.checks.extend(findings.into_iter().map(Err));
        found.checks.extend(pulled(&explained.images).map(Ok));
        found.explained = explained;
        let beyond = decide::outlives_next_run(config, credential, now);
        found.checks.extend(beyond.map(Err));
    }
    found
        .checks
        .extend(clients::examine(operation, source, secret, current));
    if let Some((_, credential)) = decision.stored_credentials(config).first() {
        found.excess = operation.excess(credential).await;
        let check = found.excess.as_ref().map(|excess| power(excess, credential));
        found.checks.extend(check.map(Ok));
    }
    found
}

/// What `ensure` would do, and why.
fn condition(operation: &Operation<'_>, decision: &Decision) -> DoctorCheck {
    let name = clip_name(operation.target.config.name.as_str(), 80);
    let run = "Run ensure; plan shows what it would change.";
    match decision {
        Decision::Create => {
            DoctorCheck::ok(WHAT, format!("there is no Secret {name} yet: ensure creates it"))
        }
        Decision::Renew { because, reuse, .. } => DoctorCheck::warn(
            WHAT,
            match reuse {
                Some(_) => format!(
                    "the stored token of Secret {name} is to be set for each registry: {}",
                    because.as_str()
                ),
                None => format!("a new credential is due for Secret {name}: {}", because.as_str()),
            },
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
                .and_then(|claims| claims.kubernetes.as_ref()?.secret_uid.as_ref())
                .is_some_and(|uid| *uid == secret.version.uid);
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

/// Images that can be pulled as far as they were verified.
fn pulled(images: &[Check]) -> impl Iterator<Item = DoctorCheck> {
    let pulled = images.iter().filter(|image| image.reason.is_none());
    pulled.map(|image| {
        let subject = clip_name(&image.subject, 160);
        DoctorCheck::ok("image", format!("{subject}: {}", image.verified.as_str()))
    })
}

/// What whoever reads the Secret could do.
fn power(excess: &ExcessPermissions, credential: &Credential) -> DoctorCheck {
    let account = credential.summary().service_account;
    if excess.rights.is_empty() {
        DoctorCheck::ok("credential", excess_permissions::none_found(excess.complete))
    } else {
        DoctorCheck::warn(
            "credential",
            excess_permissions::sentence(account.as_deref(), &excess.rights, excess.complete),
            excess_permissions::REMEDY,
        )
        .with_paste(excess.remedy.clone())
    }
}
