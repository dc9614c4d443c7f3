//! What a run is about, for its report.

use super::Mode;

/// What a run is about, as far as the configuration could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportContext {
    /// What was to be done.
    pub mode: Option<Mode>,
    /// The Secret's namespace; the run fills it in where it is the pod's own.
    pub namespace: Option<String>,
    /// The Secret's name.
    pub name: Option<String>,
    /// `PULL_SECRET_NEXT_RUN_WITHIN` is not set: MESSAGE says so.
    pub next_run_unknown: bool,
}
