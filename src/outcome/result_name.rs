//! The results by name: what a Task declares, where each is written, what it says.

/// A result, as a Task declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultName {
    /// How it ended.
    Status,
    /// What happened to the Secret.
    Action,
    /// Why it ended so.
    Reason,
    /// The same for people.
    Message,
    /// When the stored credential expires.
    ExpiresAt,
    /// The least that was proven.
    Verified,
    /// The outcome as Konflux reads it.
    TestOutput,
}

impl ResultName {
    /// Every result, in the order of the contract.
    pub const ALL: &'static [Self] = &[
        Self::Status,
        Self::Action,
        Self::Reason,
        Self::Message,
        Self::ExpiresAt,
        Self::Verified,
        Self::TestOutput,
    ];

    /// The result's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "STATUS",
            Self::Action => "ACTION",
            Self::Reason => "REASON",
            Self::Message => "MESSAGE",
            Self::ExpiresAt => "EXPIRES_AT",
            Self::Verified => "VERIFIED",
            Self::TestOutput => "TEST_OUTPUT",
        }
    }

    /// What it says, in one sentence.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Status => {
                "SUCCESS; WARNING (the work is done, the proof is incomplete); FAILURE (verification says no); ERROR \
                 (the work could not be done, or the proof not finished)."
            }
            Self::Action => {
                "What happened to the Secret, whatever STATUS says: created, repaired, refreshed, unchanged or none."
            }
            Self::Reason => "One word of the table of reasons; ok on success.",
            Self::Message => {
                "One sentence of at most 300 bytes: cause and remedy; on success what was proven and when the \
                 credential expires."
            }
            Self::ExpiresAt => "When the stored credential expires, RFC 3339 in UTC; empty where unknown.",
            Self::Verified => {
                "The least that was proven of what is stored: pull (every image), login (every registry accepts it), \
                 review (only the API server does) or none."
            }
            Self::TestOutput => {
                "JSON as Konflux's ADR-0030 has it: result, timestamp, successes, failures, warnings, note (= REASON)."
            }
        }
    }

    /// The variable that names its file.
    pub fn variable(self) -> String {
        format!("RESULTS_{}_PATH", self.as_str())
    }
}
