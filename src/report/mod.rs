//! What a run tells, to whom: results for pipelines, one JSON object for programs, the log for people, the exit code for
//! whatever started it.
//!
//! Everything is made from one [`Report`], so no two of them can differ.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use self::rows::{ExcessRow, LineRow, PlanRow};
use crate::config::{Mode, Problem, ReportContext};
use crate::credential::rfc3339;
use crate::outcome::{Check, Outcome};
use crate::outcome::{Finding, most_severe};
use crate::outcome::{Reason, Status};
use crate::text::{block, clip_name, one_line};

mod console;
mod ending;
pub mod log;
mod message;
mod panic;
mod results;
mod rows;
#[cfg(test)]
mod tests;

pub use ending::finish;
pub use panic::on_panic;

/// Longest name from outside in the report, in characters: `namespace/name` with both at their limits.
const NAME_MAX: usize = 317;

/// The full report: what standard output carries, as `docs/report.schema.json` describes it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    status: &'static str,
    action: &'static str,
    reason: &'static str,
    exit_code: u8,
    message: String,
    expires_at: Option<String>,
    verified: &'static str,
    mode: Option<&'static str>,
    version: &'static str,
    timestamp: String,
    secret: SecretRow,
    credential: CredentialRow,
    registries: Vec<CheckRow>,
    images: Vec<CheckRow>,
    findings: Vec<FindingRow>,
    notes: Vec<String>,
    plan: Option<PlanRow>,
    doctor: Option<Vec<LineRow>>,
    problems: Vec<Problem>,
    remedy: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct SecretRow {
    namespace: Option<String>,
    name: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct CredentialRow {
    service_account: Option<String>,
    credential_id: Option<String>,
    issued_at: Option<String>,
    expires_at: Option<String>,
    excess: Option<ExcessRow>,
}

#[derive(Clone, Debug, Serialize)]
struct CheckRow {
    subject: String,
    verified: &'static str,
    reason: Option<&'static str>,
}

#[derive(Clone, Debug, Serialize)]
struct FindingRow {
    reason: &'static str,
    exit_code: u8,
    subject: Option<String>,
    cause: String,
    remedy: String,
    paste: Option<String>,
}

impl Report {
    /// Makes the report of a run.
    ///
    /// `problems` are the mistakes of the configuration; they count as findings and outrank the others by their
    /// reason. With `strict` unset the exit code of a `FAILURE` is 0. `now` is the time the report carries.
    pub fn new(
        outcome: &Outcome,
        context: &ReportContext,
        problems: &[Problem],
        strict: bool,
        now: Timestamp,
    ) -> Self {
        let findings: Vec<Finding> = problems
            .iter()
            .map(of_problem)
            .chain(outcome.findings.iter().cloned())
            .collect();
        let deciding = most_severe(&findings);
        let (status, reason, exit_code) = match deciding {
            None => (Status::Success, Reason::Ok, 0),
            Some(finding) => (finding.status(), finding.reason, finding.exit_code()),
        };
        let exit_code = match status {
            Status::Failure if !strict => 0,
            Status::Success | Status::Warning | Status::Failure | Status::Error => exit_code,
        };
        let message = match deciding {
            None => message::of_success(outcome, context),
            Some(finding) => message::of_finding(finding, findings.len(), outcome, context),
        };
        let credential = &outcome.credential;
        let name = |name: &Option<String>| name.as_ref().map(|name| clip_name(name, NAME_MAX));
        Self {
            status: status.as_str(),
            action: outcome.action.as_str(),
            reason: reason.as_str(),
            exit_code,
            message,
            expires_at: credential.expires_at.map(rfc3339),
            verified: outcome.verified.as_str(),
            mode: context.mode.map(Mode::as_str),
            version: env!("CARGO_PKG_VERSION"),
            timestamp: rfc3339(now),
            secret: SecretRow {
                namespace: name(&context.namespace),
                name: name(&context.name),
            },
            credential: CredentialRow {
                service_account: name(&credential.service_account),
                credential_id: name(&credential.credential_id),
                issued_at: credential.issued_at.map(rfc3339),
                expires_at: credential.expires_at.map(rfc3339),
                excess: outcome.excess.as_ref().map(rows::excess),
            },
            registries: outcome.registries.iter().map(check_row).collect(),
            images: outcome.images.iter().map(check_row).collect(),
            findings: findings.iter().map(finding_row).collect(),
            notes: outcome.notes.iter().map(|note| one_line(note)).collect(),
            plan: outcome.plan.as_ref().map(rows::plan),
            doctor: (context.mode == Some(Mode::Doctor)).then(|| rows::doctor(outcome, &findings)),
            problems: problems.to_vec(),
            remedy: deciding.and_then(|deciding| pastes(&findings, deciding.reason)),
        }
    }

    /// What somebody should look at beside the findings.
    fn warnings(&self) -> usize {
        match &self.doctor {
            // A finding is counted as one.
            Some(lines) => {
                let warnings = lines.iter().filter(|line| line.verdict == "warn").count();
                let told = self
                    .findings
                    .iter()
                    .filter(|finding| finding.exit_code == 0)
                    .count();
                warnings.saturating_sub(told)
            }
            None => usize::from(self.excess().is_some()),
        }
    }

    /// What the stored credential may do beyond pulling.
    fn excess(&self) -> Option<&ExcessRow> {
        let excess = self.credential.excess.as_ref();
        excess.filter(|excess| !excess.rights.is_empty())
    }

    /// The line that ends the log.
    fn last_line(&self) -> String {
        format!(
            "{} {} (exit {}): {}",
            self.status, self.reason, self.exit_code, self.message
        )
    }

    /// What a CronJob's reader sees beside the exit code.
    fn termination_message(&self) -> String {
        format!("{} {}: {}", self.status, self.reason, self.message)
    }
}

/// A mistake of the configuration as a finding.
fn of_problem(problem: &Problem) -> Finding {
    Finding::new(Reason::InvalidConfiguration, problem.cause())
        .about(problem.variable.as_str())
        .with_remedy(problem.remedy())
}

/// All that is to be pasted for the deciding reason, once each: several YAML documents are one stream.
fn pastes(findings: &[Finding], reason: Reason) -> Option<String> {
    let mut whole = String::new();
    let mut seen: Vec<&str> = Vec::new();
    for paste in findings
        .iter()
        .filter(|finding| finding.reason == reason)
        .filter_map(|finding| finding.paste.as_deref())
    {
        if seen.contains(&paste) {
            continue;
        }
        if !seen.is_empty() && paste.starts_with("apiVersion:") {
            whole.push_str("---\n");
        }
        seen.push(paste);
        whole.push_str(&block(paste));
        if !whole.ends_with('\n') {
            whole.push('\n');
        }
    }
    (!whole.is_empty()).then_some(whole)
}

fn check_row(check: &Check) -> CheckRow {
    CheckRow {
        subject: one_line(&check.subject),
        verified: check.verified.as_str(),
        reason: check.reason,
    }
}

fn finding_row(finding: &Finding) -> FindingRow {
    FindingRow {
        reason: finding.reason.as_str(),
        exit_code: finding.exit_code(),
        subject: finding.subject.as_deref().map(one_line),
        cause: one_line(&finding.cause),
        remedy: one_line(finding.remedy()),
        paste: finding.paste.as_deref().map(block),
    }
}
