//! Context of a run for its report.

use super::Mode;

/// Mode and Secret of a run, as far as the configuration is valid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportContext {
    /// Mode.
    pub mode: Option<Mode>,
    /// Namespace of the Secret; the run sets it if it is the pod's own.
    pub namespace: Option<String>,
    /// Name of the Secret.
    pub name: Option<String>,
    /// True if `PULL_SECRET_NEXT_RUN_WITHIN` is unset, which MESSAGE notes.
    pub next_run_unknown: bool,
}
