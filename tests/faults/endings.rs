//! Ends of runs.

use std::{collections::BTreeSet, fmt};

use test_cluster::program::Outcome;

/// End of a run: STATUS, REASON and the exit code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ending(String);

/// Some of them.
pub type Endings = BTreeSet<Ending>;

impl Ending {
    /// `ok`, or `reason (STATUS, exit code)`.
    pub fn new(reason: &str, status: &str, exit: i32) -> Self {
        Self(match reason {
            "ok" => "ok".to_owned(),
            reason => format!("{reason} ({status}, {exit})"),
        })
    }

    /// End of this run.
    pub fn of(outcome: &Outcome) -> Self {
        Self::new(
            outcome.result("REASON"),
            outcome.result("STATUS"),
            outcome.output.exit,
        )
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
