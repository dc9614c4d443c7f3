//! Sends the credentials of the entries, one after the other, until one pulls.
//!
//! Registries lock accounts and addresses after failed logins, so that nothing is sent that can't change the result: a
//! credential that a registry rejected, one behind an entry that pulls, and any at a registry that can't be reached.

use futures_util::future::join_all;

use super::candidates::Subject;
use crate::{
    commands::operation::Operation,
    credential::Credential,
    image::{ImageReference, RegistryHost},
    kubernetes::access_review::TokenReview,
    registry::{Inconclusive, UntrustedParty},
    verification::{Evidence, Proof, explain::Explained},
};

/// How many credentials of a registry are sent.
pub const MAX_CREDENTIALS: usize = 16;

/// Credential that was sent for a subject.
pub struct Attempt {
    /// Its place among the subject's candidates.
    pub candidate: usize,
    /// The credential.
    pub credential: Credential,
    /// What the registry answered.
    pub evidence: Evidence,
    /// What that means.
    pub explained: Explained,
}

/// What was sent for a subject.
#[derive(Default)]
pub struct Attempts {
    /// In the order of the candidates.
    pub sent: Vec<Attempt>,
    /// True if the last one is good: no entry behind it is needed.
    pub is_decided: bool,
    /// True if entries were left out, since [`MAX_CREDENTIALS`] of this registry were sent.
    pub is_cut: bool,
    next: usize,
}

impl Attempts {
    /// The attempt that decides.
    pub fn decided(&self) -> Option<&Attempt> {
        self.sent.last().filter(|_| self.is_decided)
    }
}

/// Sends what has to be sent, at all hosts at once. The attempts of each subject, in the same order.
pub async fn send(operation: &Operation<'_>, subjects: &[Subject<'_>]) -> Vec<Attempts> {
    let mut hosts: Vec<Vec<usize>> = Vec::new();
    for (place, subject) in subjects.iter().enumerate() {
        let is_same = |places: &&mut Vec<usize>| {
            let other = places.first().and_then(|other| subjects.get(*other));
            other.is_some_and(|other| other.registry.dial() == subject.registry.dial())
        };
        match hosts.iter_mut().find(is_same) {
            Some(places) => places.push(place),
            None => hosts.push(vec![place]),
        }
    }
    let found = hosts.into_iter().map(async |places| {
        let at_host: Vec<&Subject<'_>> = places.iter().filter_map(|place| subjects.get(*place)).collect();
        let attempts = Host::new(operation, at_host).run().await;
        places.into_iter().zip(attempts).collect::<Vec<_>>()
    });
    let mut sent: Vec<Attempts> = subjects.iter().map(|_| Attempts::default()).collect();
    for (place, attempts) in join_all(found).await.into_iter().flatten() {
        if let Some(sent) = sent.get_mut(place) {
            *sent = attempts;
        }
    }
    sent
}

/// The subjects of one host.
struct Host<'s, 'a> {
    operation: &'s Operation<'s>,
    subjects: Vec<&'s Subject<'a>>,
    attempts: Vec<Attempts>,
    /// Credentials that were sent, by registry.
    sent: Vec<(&'a RegistryHost, Credential)>,
    /// Credentials that the host rejected.
    rejected: Vec<(Credential, Evidence)>,
    /// Why the host can't be asked at all.
    is_down: Option<Inconclusive>,
}

impl<'s, 'a> Host<'s, 'a> {
    fn new(operation: &'s Operation<'s>, subjects: Vec<&'s Subject<'a>>) -> Self {
        Self {
            operation,
            attempts: subjects.iter().map(|_| Attempts::default()).collect(),
            subjects,
            sent: Vec::new(),
            rejected: Vec::new(),
            is_down: None,
        }
    }

    async fn run(mut self) -> Vec<Attempts> {
        while let Some(credential) = self.next_credential() {
            let waiting = self.waiting_for(&credential);
            let evidence = self.ask(&credential, &waiting).await;
            for (place, evidence) in waiting.into_iter().zip(evidence) {
                self.add(place, &credential, evidence);
            }
        }
        self.attempts
    }

    /// Moves each undecided subject to its next usable entry; the credential of the first one.
    fn next_credential(&mut self) -> Option<Credential> {
        let mut first = None;
        for (subject, attempts) in self.subjects.iter().zip(&mut self.attempts) {
            if attempts.is_decided || attempts.is_cut {
                continue;
            }
            let rest = subject.candidates.iter().enumerate().skip(attempts.next);
            let usable = rest.filter(|(_, candidate)| candidate.unusable.is_none());
            // Two keys with the same credential are one attempt.
            let is_new = |credential: &Credential| {
                !attempts
                    .sent
                    .iter()
                    .any(|attempt| attempt.credential == *credential)
            };
            let mut usable = usable.map(|(place, candidate)| (place, candidate.entry.credential()));
            let Some((place, credential)) = usable.find(|(_, credential)| is_new(credential)) else {
                attempts.next = subject.candidates.len();
                continue;
            };
            attempts.next = place;
            // A host that can't be asked is reported once for each subject.
            if self.is_down.is_some() && !attempts.sent.is_empty() {
                attempts.next = subject.candidates.len();
                continue;
            }
            let of_registry = || {
                self.sent
                    .iter()
                    .filter(|(registry, _)| *registry == subject.registry)
            };
            let is_sent = of_registry().any(|(_, sent)| *sent == credential);
            if !is_sent && of_registry().count() >= MAX_CREDENTIALS {
                attempts.is_cut = true;
                continue;
            }
            first = first.or(Some(credential));
        }
        first
    }

