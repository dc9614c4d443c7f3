//! Model of the state, and of its consequences: a short form of the contract.

use super::Event;

/// State of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The Secret.
    pub secret: Option<Stored>,
    /// True if the puller may pull.
    pub may_pull: bool,
}

/// A Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// True if the document has `auths`.
    pub wrapped: bool,
    /// Our entry.
    pub managed: Managed,
    /// True if another manager wrote the document since the last run, and the credential of that run is gone.
    pub rewritten: bool,
    /// True if the Secret has the dashboard's label.
    pub labelled: bool,
    /// Another tool's label.
    pub label: Option<u32>,
    /// Another tool's entry.
    pub entry: Option<u32>,
}

/// Our entry of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Managed {
    /// There is none.
    None,
    /// Valid for a day.
    Fresh,
    /// Valid for minutes.
    Old,
    /// Bound to a deleted object.
    OfAnother,
}

impl State {
    /// State after an event.
    pub fn after(mut self, event: &Event) -> Self {
        match event {
            Event::Verify | Event::Plan => {}
            Event::Ensure | Event::Fault(_) | Event::Killed(..) => {
                let kept = self.secret.as_ref();
                self.secret = Some(Stored {
                    wrapped: true,
                    managed: Managed::Fresh,
                    rewritten: false,
                    labelled: true,
                    label: kept.and_then(|stored| stored.label),
                    entry: kept.and_then(|stored| stored.entry),
                });
            }
            Event::Deletes => self.secret = None,
            Event::Revokes => self.may_pull = false,
            Event::Grants => self.may_pull = true,
            of_the_secret => {
                if let Some(stored) = &mut self.secret {
                    stored.suffer(of_the_secret);
                }
            }
        }
        self
    }

    /// True if the stored credential can pull; none if the change takes time to have an effect.
    pub fn pulls(&self) -> Option<bool> {
        match &self.secret {
            Some(stored) if stored.wrapped && self.may_pull => match stored.managed {
                Managed::None => Some(false),
                Managed::Fresh | Managed::Old => Some(true),
                // An API server remembers for 10 s that it accepted a token.
                Managed::OfAnother => None,
            },
            _ => Some(false),
        }
    }

    /// Effect of `ensure` on the object: ACTION.
    pub fn action(&self) -> &'static str {
        match &self.secret {
            None => "created",
            Some(stored) if !stored.wrapped => "repaired",
            Some(stored) if stored.managed == Managed::Fresh && stored.labelled => "unchanged",
            Some(_) => "refreshed",
        }
    }

    /// End of `ensure`: REASON.
    pub fn ensured(&self) -> &'static str {
        match &self.secret {
            _ if !self.may_pull => "pull-forbidden",
            Some(stored) if stored.rewritten => "reverted",
            _ => "ok",
        }
    }

    /// Possible ends of `verify`: each true problem, or `ok` if there is none. REASON.
    pub fn verified(&self) -> Vec<&'static str> {
        let Some(stored) = &self.secret else {
            return vec!["secret-missing"];
        };
        if !stored.wrapped {
            return vec!["auths-missing"];
        }
        let mut complaints = Vec::new();
        match stored.managed {
            Managed::None => return vec!["no-matching-entry"],
            Managed::Fresh => {}
            Managed::Old => complaints.push("expires-before-next-run"),
            Managed::OfAnother => complaints.extend(["credential-rejected", "ok"]),
        }
        if !self.may_pull {
            complaints.retain(|complaint| *complaint != "ok");
            complaints.push("pull-forbidden");
        }
        if complaints.is_empty() {
            complaints.push("ok");
        }
        complaints
    }
}

impl Stored {
    fn suffer(&mut self, event: &Event) {
        match event {
            Event::Labels(number) => self.label = Some(*number),
            Event::Entry(number) => self.entry = Some(*number),
            Event::TakesLabel => self.labelled = false,
            Event::TakesEntry => (self.managed, self.rewritten) = (Managed::None, true),
            Event::Unwraps => self.wrapped = false,
            Event::Blanks => {
                (self.wrapped, self.managed, self.entry) = (true, Managed::None, None);
                self.rewritten = true;
            }
            Event::Restores => {
                if self.managed != Managed::None {
                    self.managed = Managed::OfAnother;
                }
            }
            Event::Ages => (self.managed, self.rewritten) = (Managed::Old, true),
            Event::Ensure
            | Event::Verify
            | Event::Plan
            | Event::Fault(_)
            | Event::Killed(..)
            | Event::Deletes
            | Event::Revokes
            | Event::Grants => {}
        }
    }
}
