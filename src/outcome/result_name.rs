//! Results: names, meanings, and the variables with their paths.

/// A Tekton result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultName {
    /// STATUS.
    Status,
    /// ACTION.
    Action,
    /// REASON.
    Reason,
    /// MESSAGE.
    Message,
    /// EXPIRES_AT.
    ExpiresAt,
    /// VERIFIED.
    Verified,
    /// TEST_OUTPUT, for Konflux.
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

    /// Name of the result.
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

    /// Meaning, in full sentences.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Status => {
                "SUCCESS; WARNING (the work is done, the verification is incomplete); FAILURE (verification failed); \
                 ERROR (the work or the verification could not be completed)."
            }
            Self::Action => {
                "What happened to the Secret, for every STATUS: created, repaired, refreshed, unchanged, none, or unknown \
                 (the answer to a write was lost and the Secret could not be read again)."
            }
            Self::Reason => "One word from the table of reasons; ok on success.",
            Self::Message => {
                "One sentence of at most 300 bytes: cause and remedy; on success what was verified and when the \
                 credential expires."
            }
            Self::ExpiresAt => "Expiry of the stored credential, RFC 3339 in UTC; empty if unknown.",
            Self::Verified => {
                "Weakest verification reached: pull (all images can be pulled), login (all registries accept the \
                 credential), review (only the API server accepts it) or none."
            }
            Self::TestOutput => {
                "JSON in the format of Konflux ADR-0030: result, timestamp, successes, failures, warnings, note (= REASON)."
            }
        }
    }

    /// Name of the variable with the path of its file.
    pub fn variable(self) -> String {
        format!("RESULTS_{}_PATH", self.as_str())
    }
}
