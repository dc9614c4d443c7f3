//! What a run did and found: everything that the report tells.

mod check;
mod excess_permissions;
mod finding;
mod plan;
mod reason;
mod result_name;

pub use self::{
    check::DoctorCheck,
    excess_permissions::ExcessPermissions,
    finding::{Finding, most_severe},
    plan::{Change, Diff, Plan},
    reason::{Reason, Status},
    result_name::ResultName,
};
use crate::credential::{CredentialSummary, KnownSecrets};

/// What happened to the Secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// Nothing was written, or nothing was to be written by this mode.
    #[default]
    None,
    /// `ensure` found nothing to write.
    Unchanged,
    /// Credential or metadata was written.
    Refreshed,
    /// The shape of the document was put right.
    Repaired,
    /// The Secret was created, be it only the placeholder.
    Created,
}

impl Action {
    /// The word written to the result ACTION.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Unchanged => "unchanged",
            Self::Refreshed => "refreshed",
            Self::Repaired => "repaired",
            Self::Created => "created",
        }
    }
}

/// The least that was proven of what is stored.
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
    /// The word written to the result VERIFIED.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Review => "review",
            Self::Login => "login",
            Self::Pull => "pull",
        }
    }
}

/// What one registry or one image was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The registry, or the image reference.
    pub subject: String,
    /// The least that was proven.
    pub verified: Verified,
    /// How the credential was found to fail, a word of the reasons; none where it did not.
    pub reason: Option<&'static str>,
}

/// What a run did and found so far. Kept outside the run itself, so that a deadline or a signal leaves it readable.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The Secret's namespace; none where that was not found out.
    pub namespace: Option<String>,
    /// What happened to the Secret.
    pub action: Action,
    /// All that was found; empty means `ok`.
    pub findings: Vec<Finding>,
    /// Hints that change neither status nor exit code, one sentence each.
    pub notes: Vec<String>,
    /// The stored credential.
    pub credential: CredentialSummary,
    /// What it may do beyond pulling; none where that was not asked, or not answered.
    pub excess: Option<ExcessPermissions>,
    /// The least that was proven of what is stored.
    pub verified: Verified,
    /// One row a registry.
    pub registries: Vec<Check>,
    /// One row an image.
    pub images: Vec<Check>,
    /// What `ensure` would do; of `plan` alone.
    pub plan: Option<Plan>,
    /// What was examined and is right, or not quite; of `doctor` alone. What is wrong is among the findings.
    pub lines: Vec<DoctorCheck>,
    /// Secrets of this run: a name from a server that shows one of them is not printed.
    pub secrets: KnownSecrets,
}