    /// Places of the undecided subjects for which this credential is the next one.
    fn waiting_for(&self, credential: &Credential) -> Vec<usize> {
        let places = self.subjects.iter().zip(&self.attempts).enumerate();
        places
            .filter(|(_, (subject, attempts))| {
                let candidate = subject.candidates.get(attempts.next);
                !attempts.is_decided
                    && !attempts.is_cut
                    && candidate.is_some_and(|candidate| {
                        candidate.unusable.is_none() && candidate.entry.credential() == *credential
                    })
            })
            .map(|(place, _)| place)
            .collect()
    }

    /// What is known about a credential for the subjects at `places`, in this order.
    async fn ask(&mut self, credential: &Credential, places: &[usize]) -> Vec<Evidence> {
        let subjects: Vec<&Subject<'a>> = places
            .iter()
            .filter_map(|place| self.subjects.get(*place).copied())
            .collect();
        if let Some(inconclusive) = &self.is_down {
            let proof = Proof::Inconclusive(inconclusive.clone(), TokenReview::NotApplicable);
            return subjects
                .iter()
                .map(|subject| same(subject, false, &proof))
                .collect();
        }
        if let Some((_, evidence)) = self.rejected.iter().find(|(rejected, _)| rejected == credential) {
            let rejection = evidence.proofs().find(|proof| proof.is_rejection());
            let rejection = rejection.unwrap_or(&Proof::Rejected);
            return subjects
                .iter()
                .map(|subject| same(subject, evidence.uses_rbac, rejection))
                .collect();
        }
        let mut rows: Vec<(&RegistryHost, Vec<&ImageReference>)> = Vec::new();
        for subject in &subjects {
            match rows
                .iter_mut()
                .find(|(registry, _)| *registry == subject.registry)
            {
                Some((_, images)) => images.extend(subject.image),
                None => rows.push((subject.registry, Vec::from_iter(subject.image))),
            }
        }
        for (registry, _) in &rows {
            if !self
                .sent
                .iter()
                .any(|(at, sent)| at == registry && sent == credential)
            {
                self.sent.push((registry, credential.clone()));
            }
        }
        let (registries, until) = (&self.operation.registries, self.operation.deadline.writing);
        let verifier = self.operation.verifier(registries, credential, until);
        let found = verifier.verify(&rows).await;
        if let Some(evidence) = found.iter().find(|at| at.proofs().any(Proof::is_rejection)) {
            self.rejected.push((credential.clone(), evidence.clone()));
        }
        self.is_down = found
            .iter()
            .flat_map(Evidence::proofs)
            .find_map(|proof| match proof {
                Proof::Inconclusive(
                    inconclusive @ (Inconclusive::Unreachable(_)
                    | Inconclusive::Untrusted(UntrustedParty::Certificate { .. })),
                    _,
                ) => Some(inconclusive.clone()),
                _ => None,
            });
        subjects
            .iter()
            .filter_map(|subject| {
                let row = found.iter().find(|row| row.registry == *subject.registry)?;
                let images = row
                    .images
                    .iter()
                    .filter(|(image, _)| Some(image) == subject.image);
                Some(Evidence {
                    images: images.cloned().collect(),
                    ..row.clone()
                })
            })
            .collect()
    }

    fn add(&mut self, place: usize, credential: &Credential, evidence: Evidence) {
        let Some(attempts) = self.attempts.get_mut(place) else {
            return;
        };
        let explained = self
            .operation
            .explain_evidence(credential, std::slice::from_ref(&evidence));
        attempts.is_decided = explained.findings.iter().all(|finding| finding.warning);
        attempts.sent.push(Attempt {
            candidate: attempts.next,
            credential: credential.clone(),
            evidence,
            explained,
        });
        attempts.next = attempts.next.saturating_add(1);
    }
}

/// Evidence for a subject that follows from another one at the same host.
fn same(subject: &Subject<'_>, uses_rbac: bool, proof: &Proof) -> Evidence {
    Evidence {
        registry: subject.registry.clone(),
        uses_rbac,
        login: subject.image.is_none().then(|| proof.clone()),
        images: subject
            .image
            .map(|image| (image.clone(), proof.clone()))
            .into_iter()
            .collect(),
    }
}
