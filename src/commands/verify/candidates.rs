//! Entries that clients would use, for each image and for each registry without one. Pure.

use std::{borrow::Cow, rc::Rc};

use k8s_openapi::jiff::Timestamp;

use crate::{
    commands::{credential_source::untrusted_registry, operation::Operation},
    credential::{Credential, CredentialSummary},
    dockerconfig::{Document, Entry, EntryDefect, lookup::EntryIndex},
    image::{ImageReference, RegistryHost},
    kubernetes::secret::StoredSecret,
    outcome::{Finding, Reason},
    text::{SafeName, clip_name},
};

/// Entry that the kubelet would try.
pub struct Candidate {
    /// Key of the entry.
    pub key: SafeName,
    /// The entry.
    pub entry: Entry,
    /// Why it is not sent.
    pub unusable: Option<Finding>,
    /// True if the kubelet rejects the whole document because of it.
    pub rejects_document: bool,
}

impl Candidate {
    /// Its credential, if it has one.
    pub fn summary(&self) -> Option<CredentialSummary> {
        self.entry.decodes().then(|| self.entry.credential().summary())
    }
}

/// Image, or registry without one, with the entries that the kubelet would try, in its order.
pub struct Subject<'a> {
    /// Registry of the run.
    pub registry: &'a RegistryHost,
    /// Its image; none if the run has none for this registry.
    pub image: Option<&'a ImageReference>,
    /// Image by which clients look for an entry.
    pub looked_up: ImageReference,
    /// Entries in the kubelet's order, shared by the images of a registry.
    pub candidates: Vec<Rc<Candidate>>,
    /// True if the kubelet would try more entries than were examined.
    pub is_cut: bool,
}

impl Subject<'_> {
    /// Name for a message, at most `max` characters long.
    pub fn shown(&self, max: usize) -> String {
        match self.image {
            Some(image) => image.clipped(max),
            None => clip_name(&self.registry.to_string(), max),
        }
    }

    /// Full name for the report.
    pub fn name(&self) -> String {
        self.image
            .map_or_else(|| self.registry.to_string(), ToString::to_string)
    }
}

/// Most entries that are examined for an image, divided by the number of registries: each image may have 30,000.
const MAX_CANDIDATES: usize = 4096;

/// Subjects of the run, in the order of its registries.
pub fn subjects<'a>(
    operation: &Operation<'a>,
    secret: &StoredSecret,
    document: &'a Document<'_>,
    now: Timestamp,
) -> Vec<Subject<'a>> {
    let mut wanted: Vec<(&'a RegistryHost, Option<&'a ImageReference>, ImageReference)> = Vec::new();
    for (registry, images) in operation.target.registries_with_images() {
        let any_image = ImageReference::parse(&format!("{registry}/image")).ok();
        let looked_up: Vec<(Option<&ImageReference>, ImageReference)> = if images.is_empty() {
            any_image.into_iter().map(|image| (None, image)).collect()
        } else {
            images
                .into_iter()
                .map(|image| (Some(image), image.clone()))
                .collect()
        };
        wanted.extend(
            looked_up
                .into_iter()
                .map(|(image, looked_up)| (registry, image, looked_up)),
        );
    }
    let images: Vec<_> = wanted.iter().map(|(_, _, looked_up)| looked_up).collect();
    let index = EntryIndex::of(document, &images);
    let limit = MAX_CANDIDATES
        .checked_div(operation.target.config.registries.len())
        .unwrap_or(MAX_CANDIDATES);
    let subjects = wanted.iter().map(|(registry, image, looked_up)| {
        let found = index.lookup(looked_up);
        let candidates = found.iter().take(limit).map(|found| {
            found.known(registry, |key, entry| {
                Rc::new(candidate(operation, secret, registry, key, entry, now))
            })
        });
        Subject {
            registry,
            image: *image,
            candidates: candidates.collect(),
            is_cut: found.len() > limit,
            looked_up: looked_up.clone(),
        }
    });
    subjects.collect()
}

fn candidate(
    operation: &Operation<'_>,
    secret: &StoredSecret,
    registry: &RegistryHost,
    key: &str,
    entry: Entry,
    now: Timestamp,
) -> Candidate {
    let key = SafeName::new(key);
    Candidate {
        unusable: unusable(operation, secret, registry, &key, &entry, now),
        rejects_document: matches!(entry.defect(), Some(EntryDefect::Rejected(_))),
        key,
        entry,
    }
}

