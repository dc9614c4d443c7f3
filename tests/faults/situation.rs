//! The situations that the program is found in.

use std::fmt;

/// State before a run, and the mode of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Situation {
    /// There is no Secret.
    FirstRun,
    /// A managed entry that is about to expire, among unmanaged entries.
    Refresh,
    /// The Secret needs no change.
    Steady,
    /// The document lacks `auths`.
    Repair,
    /// The Secret needs no change, and the run is `verify`.
    Verify,
}

/// A situation, and what the registry is like in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Setting {
    /// The situation.
    pub situation: Situation,
    /// The registry's certificate is not trusted, so the API server reviews the credential.
    pub reviewed: bool,
}

impl Situation {
    /// All situations.
    pub const ALL: [Self; 5] = [
        Self::FirstRun,
        Self::Refresh,
        Self::Steady,
        Self::Repair,
        Self::Verify,
    ];
}

impl Setting {
    /// All settings.
    pub fn all() -> impl Iterator<Item = Self> {
        Situation::ALL
            .into_iter()
            .flat_map(|situation| [false, true].map(|reviewed| Self { situation, reviewed }))
    }
}

impl fmt::Display for Situation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::FirstRun => "first-run",
            Self::Refresh => "refresh",
            Self::Steady => "steady",
            Self::Repair => "repair",
            Self::Verify => "verify",
        })
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.situation.fmt(formatter)?;
        if self.reviewed {
            formatter.write_str("-reviewed")?;
        }
        Ok(())
    }
}
