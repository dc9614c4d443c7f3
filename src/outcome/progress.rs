//! Progress of a run, kept outside of it: a deadline, a signal or a panic may end the run at any moment.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Action, Outcome};
use crate::credential::{CredentialSummary, KnownSecrets};

/// What a run did so far, shared with the panic hook.
#[derive(Clone, Default)]
pub struct Progress {
    state: Arc<Mutex<State>>,
    /// Secrets of the run, which are never printed.
    pub secrets: KnownSecrets,
}

#[derive(Default)]
struct State {
    outcome: Outcome,
    /// Action and stored credential before a write whose answer is outstanding or lost.
    before: Option<(Action, CredentialSummary)>,
}

impl Progress {
    /// Records that a write of `credential` is sent: what was done is unknown until [`Self::set_action`] or
    /// [`Self::undo_sent`], and what is stored too, unless it is this credential already.
    pub fn set_sent(&self, credential: Option<&CredentialSummary>) {
        let mut state = self.lock();
        let stored = state.outcome.credential.clone();
        if credential.is_some_and(|sent| *sent != stored) {
            state.outcome.credential = CredentialSummary::default();
        }
        let before = (mem::replace(&mut state.outcome.action, Action::Unknown), stored);
        state.before.get_or_insert(before);
    }

    /// Whether a write was sent and it is not known whether it was done.
    pub fn is_unknown(&self) -> bool {
        self.lock().before.is_some()
    }

    /// Records that the write was not done, where that was unknown.
    pub fn undo_sent(&self) {
        let mut state = self.lock();
        if let Some(before) = state.before.take() {
            (state.outcome.action, state.outcome.credential) = before;
        }
    }

    /// Records a write that was done.
    pub fn set_action(&self, action: Action) {
        let mut state = self.lock();
        state.before = None;
        state.outcome.action = action;
    }

    /// Records the credential that is stored now.
    pub fn set_credential(&self, credential: CredentialSummary) {
        self.lock().outcome.credential = credential;
    }

    /// Records the Secret's namespace.
    pub fn set_namespace(&self, namespace: &str) {
        self.lock().outcome.namespace = Some(namespace.to_owned());
    }

    /// Adds a hint that does not depend on how the run ends; once, even if it is found again.
    pub fn add_note(&self, note: String) {
        let notes = &mut self.lock().outcome.notes;
        if !notes.contains(&note) {
            notes.push(note);
        }
    }

    /// Outcome of a run that ends now, without findings.
    pub fn outcome(&self) -> Outcome {
        self.lock().outcome.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
