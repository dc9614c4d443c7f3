//! One thing that was found, and the order of several.

use crate::outcome::{Reason, Status};

/// One thing that was found. Its texts hold nothing from outside but names made of `A-Za-z0-9._:/@-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The row of the table.
    pub reason: Reason,
    /// The work was done all the same, only its proof is incomplete: `WARNING`, exit code 0.
    pub warning: bool,
    /// What it is about, whole: an image reference, a registry, a variable, a key of the document.
    pub subject: Option<String>,
    /// What was attempted, on which object, and what came back: half a sentence, its names clipped.
    pub cause: String,
    /// What to do, where that is more than the table's sentence.
    pub remedy: Option<String>,
    /// YAML or commands to paste, whole.
    pub paste: Option<String>,
}

impl Finding {
    /// A finding with the table's own remedy.
    pub fn new(reason: Reason, cause: impl Into<String>) -> Self {
        Self {
            reason,
            warning: false,
            subject: None,
            cause: cause.into(),
            remedy: None,
            paste: None,
        }
    }

    /// Names what it is about.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Says what to do here, instead of the table's sentence.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Adds YAML or commands to paste.
    #[must_use]
    pub fn with_paste(mut self, paste: impl Into<String>) -> Self {
        self.paste = Some(paste.into());
        self
    }

    /// The work is done, only the proof is incomplete.
    #[must_use]
    pub fn as_warning(mut self) -> Self {
        self.warning = true;
        self
    }

    /// The exit code that this finding alone would give.
    pub fn exit_code(&self) -> u8 {
        if self.warning {
            0
        } else {
            self.reason.info().exit_code
        }
    }

    /// The status that this finding alone would give.
    pub fn status(&self) -> Status {
        if self.warning {
            Status::Warning
        } else {
            self.reason.info().status
        }
    }

    /// Severity, the most severe first. Of warnings: others interfere, not verified, anonymous access, unreachable.
    pub fn severity(&self) -> u8 {
        let severity = self.reason.info().severity;
        match (self.warning, self.reason) {
            (false, _) | (true, Reason::NotVerified | Reason::RegistryAnonymous) => severity,
            (true, Reason::Reverted) => 12,
            (true, _) => 15,
        }
    }

    /// What to do, in one sentence.
    pub fn remedy(&self) -> &str {
        self.remedy.as_deref().unwrap_or(self.reason.info().remedy)
    }
}

/// The finding that decides: the most_severe, the first listed where equal.
pub fn most_severe(findings: &[Finding]) -> Option<&Finding> {
    findings.iter().min_by_key(|finding| finding.severity())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_gravest_decides() {
        let findings = [
            Finding::new(Reason::TagMissing, "first"),
            Finding::new(Reason::PullForbidden, "second"),
            Finding::new(Reason::PullForbidden, "third"),
        ];
        assert_eq!(
            most_severe(&findings).map(|finding| finding.cause.as_str()),
            Some("second")
        );
    }

    #[test]
    fn an_unreachable_registry_as_a_warning_is_less_grave_than_a_missing_tag_and_ends_with_0() {
        let warning = Finding::new(Reason::RegistryUnavailable, "no answer").as_warning();
        assert_eq!((warning.exit_code(), warning.status()), (0, Status::Warning));
        let findings = [warning, Finding::new(Reason::TagMissing, "no such tag")];
        assert_eq!(
            most_severe(&findings).map(|finding| finding.reason),
            Some(Reason::TagMissing)
        );
    }
}
