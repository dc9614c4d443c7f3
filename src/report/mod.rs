//! Report of a run: results for pipelines, one JSON object for programs, the log for people, and the exit code.
//!
//! All of them are made from one [`Report`], so they agree.

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

pub use ending::{finish, print_within};
pub use panic::on_panic;

/// Longest name from outside in the report, in characters: `namespace/name` with both at their limits.
const NAME_MAX: usize = 317;

/// Full report, as written to standard output and described by `docs/report.schema.json`.
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
    warnings: Vec<String>,
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
    /// Creates the report of a run.
    ///
    /// `problems` are configuration errors; they count as findings and outrank the others by their reason. If `strict`
    /// is false, the exit code is that of the most severe `ERROR`, and 0 without one. `now` is the time in the report.
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
            Status::Failure if !strict => {
                let is_error = |finding: &&Finding| finding.status() == Status::Error;
                let error = findings
                    .iter()
                    .filter(is_error)
                    .min_by_key(|finding| finding.severity());
                error.map_or(0, Finding::exit_code)
            }
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
            warnings: outcome.warnings.iter().map(|warning| one_line(warning)).collect(),
            plan: outcome.plan.as_ref().map(rows::plan),
            doctor: (context.mode == Some(Mode::Doctor)).then(|| rows::doctor(outcome, &findings)),
            problems: problems.to_vec(),
            remedy: deciding.and_then(|deciding| pastes(&findings, deciding.reason)),
        }
    }

    /// Number of warnings that are no findings.
    fn warnings(&self) -> usize {
        match &self.doctor {
            // Findings are counted elsewhere.
            Some(lines) => {
                let warnings = lines.iter().filter(|line| line.verdict == "warn").count();
                let findings = self
                    .findings
                    .iter()
                    .filter(|finding| finding.exit_code == 0)
                    .count();
                warnings.saturating_sub(findings)
            }
            None => self
                .warnings
                .len()
                .saturating_add(usize::from(self.excess().is_some())),
        }
    }

    /// Excess permissions of the stored credential, if there are any.
    fn excess(&self) -> Option<&ExcessRow> {
        let excess = self.credential.excess.as_ref();
        excess.filter(|excess| !excess.permissions.is_empty())
    }

    /// Last line of the log.
    fn last_line(&self) -> String {
        format!(
            "{} {} (exit {}): {}",
            self.status, self.reason, self.exit_code, self.message
        )
    }

    /// Termination message, which Kubernetes shows beside the exit code.
    fn termination_message(&self) -> String {
        format!("{} {}: {}", self.status, self.reason, self.message)
    }
}

/// Finding for a configuration error.
fn of_problem(problem: &Problem) -> Finding {
    Finding::new(Reason::InvalidConfiguration, problem.cause())
        .about(problem.variable.as_str())
        .with_remedy(problem.remedy())
}

/// Everything to paste for the deciding reason, once each, as one YAML stream.
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
