//! `verify`: verifies what is stored. Reads only.

use futures_util::future::{join, join_all};
use k8s_openapi::jiff::Timestamp;

use crate::{
    commands::{credential_source::untrusted_registry, observe, operation::Operation, stored_value},
    credential::{Credential, CredentialSummary, rfc3339},
    decide::{self, object},
    dockerconfig::{Auths, Document, Entry, lookup, pull_secret},
    image::RegistryHost,
    kubernetes::{secret::StoredSecret, secret_fields},
    outcome::{ExcessPermissions, Finding, Outcome, Reason},
    text::clip_name,
    verification::{Evidence, explain},
};

/// Reads the Secret and verifies what is stored.
pub async fn verify(operation: &Operation<'_>) -> Outcome {
    match try_verify(operation).await {
        Ok(outcome) => outcome,
        Err(finding) => operation.outcome_with(finding),
    }
}

async fn try_verify(operation: &Operation<'_>) -> Result<Outcome, Finding> {
    let config = operation.target.config;
    let secret = operation.read(operation.deadline.writing).await?.ok_or_else(|| {
        let (name, namespace) = (config.name.as_str(), &operation.target.namespace);
        Finding::new(
            Reason::SecretMissing,
            format!(
                "there is no Secret {} in namespace {}",
                clip_name(name, 80),
                clip_name(namespace, 63)
            ),
        )
    })?;
    let now = operation.api.now();
    let document = object::open(config, &secret)?;
    if document.auths() != Auths::Present {
        return Err(auths_missing(operation, &document));
    }
    let mut findings = Vec::from_iter(pull_secret::unmanaged_entry_invalid(config, secret.document()));
    findings.extend(observe::rewritten(operation, &secret));
    let (mut notes, mut summaries, mut usable_rows) = (Vec::new(), Vec::new(), Vec::new());
    for (registry, images) in operation.target.registries_with_images() {
        let entry = document.entry(&registry.key());
        summaries.extend(entry.as_ref().map(|entry| entry.credential().summary()));
        notes.extend(entry.as_ref().and_then(|entry| other_members(entry, registry)));
        match usable(operation, &secret, entry, registry, now) {
            Ok(credential) => usable_rows.push((registry, images, credential)),
            Err(finding) => findings.push(finding),
        }
    }
    let expiries: Vec<_> = summaries.iter().map(|summary| summary.expires_at).collect();
    let first = first_to_expire(summaries);
    notes.extend(wrong_expiry(operation, &secret, first.expires_at, &expiries));
    operation.progress.set_credential(first);
    // Several registries of one run may hold several credentials.
    let mut asked: Vec<&Credential> = Vec::new();
    for (_, _, credential) in &usable_rows {
        if !asked.contains(&credential) {
            asked.push(credential);
        }
    }
    let excesses = join_all(asked.into_iter().map(|credential| operation.excess(credential)));
    // At the same time: one that does not answer does not use up the others' time.
    let evidence = usable_rows.iter().map(async |(registry, images, credential)| {
        operation
            .verifier(&operation.registries, credential, operation.deadline.writing)
            .verify(&[(*registry, images.clone())])
            .await
    });
    let (evidence, excesses) = join(join_all(evidence), excesses).await;
    let mut outcome = operation.progress.outcome();
    outcome.excess = excesses.into_iter().flatten().reduce(ExcessPermissions::and);
    for ((_, images, credential), evidence) in usable_rows.iter().zip(&evidence) {
        let document = secret.document();
        findings.extend(lookup::kubelet_misses(images, document, credential));
        notes.extend(lookup::containers_image_prefers_others(
            images, document, credential,
        ));
        let explained = operation.explain_evidence(credential, evidence);
        findings.extend(explained.findings);
        outcome.registries.extend(explained.registries);
        outcome.images.extend(explained.images);
        notes.extend(other_account(operation, credential).filter(|note| !notes.contains(note)));
        let beyond = decide::outlives_next_run(config, credential, now);
        findings.extend(beyond.filter(|beyond| !findings.contains(beyond)));
    }
    if usable_rows.len() == config.registries.len() {
        let evidence: Vec<Evidence> = evidence.into_iter().flatten().collect();
        outcome.verified = explain::least_verified(&evidence);
    }
    outcome.findings = findings;
    outcome.notes.extend(notes);
    Ok(outcome)
}

