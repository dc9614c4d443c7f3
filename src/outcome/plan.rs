//! The plan: what `ensure` would change, without secrets.

use super::Action;

/// What `ensure` would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What its ACTION would be.
    pub action: Action,
    /// Why, in half a sentence; none where nothing would change.
    pub because: Option<&'static str>,
    /// What would change, without secrets; empty where nothing would.
    pub diff: Diff,
}

/// What happens to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
    /// It comes.
    Add,
}

impl Change {
    /// The sign in the first column.
    pub const fn sign(self) -> char {
        match self {
            Self::Keep => ' ',
            Self::Remove => '-',
            Self::Add => '+',
        }
    }
}

/// Lines in the order of the object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff(pub Vec<(Change, String)>);

impl Diff {
    /// Adds a line.
    pub fn line(&mut self, change: Change, text: impl Into<String>) {
        self.0.push((change, text.into()));
    }

    /// Adds one value of a map; `None` on either side: it isn't there.
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
