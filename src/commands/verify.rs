//! `verify`: verifies what is stored. Reads only.

use futures_util::future::{join, join_all};
use k8s_openapi::jiff::Timestamp;

use crate::{
    commands::{credential_source::untrusted_registry, operation::Operation, stored_value},
    config::Mode,
    credential::{Credential, CredentialSummary, rfc3339},
    decide::{self, object},
    dockerconfig::{Auths, Document, lookup, pull_secret},
    image::RegistryHost,
    kubernetes::{secret::StoredSecret, secret_fields},
    outcome::{ExcessPermissions, Finding, Outcome, Reason},
    text::clip_name,
    verification::{Evidence, explain},
};

/// Reads the Secret and verifies what is stored.
pub async fn verify(operation: &Operation<'_>, outcome: &mut Outcome) {
    if let Err(finding) = try_verify(operation, outcome).await {
        outcome.findings.push(finding);
    }
}

async fn try_verify(operation: &Operation<'_>, outcome: &mut Outcome) -> Result<(), Finding> {
    let name = operation.target.config.name.as_str();
    let secret = operation.read(operation.deadline.writing).await?.ok_or_else(|| {
        let namespace = clip_name(&operation.target.namespace, 63);
        Finding::new(
            Reason::SecretMissing,
            format!(
                "there is no Secret {} in namespace {namespace}",
                clip_name(name, 80)
            ),
        )
    })?;
    let now = operation.api.now();
    let document = object::open(operation.target.config, &secret)?;
    if document.auths() != Auths::Present {
        return Err(auths_missing(operation, &document));
    }
    outcome.findings.extend(pull_secret::unmanaged_entry_invalid(
        operation.target.config,
        secret.document(),
    ));
    let (mut usable_rows, mut expiries) = (Vec::new(), Vec::new());
    for (registry, images) in operation.target.registries_with_images() {
        if let Some(entry) = document.entry(&registry.key()) {
            let credential = entry.credential();
            expiries.push(credential.expires_at);
            soonest(outcome, &credential);
        }
        match usable(operation, outcome, &secret, &document, registry, now) {
            Ok(credential) => usable_rows.push((registry, images, credential)),
            Err(finding) => outcome.findings.push(finding),
        }
    }
    note_wrong_expiry(operation, outcome, &secret, &expiries);
    // Several registries of one run may hold several credentials.
    let mut asked: Vec<&Credential> = Vec::new();
    for (_, _, credential) in &usable_rows {
        if !asked.contains(&credential) {
            asked.push(credential);
        }
    }
    let excesses = join_all(asked.into_iter().map(|credential| operation.excess(credential)));
    // At the same time: one that does not answer does not use up the others' time.
    let proofs = usable_rows.iter().map(async |(registry, images, credential)| {
        operation
            .verifier(&operation.registries, credential, operation.deadline.writing)
            .verify(&[(*registry, images.clone())])
            .await
    });
    let (proven, excesses) = join(join_all(proofs), excesses).await;
    outcome.excess = excesses.into_iter().flatten().reduce(ExcessPermissions::and);
    for ((_, images, credential), evidence) in usable_rows.iter().zip(&proven) {
        let stored = secret.document();
        outcome
            .findings
            .extend(lookup::kubelet_misses(images, stored, credential));
        outcome.notes.extend(lookup::containers_image_prefers_others(
            images, stored, credential,
        ));
        explain::findings(outcome, Mode::Verify, credential, evidence);
        note_other_account(operation, outcome, credential);
        let beyond = decide::outlives_next_run(operation.target.config, credential, now);
        if !outcome
            .findings
            .iter()
            .any(|found| Some(found) == beyond.as_ref())
        {
            outcome.findings.extend(beyond);
        }
    }
    if usable_rows.len() == operation.target.config.registries.len() {
        let proven: Vec<Evidence> = proven.into_iter().flatten().collect();
        outcome.verified = explain::least_verified(&proven);
    }
    Ok(())
}

/// Reports the credential that expires first.
fn soonest(outcome: &mut Outcome, credential: &Credential) {
    let reported = outcome.credential.expires_at;
    let sooner = match (reported, credential.expires_at) {
        (Some(reported), Some(expires_at)) => expires_at < reported,
        (None, expires_at) => expires_at.is_some() || outcome.credential == CredentialSummary::default(),
        (Some(_), None) => false,
    };
    if sooner {
        outcome.credential = credential.summary();
    }
}

