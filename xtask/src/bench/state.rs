//! The states that are measured.

use serde::{Deserialize, Serialize};

/// What a run finds.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum State {
    /// No Secret.
    FirstRun,
    /// A Secret whose token must be replaced.
    Refresh,
    /// A Secret that is right.
    Steady,
}

impl State {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 3] = [Self::FirstRun, Self::Refresh, Self::Steady];

    /// Its name in the tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstRun => "first run",
            Self::Refresh => "refresh",
            Self::Steady => "steady state",
        }
    }

    /// What the program's ACTION must be.
    pub const fn action(self) -> &'static str {
        match self {
            Self::FirstRun => "created",
            Self::Refresh => "refreshed",
            Self::Steady => "unchanged",
        }
    }
}
