//! Rows of the report for single modes: plan, checks of `doctor`, and excess permissions.

use serde::Serialize;

use crate::{
    outcome::{DoctorCheck, ExcessPermissions, Finding, Outcome, Plan},
    text::{block, one_line},
};

/// Excess permissions of the stored credential.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ExcessRow {
    pub(super) permissions: Vec<String>,
    pub(super) complete: bool,
    pub(super) remedy: Option<String>,
}

/// Changes that `ensure` would make.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PlanRow {
    pub(super) action: &'static str,
    pub(super) because: Option<&'static str>,
    pub(super) diff: String,
}

/// Check of `doctor`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LineRow {
    pub(super) verdict: &'static str,
    pub(super) check: &'static str,
    pub(super) message: String,
    pub(super) remedy: Option<String>,
    pub(super) paste: Option<String>,
}

pub(super) fn excess(excess: &ExcessPermissions) -> ExcessRow {
    ExcessRow {
        permissions: excess.rights.clone(),
        complete: excess.complete,
        remedy: excess.remedy.as_deref().map(block),
    }
}

pub(super) fn plan(plan: &Plan) -> PlanRow {
    let mut diff = String::new();
    for (change, text) in &plan.diff.0 {
        diff.push(change.sign());
        diff.push(' ');
        diff.push_str(text);
        diff.push('\n');
    }
    PlanRow {
        action: plan.action.as_str(),
        because: plan.because,
        diff: block(&diff),
    }
}

/// Rows of `doctor`: failures last, where readers look first.
pub(super) fn doctor(outcome: &Outcome, findings: &[Finding]) -> Vec<LineRow> {
    let (warnings, fine): (Vec<&DoctorCheck>, Vec<&DoctorCheck>) =
        outcome.lines.iter().partition(|line| line.warning);
    let passed = fine.into_iter().chain(warnings).map(|line| LineRow {
        verdict: if line.warning { "warn" } else { "ok" },
        check: line.name,
        message: one_line(&line.message),
        remedy: line.remedy.as_deref().map(one_line),
        paste: line.paste.as_deref().map(block),
    });
    let failed = findings.iter().map(|finding| LineRow {
        verdict: if finding.warning { "warn" } else { "fail" },
        check: finding.reason.as_str(),
        message: one_line(&finding.cause),
        remedy: Some(one_line(finding.remedy())),
        paste: finding.paste.as_deref().map(block),
    });
    passed.chain(failed).collect()
}