/// Why a credential is not sent: the structure of its entry, a registry that may not have it, what it is bound to, its
/// expiry.
fn unusable(
    operation: &Operation<'_>,
    secret: &StoredSecret,
    registry: &RegistryHost,
    key: &SafeName,
    entry: &Entry,
    now: Timestamp,
) -> Option<Finding> {
    let credential = entry.credential();
    if entry.decodes() && !operation.target.send_policy(&credential).allows(registry) {
        return Some(untrusted_registry(registry));
    }
    if let Some(defect) = entry.defect() {
        return Some(malformed(operation, registry, key, defect));
    }
    let finding = unusable_token(operation, secret, registry, key, &credential, now)?;
    // Structure first: what nobody can use is described by what every reader lacks.
    let defect = entry.defect_for_some_clients();
    Some(defect.map_or(finding, |defect| malformed(operation, registry, key, defect)))
}

/// Why a token can't be used: what it is bound to, its expiry.
fn unusable_token(
    operation: &Operation<'_>,
    secret: &StoredSecret,
    registry: &RegistryHost,
    key: &SafeName,
    credential: &Credential,
    now: Timestamp,
) -> Option<Finding> {
    let name = clip_name(operation.target.config.name.as_str(), 60);
    let shown = clip_name(key.as_str(), 80);
    let new = |reason, cause| Some(Finding::new(reason, cause).about(registry.to_string()));
    let token = format!("the token for {shown} in Secret {name}");
    let bound = credential
        .token
        .claims()
        .and_then(|claims| claims.kubernetes.as_ref());
    if bound.is_some_and(|bound| bound.pod.is_some()) {
        let cause = format!("{token} is bound to a pod and becomes invalid with it");
        return new(Reason::PodBoundToken, cause);
    }
    if credential.is_expired(now) {
        return new(Reason::CredentialExpired, format!("{token} is past its expiry"));
    }
    let is_bound_elsewhere = bound
        .and_then(|bound| bound.secret_uid.as_ref())
        .is_some_and(|uid| *uid != secret.version.uid && !uid.is_empty());
    if is_bound_elsewhere {
        let cause = format!("{token} is bound to another Secret and becomes invalid with that one");
        return new(Reason::CredentialRejected, cause)
            .map(|finding| finding.with_remedy("Run ensure to request one that is bound to this Secret."));
    }
    None
}

fn malformed(
    operation: &Operation<'_>,
    registry: &RegistryHost,
    key: &SafeName,
    defect: EntryDefect,
) -> Finding {
    let name = clip_name(operation.target.config.name.as_str(), 60);
    let shown = clip_name(key.as_str(), 80);
    let cause = format!("the entry {shown} in Secret {name} {defect}");
    Finding::new(Reason::NoMatchingEntry, cause).about(registry.to_string())
}

/// Findings for managed keys whose entry makes the kubelet reject the whole document, whether it would try it or not.
pub fn rejecting<'d>(
    operation: &'d Operation<'_>,
    document: &'d Document<'_>,
) -> impl Iterator<Item = Finding> + 'd {
    let registries = operation.target.config.registries.iter();
    registries.filter_map(|registry| {
        let key = registry.key();
        let defect = document.entry(&key)?.defect()?;
        matches!(defect, EntryDefect::Rejected(_))
            .then(|| malformed(operation, registry, &SafeName::new(&key), defect))
    })
}

/// Findings for registries and images for which the kubelet finds no entry: one for a registry without any.
pub fn missing(operation: &Operation<'_>, document: &Document<'_>, subjects: &[Subject<'_>]) -> Vec<Finding> {
    let name = clip_name(operation.target.config.name.as_str(), 60);
    let mut findings: Vec<Finding> = Vec::new();
    for subject in subjects.iter().filter(|subject| subject.candidates.is_empty()) {
        let of_registry = |other: &&Subject<'_>| other.registry == subject.registry;
        let has_none = subjects
            .iter()
            .filter(of_registry)
            .all(|other| other.candidates.is_empty());
        let whole = if has_none {
            subject.registry.to_string()
        } else {
            subject.name()
        };
        let hint = near_key(document, subject.registry)
            .map(|key| format!("; no client uses its key {} for it", clip_name(key.as_str(), 80)))
            .unwrap_or_default();
        let shown = clip_name(&whole, 100);
        let finding = Finding::new(
            Reason::NoMatchingEntry,
            format!("Secret {name} has no entry for {shown}{hint}"),
        );
        let finding = finding.about(whole);
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    findings
}

/// Key that names this registry in a way that no client reads: in other case, with a port, a dot or white space.
fn near_key(document: &Document<'_>, registry: &RegistryHost) -> Option<SafeName> {
    let host = registry.host_port();
    let is_near = |key: &Cow<'_, str>| {
        let rest = key.split_once("://").map_or(&**key, |(_, rest)| rest);
        let start = rest.trim_start_matches(|c: char| c == '/' || c.is_whitespace());
        let key_host = start.split('/').next().unwrap_or_default().trim_end();
        let bare = key_host
            .strip_suffix(":443")
            .unwrap_or(key_host)
            .trim_end_matches('.');
        bare.eq_ignore_ascii_case(host)
    };
    document.keys().find(is_near).map(|key| SafeName::new(&key))
}
