//! Checks of `doctor`.

/// A check of `doctor` that does not fail; what fails is a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoctorCheck {
    /// Whether it is a warning.
    pub warning: bool,
    /// Name of the check, one word.
    pub name: &'static str,
    /// Result, half a sentence.
    pub message: String,
    /// What to do, in one sentence; none where there is nothing to do.
    pub remedy: Option<String>,
    /// YAML to paste.
    pub paste: Option<String>,
}

impl DoctorCheck {
    /// A passed check.
    pub fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self {
            warning: false,
            name,
            message: message.into(),
            remedy: None,
            paste: None,
        }
    }

    /// A passed check that needs attention.
    pub fn warn(name: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            warning: true,
            remedy: Some(remedy.into()),
            ..Self::ok(name, message)
        }
    }

    /// With YAML to paste.
    #[must_use]
    pub fn with_paste(mut self, paste: impl Into<String>) -> Self {
        self.paste = Some(paste.into());
        self
    }
}