/// Notes an `expires-at` annotation that isn't the expiry of what is stored: people and dashboards read it.
fn note_wrong_expiry(
    operation: &Operation<'_>,
    outcome: &mut Outcome,
    secret: &StoredSecret,
    expiries: &[Option<Timestamp>],
) {
    let Some(annotation) = secret_fields::wrong_expiry(secret, expiries) else {
        return;
    };
    let expiry = match outcome.credential.expires_at {
        Some(expires_at) => format!("the credential expires at {}", rfc3339(expires_at)),
        None => "the credential has no known expiry".to_owned(),
    };
    outcome.notes.push(format!(
        "The annotation {} is {}, but {expiry}; ensure corrects the annotation.",
        secret_fields::EXPIRES_AT,
        stored_value::shown(annotation.as_bytes(), &operation.secrets)
    ));
}

/// The credential stored for `registry`, where structure and expiry let it do its work.
fn usable(
    operation: &Operation<'_>,
    outcome: &mut Outcome,
    secret: &StoredSecret,
    document: &Document<'_>,
    registry: &RegistryHost,
    now: Timestamp,
) -> Result<Credential, Finding> {
    let name = clip_name(operation.target.config.name.as_str(), 80);
    let shown = clip_name(&registry.to_string(), 80);
    let entry = document.entry(&registry.key());
    let Some(entry) = entry else {
        let cause = format!("Secret {name} has no entry for {shown}");
        return Err(Finding::new(Reason::NoMatchingEntry, cause).about(registry.to_string()));
    };
    if !entry.is_read_alike() {
        let cause = format!("the entry for {shown} in Secret {name} is not one that every client reads");
        return Err(Finding::new(Reason::NoMatchingEntry, cause).about(registry.to_string()));
    }
    if !entry.is_well_formed() {
        outcome.notes.push(format!(
            "The entry for {shown} has other members than ensure would write."
        ));
    }
    let credential = entry.credential();
    if !operation.target.send_policy(&credential).allows(registry) {
        return Err(untrusted_registry(registry));
    }
    if credential
        .token
        .claims()
        .and_then(|claims| claims.kubernetes.as_ref())
        .is_some_and(|bound| bound.pod.is_some())
    {
        let cause = format!("the token for {shown} in Secret {name} is bound to a pod and dies with it");
        return Err(Finding::new(Reason::PodBoundToken, cause).about(registry.to_string()));
    }
    if credential.is_expired(now) {
        let cause = format!("the token for {shown} in Secret {name} is past its expiry");
        return Err(Finding::new(Reason::CredentialExpired, cause).about(registry.to_string()));
    }
    let bound_elsewhere = credential
        .token
        .claims()
        .and_then(|claims| claims.kubernetes.as_ref())
        .and_then(|bound| bound.secret.as_ref())
        .is_some_and(|bound| bound.uid != secret.version.uid && !bound.uid.is_empty());
    if bound_elsewhere {
        let cause =
            format!("the token for {shown} in Secret {name} is bound to another Secret and dies with that");
        return Err(Finding::new(Reason::CredentialRejected, cause)
            .about(registry.to_string())
            .with_remedy("Run ensure to mint one that is bound to this Secret."));
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

/// Notes a stored token of another account than the one configured.
pub fn note_other_account(operation: &Operation<'_>, outcome: &mut Outcome, credential: &Credential) {
    // A robot account's credential belongs to none.
    let owner = credential
        .token
        .claims()
        .and_then(|claims| claims.service_account());
    let (Some((namespace, name)), Ok(wanted)) = (owner, operation.target.service_account()) else {
        return;
    };
    if (namespace, name) != (wanted.namespace.as_str(), wanted.name.as_str()) {
        let note = format!(
            "The stored token belongs to service account {}, not to {}; ensure would replace it.",
            clip_name(&format!("{namespace}/{name}"), 120),
            clip_name(&wanted.name, 120)
        );
        if !outcome.notes.contains(&note) {
            outcome.notes.push(note);
        }
    }
}
