//! Findings and their order.

use crate::outcome::{Reason, Status};

/// Finding of a run. Text from outside in it is limited to names of `A-Za-z0-9._:/@-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Reason.
    pub reason: Reason,
    /// True if the work is done and only the verification is incomplete: `WARNING`, exit code 0.
    pub warning: bool,
    /// Full name of its object: an image reference, a registry, a variable, a key of the document.
    pub subject: Option<String>,
    /// Cause, half a sentence: operation, object and result; names are clipped.
    pub cause: String,
    /// Remedy that replaces the one of the table of reasons.
    pub remedy: Option<String>,
    /// YAML or commands to paste.
    pub paste: Option<String>,
}

impl Finding {
    /// Finding with the remedy of the table of reasons.
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

    /// Sets the name of its object.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Replaces the remedy of the table of reasons.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Adds YAML or commands to paste, if there are any.
    #[must_use]
    pub fn with_paste(mut self, paste: impl Into<Option<String>>) -> Self {
        self.paste = paste.into();
        self
    }

    /// Makes it a warning: the work is done, only the verification is incomplete.
    #[must_use]
    pub fn as_warning(mut self) -> Self {
        self.warning = true;
        self
    }

    /// Exit code of a run with only this finding.
    pub fn exit_code(&self) -> u8 {
        if self.warning {
            0
        } else {
            self.reason.info().exit_code
        }
    }

    /// Status of a run with only this finding.
    pub fn status(&self) -> Status {
        if self.warning {
            Status::Warning
        } else {
            self.reason.info().status
        }
    }

    /// Severity, 0 is the most severe. Order of warnings: reverted, not verified, anonymous access, unreachable.
    pub fn severity(&self) -> u8 {
        let severity = self.reason.info().severity;
        match (self.warning, self.reason) {
            (false, _) | (true, Reason::NotVerified | Reason::RegistryAnonymous) => severity,
            (true, Reason::Reverted) => 12,
            (true, _) => 15,
        }
    }

    /// Remedy, one sentence.
    pub fn remedy(&self) -> &str {
        self.remedy.as_deref().unwrap_or(self.reason.info().remedy)
    }
}

/// Most severe finding, the first listed of equal ones.
pub fn most_severe(findings: &[Finding]) -> Option<&Finding> {
    findings.iter().min_by_key(|finding| finding.severity())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_of_the_most_severe_findings_decides() {
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
    fn warnings_are_less_severe_than_75_and_have_the_order_of_the_contract() {
        let warning = |reason| Finding::new(reason, "a cause").as_warning();
        let order = [
            Finding::new(Reason::ApiUnavailable, "a cause"),
            warning(Reason::Reverted),
            warning(Reason::NotVerified),
            warning(Reason::RegistryAnonymous),
            warning(Reason::RegistryUnavailable),
            Finding::new(Reason::Ok, "a cause"),
        ];
        for pair in order.windows(2) {
            assert!(pair[0].severity() < pair[1].severity(), "{pair:?}");
        }
    }

    #[test]
    fn warning_of_an_unreachable_registry_is_less_severe_than_a_missing_tag() {
        let warning = Finding::new(Reason::RegistryUnavailable, "no answer").as_warning();
        assert_eq!((warning.exit_code(), warning.status()), (0, Status::Warning));
        let findings = [warning, Finding::new(Reason::TagMissing, "no such tag")];
        assert_eq!(
            most_severe(&findings).map(|finding| finding.reason),
            Some(Reason::TagMissing)
        );
    }
}