/// The credential that expires first.
fn first_to_expire(summaries: Vec<CredentialSummary>) -> CredentialSummary {
    let unknown = CredentialSummary::default();
    let first = summaries.into_iter().min_by_key(|summary| {
        let expires_at = summary.expires_at;
        (expires_at.is_none(), expires_at, *summary == unknown)
    });
    first.unwrap_or_default()
}

/// Note on an `expires-at` annotation that isn't the expiry of a stored credential: people and dashboards read it.
fn wrong_expiry(
    operation: &Operation<'_>,
    secret: &StoredSecret,
    expires_at: Option<Timestamp>,
    expiries: &[Option<Timestamp>],
) -> Option<String> {
    let annotation = secret_fields::wrong_expiry(secret, expiries)?;
    let expiry = match expires_at {
        Some(expires_at) => format!("the credential expires at {}", rfc3339(expires_at)),
        None => "the credential has no known expiry".to_owned(),
    };
    Some(format!(
        "The annotation {} is {}, but {expiry}; ensure corrects the annotation.",
        secret_fields::EXPIRES_AT,
        stored_value::shown(annotation.as_bytes(), &operation.secrets)
    ))
}

/// Note on an entry with more members than `ensure` writes.
fn other_members(entry: &Entry, registry: &RegistryHost) -> Option<String> {
    (entry.is_read_alike() && !entry.is_well_formed()).then(|| {
        let registry = clip_name(&registry.to_string(), 80);
        format!("The entry for {registry} has other members than ensure would write.")
    })
}

/// The credential in `entry`, the one for `registry`, if it has the right structure and is not expired.
fn usable(
    operation: &Operation<'_>,
    secret: &StoredSecret,
    entry: Option<Entry>,
    registry: &RegistryHost,
    now: Timestamp,
) -> Result<Credential, Finding> {
    let name = clip_name(operation.target.config.name.as_str(), 80);
    let shown = clip_name(&registry.to_string(), 80);
    let new = |reason, cause| Finding::new(reason, cause).about(registry.to_string());
    let Some(entry) = entry else {
        let cause = format!("Secret {name} has no entry for {shown}");
        return Err(new(Reason::NoMatchingEntry, cause));
    };
    if !entry.is_read_alike() {
        let cause = format!("the entry for {shown} in Secret {name} is not one that every client reads");
        return Err(new(Reason::NoMatchingEntry, cause));
    }
    let credential = entry.credential();
    if !operation.target.send_policy(&credential).allows(registry) {
        return Err(untrusted_registry(registry));
    }
    let token = format!("the token for {shown} in Secret {name}");
    let bound = credential
        .token
        .claims()
        .and_then(|claims| claims.kubernetes.as_ref());
    if bound.is_some_and(|bound| bound.pod.is_some()) {
        let cause = format!("{token} is bound to a pod and becomes invalid with it");
        return Err(new(Reason::PodBoundToken, cause));
    }
    if credential.is_expired(now) {
        let cause = format!("{token} is past its expiry");
        return Err(new(Reason::CredentialExpired, cause));
    }
    let is_bound_elsewhere = bound
        .and_then(|bound| bound.secret_uid.as_ref())
        .is_some_and(|uid| *uid != secret.version.uid && !uid.is_empty());
    if is_bound_elsewhere {
        let cause = format!("{token} is bound to another Secret and becomes invalid with that one");
        return Err(new(Reason::CredentialRejected, cause)
            .with_remedy("Run ensure to request one that is bound to this Secret."));
    }
    Ok(credential)
}

fn auths_missing(operation: &Operation<'_>, document: &Document<'_>) -> Finding {
    let name = clip_name(operation.target.config.name.as_str(), 80);
    let cause = if document.looks_unwrapped() {
        format!("the document of Secret {name} has its entries at the top, without the auths wrapper")
    } else {
        format!("the document of Secret {name} has no auths object")
    };
    Finding::new(
        Reason::AuthsMissing,
        format!("{cause}: every client finds no credential in it"),
    )
}

/// Note on a stored token of another ServiceAccount than the configured one. A robot's credential belongs to none.
fn other_account(operation: &Operation<'_>, credential: &Credential) -> Option<String> {
    let (namespace, name) = credential.token.claims()?.service_account()?;
    let wanted = operation.target.service_account().ok()?;
    ((namespace, name) != (wanted.namespace.as_str(), wanted.name.as_str())).then(|| {
        format!(
            "The stored token belongs to service account {}, not to {}; ensure would replace it.",
            clip_name(&format!("{namespace}/{name}"), 120),
            clip_name(&wanted.name, 120)
        )
    })
}

#[cfg(test)]
mod tests;
