//! Checks of `doctor`.

/// Check of `doctor` that passed, maybe with a warning; a failed check is a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoctorCheck {
    /// True for a warning.
    pub warning: bool,
    /// Name of the check, one word.
    pub name: &'static str,
    /// Result, half a sentence.
    pub message: String,
    /// Remedy, in one sentence, if there is something to do.
    pub remedy: Option<String>,
    /// YAML to paste.
    pub paste: Option<String>,
}

impl DoctorCheck {
    /// Passed check.
    pub fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self {
            warning: false,
            name,
            message: message.into(),
            remedy: None,
            paste: None,
        }
    }

    /// Passed check with a warning.
    pub fn warn(name: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            warning: true,
            remedy: Some(remedy.into()),
            ..Self::ok(name, message)
        }
    }

    /// Adds YAML to paste, if there is any.
    #[must_use]
    pub fn with_paste(mut self, paste: impl Into<Option<String>>) -> Self {
        self.paste = paste.into();
        self
    }
}
