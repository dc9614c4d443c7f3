//! `verify`: verifies what is stored. Reads only.

mod attempts;
mod candidates;

use futures_util::future::{join, join_all};
use k8s_openapi::jiff::Timestamp;

use self::{
    attempts::{Attempts, MAX_CREDENTIALS},
    candidates::{Candidate, Subject},
};
use crate::{
    commands::{observe, operation::Operation, stored_value},
    credential::{Credential, CredentialSummary, rfc3339},
    decide::{self, object},
    dockerconfig::{Auths, Document, containers_image_reads_for, lookup, pull_secret},
    kubernetes::{secret::StoredSecret, secret_fields},
    outcome::{Check, ExcessPermissions, Finding, Outcome, Reason},
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
    let subjects = candidates::subjects(operation, &secret, &document, now);
    let summaries = |of: &dyn Fn(&Subject<'_>) -> Vec<CredentialSummary>| -> Vec<CredentialSummary> {
        subjects.iter().flat_map(of).collect()
    };
    let all = |subject: &Subject<'_>| {
        subject
            .candidates
            .iter()
            .filter_map(|one| one.summary())
            .collect()
    };
    let first = first_to_expire(summaries(&all));
    operation.progress.set_credential(first);
    let asked = usable_credentials(&subjects);
    let excesses = join_all(asked.iter().map(|credential| operation.excess(credential)));
    let (attempts, excesses) = join(attempts::send(operation, &subjects), excesses).await;

    let config = operation.target.config;
    let mut found = Found {
        findings: Vec::from_iter(pull_secret::unmanaged_entry_invalid(config, secret.document())),
        ..Found::default()
    };
    candidates::missing(operation, &document, &subjects)
        .into_iter()
        .chain(candidates::rejecting(operation, &document))
        .chain(observe::rewritten(operation, &secret))
        .for_each(|finding| found.add(finding));
    let looked_up: Vec<_> = subjects.iter().map(|subject| &subject.looked_up).collect();
    let file = containers_image_reads_for(secret.document(), &looked_up);
    if let Err(refusal) = &file {
        found.warn(format!("skopeo and buildah cannot use the document: {refusal}."));
    }
    for (subject, attempts) in subjects.iter().zip(&attempts) {
        found.add_subject(operation, subject, attempts, now);
        if let (Ok(file), Some(used)) = (&file, attempts.decided()) {
            let missed = lookup::containers_image_misses(file, &subject.looked_up, &used.credential);
            found.warn_if(missed.map(|cause| {
                let shown = subject.shown(120);
                format!("For {shown} skopeo and buildah do not use the entry that pods pull with: {cause}.")
            }));
        }
    }
    for warning in document.helper_warnings(config.registries.iter()) {
        found.warn(warning.to_string());
    }
    let summaries = found.summaries;
    let expiries: Vec<_> = summaries.iter().map(|summary| summary.expires_at).collect();
    let first = first_to_expire(summaries);
    found
        .notes
        .extend(wrong_expiry(operation, &secret, first.expires_at, &expiries));
    operation.progress.set_credential(first);
    let mut outcome = operation.progress.outcome();
    outcome.excess = excesses.into_iter().flatten().reduce(ExcessPermissions::and);
    if attempts.iter().all(|attempts| !attempts.sent.is_empty()) {
        outcome.verified = explain::least_verified(&found.evidence);
    }
    outcome.findings = found.findings;
    outcome.warnings = found.warnings;
    outcome.registries = found.registries;
    outcome.images = found.images;
    outcome.notes.extend(found.notes);
    Ok(outcome)
}

