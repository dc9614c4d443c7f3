//! Outcome of a run: the data of its report.

mod check;
mod excess_permissions;
mod finding;
mod plan;
mod progress;
mod reason;
mod result_name;

pub use self::{
    check::DoctorCheck,
    excess_permissions::ExcessPermissions,
    finding::{Finding, most_severe},
    plan::{Change, Diff, Plan},
    progress::Progress,
    reason::{Reason, Status},
    result_name::ResultName,
};
use crate::credential::CredentialSummary;

/// Action on the Secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// Nothing was written, or the mode is read-only.
    #[default]
    None,
    /// `ensure` had nothing to write.
    Unchanged,
    /// Credential or metadata was written.
    Refreshed,
    /// The structure of the document was repaired.
    Repaired,
    /// The Secret, or only the placeholder, was created.
    Created,
    /// A write was sent, its answer was lost, and the Secret could not be read again.
    Unknown,
}

impl Action {
    /// Value of the result ACTION.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Unchanged => "unchanged",
            Self::Refreshed => "refreshed",
            Self::Repaired => "repaired",
            Self::Created => "created",
            Self::Unknown => "unknown",
        }
    }
}

/// Verification that a run reached, the weakest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verified {
    /// Nothing.
    #[default]
    None,
    /// The API server accepts the credential.
    Review,
    /// Every registry accepts the credential.
    Login,
    /// The credential pulls every image asked for.
    Pull,
}

impl Verified {
    /// Value of the result VERIFIED.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Review => "review",
            Self::Login => "login",
            Self::Pull => "pull",
        }
    }
}

/// Result of the verification at one registry or of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Registry or image reference.
    pub subject: String,
    /// Weakest verification reached.
    pub verified: Verified,
    /// Reason of the failure, if any.
    pub reason: Option<&'static str>,
}

/// Outcome of a run: what its report is made from.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Namespace of the Secret, if known.
    pub namespace: Option<String>,
    /// Action on the Secret.
    pub action: Action,
    /// Findings; empty means `ok`.
    pub findings: Vec<Finding>,
    /// Hints that change neither status nor exit code, one sentence each.
    pub notes: Vec<String>,
    /// Warnings that change neither status nor exit code and are counted in TEST_OUTPUT, one sentence each.
    pub warnings: Vec<String>,
    /// Stored credential.
    pub credential: CredentialSummary,
    /// Excess permissions of the credential; none if unknown.
    pub excess: Option<ExcessPermissions>,
    /// Weakest verification reached.
    pub verified: Verified,
    /// One row per registry.
    pub registries: Vec<Check>,
    /// One row per image.
    pub images: Vec<Check>,
    /// Plan; only in mode `plan`.
    pub plan: Option<Plan>,
    /// Checks that passed, maybe with a warning; only in mode `doctor`. Failed checks are findings.
    pub lines: Vec<DoctorCheck>,
}

impl Outcome {
    /// All texts that may contain names from outside.
    pub fn texts(&mut self) -> Vec<&mut String> {
        let mut texts: Vec<&mut String> = Vec::new();
        texts.extend(&mut self.namespace);
        for finding in &mut self.findings {
            texts.push(&mut finding.cause);
            texts.extend(&mut finding.subject);
            texts.extend(&mut finding.remedy);
            texts.extend(&mut finding.paste);
        }
        texts.extend(&mut self.notes);
        texts.extend(&mut self.warnings);
        texts.extend(&mut self.credential.service_account);
        texts.extend(&mut self.credential.credential_id);
        if let Some(excess) = &mut self.excess {
            texts.extend(&mut excess.rights);
            texts.extend(&mut excess.remedy);
        }
        let checks = self.registries.iter_mut().chain(&mut self.images);
        texts.extend(checks.map(|check| &mut check.subject));
        let plan = self.plan.iter_mut().flat_map(|plan| &mut plan.diff.0);
        texts.extend(plan.map(|(_, text)| text));
        for line in &mut self.lines {
            texts.push(&mut line.message);
            texts.extend(&mut line.remedy);
            texts.extend(&mut line.paste);
        }
        texts
    }
}
