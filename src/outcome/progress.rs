//! Progress of a run, kept outside of it: a deadline, a signal or a panic may end the run at any moment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Action, Outcome};
use crate::credential::CredentialSummary;

/// What a run did so far, shared with the panic hook.
#[derive(Clone, Default)]
pub struct Progress(Arc<Mutex<Outcome>>);

impl Progress {
    /// Records a write.
    pub fn set_action(&self, action: Action) {
        self.lock().action = action;
    }

    /// Records the credential that is stored now.
    pub fn set_credential(&self, credential: CredentialSummary) {
        self.lock().credential = credential;
    }

    /// Records the Secret's namespace.
    pub fn set_namespace(&self, namespace: &str) {
        self.lock().namespace = Some(namespace.to_owned());
    }

    /// Adds a hint that does not depend on how the run ends; once, even if it is found again.
    pub fn add_note(&self, note: String) {
        let mut outcome = self.lock();
        if !outcome.notes.contains(&note) {
            outcome.notes.push(note);
        }
    }

    /// Outcome of a run that ends now, without findings.
    pub fn outcome(&self) -> Outcome {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Outcome> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
