//! Results: seven files with one value each.

use std::path::PathBuf;

use serde::Serialize;

use super::Report;
use crate::file;
use crate::outcome::ResultName;

/// Outcome in the format of Konflux ADR-0030.
#[derive(Serialize)]
struct TestOutput<'a> {
    result: &'a str,
    timestamp: &'a str,
    successes: usize,
    failures: usize,
    warnings: usize,
    note: &'a str,
}

/// Value of a result.
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

/// Result that could not be written.
#[derive(Debug)]
pub(super) struct Unwritten {
    pub result: ResultName,
    pub problem: &'static str,
}

/// Writes every requested result verbatim; returns those that could not be written.
pub(super) fn write(paths: &[(ResultName, PathBuf)], report: &Report) -> Vec<Unwritten> {
    let files = paths
        .iter()
        .map(|(result, path)| (path.clone(), value(*result, report)));
    let written = file::write(files.collect());
    paths
        .iter()
        .zip(written)
        .filter_map(|((result, _), written)| {
            Some(Unwritten {
                result: *result,
                problem: written.err()?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_has_its_variable() {
        assert_eq!(ResultName::ExpiresAt.variable(), "RESULTS_EXPIRES_AT_PATH");
    }
}
