//! Plan: changes that `ensure` would make, without secrets.

use super::Action;

/// Changes that `ensure` would make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Action of `ensure`.
    pub action: Action,
    /// Cause, half a sentence; none without a change.
    pub because: Option<&'static str>,
    /// Changed lines, without secrets.
    pub diff: Diff,
}

/// Change of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Unchanged.
    Keep,
    /// Removed.
    Remove,
    /// Added.
    Add,
}

impl Change {
    /// Sign in the first column.
    pub const fn sign(self) -> char {
        match self {
            Self::Keep => ' ',
            Self::Remove => '-',
            Self::Add => '+',
        }
    }
}

/// Changed lines in the order of the object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff(pub Vec<(Change, String)>);

impl Diff {
    /// Adds a line.
    pub fn line(&mut self, change: Change, text: impl Into<String>) {
        self.0.push((change, text.into()));
    }

    /// Adds one value of a map; `None` means absent.
    pub fn value(&mut self, name: &str, old: Option<String>, new: Option<String>) {
        if old == new {
            return;
        }
        for (change, value) in [(Change::Remove, old), (Change::Add, new)] {
            if let Some(value) = value {
                self.line(change, format!("    {name}: {value}"));
            }
        }
    }
}
