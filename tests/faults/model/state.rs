//! Model of the state, and of its consequences: a short form of the contract.

use super::Event;
use crate::robots::Scheme;

/// State of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The Secret.
    pub secret: Option<Stored>,
    /// True if the puller may pull.
    pub may_pull: bool,
    /// The token file; none where a token is requested.
    pub robot: Option<Robot>,
}

/// A robot account's token file, and the registries of the runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Robot {
    /// Scheme of the two registries.
    pub scheme: Scheme,
    /// True if the file has a wrong password.
    pub is_wrong: bool,
    /// True if a run has a third registry, which is down.
    pub one_is_down: bool,
}

/// A Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// True if the document has `auths`.
    pub wrapped: bool,
    /// Our entry.
    pub managed: Managed,
    /// True if a run has stored a credential.
    pub annotated: bool,
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
    /// Valid for minutes, or a robot's earlier password.
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
                if self.keeps_stored() {
                    return self;
                }
                let kept = self.secret.as_ref();
                let is_written = !self.robot.is_some_and(|robot| robot.is_wrong);
                self.secret = Some(Stored {
                    wrapped: true,
                    managed: if is_written { Managed::Fresh } else { Managed::None },
                    annotated: is_written,
                    rewritten: false,
                    labelled: self.robot.is_none(),
                    label: kept.and_then(|stored| stored.label),
                    entry: kept.and_then(|stored| stored.entry),
                });
            }
            Event::Deletes => self.secret = None,
            Event::Revokes => self.may_pull = false,
            Event::Grants => self.may_pull = true,
            Event::Wrongs(is_wrong) => {
                self.robot = self.robot.map(|robot| Robot {
                    is_wrong: *is_wrong,
                    ..robot
                });
            }
            Event::Falls(one_is_down) => {
                self.robot = self.robot.map(|robot| Robot {
                    one_is_down: *one_is_down,
                    ..robot
                });
            }
            Event::Restores if self.robot.is_some() => {}
            of_the_secret => {
                if let Some(stored) = &mut self.secret {
                    stored.suffer(of_the_secret);
                }
            }
        }
        self
    }

    /// True unless an earlier credential is stored.
    pub fn is_up_to_date(&self) -> bool {
        let stored = self.secret.as_ref();
        stored.is_none_or(|stored| stored.managed != Managed::Old)
    }

    /// True if `ensure` may not replace what is stored by the token file's password.
    fn keeps_stored(&self) -> bool {
        let may_not = |robot: Robot| robot.is_wrong || (robot.one_is_down && !self.is_up_to_date());
        self.secret.is_some() && self.robot.is_some_and(may_not)
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

    /// Possible effects of `ensure` on the object: ACTION.
    pub fn actions(&self) -> &'static [&'static str] {
        let is_labelled = |stored: &Stored| stored.labelled || self.robot.is_some();
        match &self.secret {
            None => &["created"],
            Some(_) if self.keeps_stored() => &["none", "unchanged"],
            Some(stored) if !stored.wrapped => &["repaired"],
            Some(stored) if stored.managed == Managed::Fresh && is_labelled(stored) => match self.robot {
                // It is added for the registry that is down.
                Some(robot) if robot.one_is_down => &["refreshed", "unchanged"],
                _ => &["unchanged"],
            },
            Some(_) => &["refreshed"],
        }
    }

    /// End of `ensure`: REASON.
    pub fn ensured(&self) -> &'static str {
        match &self.secret {
            _ if !self.may_pull => "pull-forbidden",
            _ if self.robot.is_some_and(|robot| robot.is_wrong) => "credential-rejected",
            _ if self.robot.is_some_and(|robot| robot.one_is_down) => "registry-unavailable",
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
            Managed::Old if self.robot.is_some() => {
                complaints.extend(stored.rewritten.then_some("reverted"));
            }
            Managed::Old => complaints.push("expires-before-next-run"),
            Managed::OfAnother => complaints.extend(["credential-rejected", "ok"]),
        }
        if !self.may_pull {
            complaints.retain(|complaint| *complaint != "ok");
            complaints.push("pull-forbidden");
        }
        if self.robot.is_some_and(|robot| robot.one_is_down) {
            // It has an entry once a run has added it.
            complaints.extend(["registry-unavailable", "no-matching-entry"]);
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
            Event::TakesEntry => (self.managed, self.rewritten) = (Managed::None, self.annotated),
            Event::Unwraps => self.wrapped = false,
            Event::Blanks => {
                (self.wrapped, self.managed, self.entry) = (true, Managed::None, None);
                self.rewritten = self.annotated;
            }
            Event::Restores => {
                if self.managed != Managed::None {
                    self.managed = Managed::OfAnother;
                }
            }
            Event::Ages => (self.managed, self.rewritten) = (Managed::Old, self.annotated),
            Event::Ensure
            | Event::Verify
            | Event::Plan
            | Event::Fault(_)
            | Event::Killed(..)
            | Event::Deletes
            | Event::Wrongs(_)
            | Event::Falls(_)
            | Event::Revokes
            | Event::Grants => {}
        }
    }
}