/// Distinct credentials that may be sent.
fn usable_credentials(subjects: &[Subject<'_>]) -> Vec<Credential> {
    let mut usable: Vec<Credential> = Vec::new();
    let candidates = subjects.iter().flat_map(|subject| &subject.candidates);
    for candidate in candidates.filter(|candidate| candidate.unusable.is_none()) {
        let credential = candidate.entry.credential();
        if usable.len() < MAX_CREDENTIALS && !usable.contains(&credential) {
            usable.push(credential);
        }
    }
    usable
}

/// Most findings, and most warnings, that are listed: a document may have 30,000 entries for each image.
const MAX_LISTED: usize = 1024;

/// What was found, in the order of the registries; nothing twice.
#[derive(Default)]
struct Found {
    findings: Vec<Finding>,
    warnings: Vec<String>,
    notes: Vec<String>,
    registries: Vec<Check>,
    images: Vec<Check>,
    evidence: Vec<Evidence>,
    /// Credentials that clients use.
    summaries: Vec<CredentialSummary>,
}

impl Found {
    fn add(&mut self, finding: Finding) {
        let is_worst = || {
            self.findings
                .iter()
                .all(|other| finding.severity() < other.severity())
        };
        if !self.findings.contains(&finding) && (self.findings.len() < MAX_LISTED || is_worst()) {
            self.findings.push(finding);
        }
    }

    fn warn(&mut self, warning: String) {
        if self.warnings.len() < MAX_LISTED && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    fn warn_if(&mut self, warning: Option<String>) {
        warning.into_iter().for_each(|warning| self.warn(warning));
    }

    fn note(&mut self, note: Option<String>) {
        let is_new = |note: &String| !self.notes.contains(note);
        self.notes.extend(note.filter(is_new));
    }

    /// The best entry decides: what is wrong with those that the kubelet tries before it are warnings. Without a good one,
    /// all are findings.
    fn add_subject(
        &mut self,
        operation: &Operation<'_>,
        subject: &Subject<'_>,
        attempts: &Attempts,
        now: Timestamp,
    ) {
        let decided = attempts.decided();
        let used = decided.map_or(subject.candidates.len(), |attempt| attempt.candidate);
        for (place, candidate) in subject.candidates.iter().enumerate() {
            let sent = attempts.sent.iter().find(|attempt| attempt.candidate == place);
            let is_used = decided.is_some_and(|attempt| attempt.candidate == place);
            if is_used || decided.is_none() {
                self.summaries.extend(candidate.summary());
            }
            let problems = sent
                .map(|attempt| attempt.explained.findings.as_slice())
                .or(candidate.unusable.as_ref().map(std::slice::from_ref));
            for problem in problems.unwrap_or_default() {
                if is_used || decided.is_none() || candidate.rejects_document {
                    self.add(problem.clone());
                } else if place < used {
                    self.warn(format!(
                        "For {} the kubelet tries the entry {} first: {}.",
                        subject.shown(100),
                        clip_name(candidate.key.as_str(), 80),
                        problem.cause
                    ));
                }
            }
            if is_used {
                self.note(other_members(candidate));
            }
        }
        self.add_cut(subject, attempts);
        for attempt in &attempts.sent {
            let is_used = decided.is_none_or(|decided| std::ptr::eq(decided, attempt));
            if !is_used {
                continue;
            }
            self.evidence.push(attempt.evidence.clone());
            self.note(other_account(operation, &attempt.credential));
            let beyond = decide::outlives_next_run(operation.target.config, &attempt.credential, now);
            beyond.into_iter().for_each(|beyond| self.add(beyond));
        }
        // One row a subject: of the entry that is used, else of the first that was sent.
        if let Some(attempt) = decided.or(attempts.sent.first()) {
            let explained = &attempt.explained;
            self.images.extend(explained.images.iter().cloned());
            for row in &explained.registries {
                add_row(&mut self.registries, row);
            }
        }
    }

    fn add_cut(&mut self, subject: &Subject<'_>, attempts: &Attempts) {
        if subject.is_cut && !attempts.is_decided {
            self.warn(format!(
                "Clients find more entries for {} than are examined: the others were not sent.",
                subject.shown(120)
            ));
        }
        if !attempts.is_cut {
            return;
        }
        self.warn(format!(
            "Clients find more than {MAX_CREDENTIALS} credentials for {}: the others were not sent.",
            clip_name(&subject.registry.to_string(), 100)
        ));
        if attempts.sent.is_empty() {
            let cause = format!("the credential for {} was not verified", subject.shown(120));
            self.add(
                Finding::new(Reason::NotVerified, cause)
                    .about(subject.name())
                    .with_remedy("Remove entries that no image needs.")
                    .as_warning(),
            );
        }
    }
}

/// Adds the row of a registry, or makes the one that is there as bad.
fn add_row(rows: &mut Vec<Check>, row: &Check) {
    match rows.iter_mut().find(|other| other.subject == row.subject) {
        Some(other) => {
            other.verified = other.verified.min(row.verified);
            other.reason = other.reason.or(row.reason);
        }
        None => rows.push(row.clone()),
    }
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

/// Note on an entry with other members than `ensure` writes.
fn other_members(candidate: &Candidate) -> Option<String> {
    (!candidate.entry.is_well_formed()).then(|| {
        let key = clip_name(candidate.key.as_str(), 80);
        format!("The entry for {key} has other members than ensure would write.")
    })
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
