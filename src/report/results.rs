//! The results: seven small files, of which programs read one value each.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Report;

/// A result, as a Task declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultName {
    /// How it ended.
    Status,
    /// What happened to the Secret.
    Action,
    /// Why it ended so.
    Reason,
    /// The same for people.
    Message,
    /// When the stored credential expires.
    ExpiresAt,
    /// The least that was proven.
    Verified,
    /// The outcome as Konflux reads it.
    TestOutput,
}

impl ResultName {
    /// Every result, in the order of the contract.
    pub const ALL: &'static [Self] = &[
        Self::Status,
        Self::Action,
        Self::Reason,
        Self::Message,
        Self::ExpiresAt,
        Self::Verified,
        Self::TestOutput,
    ];

    /// The result's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "STATUS",
            Self::Action => "ACTION",
            Self::Reason => "REASON",
            Self::Message => "MESSAGE",
            Self::ExpiresAt => "EXPIRES_AT",
            Self::Verified => "VERIFIED",
            Self::TestOutput => "TEST_OUTPUT",
        }
    }

    /// What it says, in one sentence.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Status => {
                "SUCCESS; WARNING (the work is done, the proof is incomplete); FAILURE (verification says no); ERROR \
                 (the work could not be done, or the proof not finished)."
            }
            Self::Action => {
                "What happened to the Secret, whatever STATUS says: created, repaired, refreshed, unchanged or none."
            }
            Self::Reason => "One word of the table of reasons; ok on success.",
            Self::Message => {
                "One sentence of at most 300 bytes: cause and remedy; on success what was proven and when the \
                 credential expires."
            }
            Self::ExpiresAt => "When the stored credential expires, RFC 3339 in UTC; empty where unknown.",
            Self::Verified => {
                "The least that was proven of what is stored: pull (every image), login (every registry accepts it), \
                 review (only the API server does) or none."
            }
            Self::TestOutput => {
                "JSON as Konflux's ADR-0030 has it: result, timestamp, successes, failures, warnings, note (= REASON)."
            }
        }
    }

    /// The variable that names its file.
    pub fn variable(self) -> String {
        format!("RESULTS_{}_PATH", self.as_str())
    }
}

/// The outcome as Konflux's ADR-0030 has it.
#[derive(Serialize)]
struct TestOutput<'a> {
    result: &'a str,
    timestamp: &'a str,
    successes: usize,
    failures: usize,
    warnings: usize,
    note: &'a str,
}

/// The value of a result.
pub(super) fn value(result: ResultName, report: &Report) -> String {
    match result {
        ResultName::Status => report.status.to_owned(),
        ResultName::Action => report.action.to_owned(),
        ResultName::Reason => report.reason.to_owned(),
        ResultName::Message => report.message.clone(),
        ResultName::ExpiresAt => report.expires_at.clone().unwrap_or_default(),
        ResultName::Verified => report.verified.to_owned(),
        ResultName::TestOutput => test_output(report),
    }
}

fn test_output(report: &Report) -> String {
    let passed = |checks: &[super::CheckRow]| checks.iter().filter(|check| check.reason.is_none()).count();
    let warnings = report
        .findings
        .iter()
        .filter(|finding| finding.exit_code == 0)
        .count();
    let output = TestOutput {
        result: report.status,
        timestamp: &report.timestamp,
        successes: passed(&report.registries).saturating_add(passed(&report.images)),
        failures: report.findings.len().saturating_sub(warnings),
        warnings: warnings.saturating_add(report.warnings()),
        note: report.reason,
    };
    // Texts and numbers can't fail to serialise.
    serde_json::to_string(&output).unwrap_or_default()
}

/// A result that could not be written.
#[derive(Debug)]
pub(super) struct Unwritten {
    pub result: ResultName,
    pub kind: io::ErrorKind,
}

/// Writes every result that is wanted, verbatim, and tells which could not be written. Each is tried.
pub(super) fn write(paths: &[(ResultName, PathBuf)], report: &Report) -> Vec<Unwritten> {
    paths
        .iter()
        .filter_map(|(result, path)| {
            let error = write_one(path, &value(*result, report)).err()?;
            Some(Unwritten {
                result: *result,
                kind: error.kind(),
            })
        })
        .collect()
}

fn write_one(path: &Path, value: &str) -> io::Result<()> {
    fs::write(path, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_names_its_variable() {
        assert_eq!(ResultName::ExpiresAt.variable(), "RESULTS_EXPIRES_AT_PATH");
    }
}
