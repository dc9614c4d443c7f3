//! Outputs of one run of the program, checked against the promises of every run.

use std::{fmt, path::Path};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Output, canary::Canary, report_schema};

/// The results of the contract, section 3.
pub const RESULTS: [&str; 7] = [
    "STATUS",
    "ACTION",
    "REASON",
    "MESSAGE",
    "EXPIRES_AT",
    "VERIFIED",
    "TEST_OUTPUT",
];
/// Limit of all results together, in bytes, with JSON escapes.
const RESULTS_LIMIT: usize = 1024;
/// MESSAGE's limit, in bytes.
const MESSAGE_LIMIT: usize = 300;

/// Everything that a run of the program put out.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Standard output's one JSON object.
    pub report: Value,
    /// Unparsed outputs.
    pub output: Output,
}

impl Outcome {
    /// The outcome of a run, checked: one JSON object on standard output that matches `schema`; all results of
    /// `wanted` written, small, without a newline at the end; the last line of standard error; the same words in all of
    /// them; no canary in any.
    ///
    /// # Errors
    /// If a promise is broken; the error shows all outputs.
    pub(super) fn checked(
        output: Output,
        wanted: &[&str],
        canaries: &[Canary],
        schema: &Path,
    ) -> Result<Self> {
        // Before anything is printed.
        for canary in canaries {
            output.ensure_no_trace_of(canary)?;
        }
        let mut outcome = Self {
            report: Value::Null,
            output,
        };
        let checks = outcome.check(wanted, schema);
        checks.map_err(|error| error.context(outcome.to_string()))?;
        Ok(outcome)
    }

    /// Asserts how the run ended: STATUS, ACTION, REASON and the exit code.
    ///
    /// # Panics
    /// If it ended otherwise; shows all outputs.
    #[track_caller]
    pub fn expect(&self, status: &str, action: &str, reason: &str, exit: i32) -> &Self {
        if let Err(error) = self.ensure_ended((status, action, reason, exit)) {
            panic!("{error}");
        }
        self
    }

    pub(super) fn ensure_ended(&self, expected: (&str, &str, &str, i32)) -> Result<()> {
        let ended = (
            self.result("STATUS"),
            self.result("ACTION"),
            self.result("REASON"),
            self.output.exit,
        );
        ensure!(
            ended == expected,
            "expected {expected:?}, but the run ended with {ended:?}\n{self}"
        );
        Ok(())
    }

    /// Asserts VERIFIED.
    ///
    /// # Panics
    /// If it is another; shows all outputs.
    #[track_caller]
    pub fn expect_verified(&self, verified: &str) -> &Self {
        assert!(
            self.result("VERIFIED") == verified,
            "expected VERIFIED {verified:?}\n{self}"
        );
        self
    }

    /// Asserts that MESSAGE names something.
    ///
    /// # Panics
    /// If it doesn't; shows all outputs.
    #[track_caller]
    pub fn expect_message(&self, part: &str) -> &Self {
        assert!(
            self.result("MESSAGE").contains(part),
            "expected {part:?} in MESSAGE\n{self}"
        );
        self
    }

    /// One result; empty if it was not requested.
    pub fn result(&self, name: &str) -> &str {
        self.output.results.get(name).map_or("", String::as_str)
    }

    /// Asserts that a secret the test learnt only now is in no output either.
    ///
    /// # Panics
    /// If it is; without showing the outputs.
    #[track_caller]
    pub fn expect_no_trace_of(&self, secret: &str) -> &Self {
        if let Err(error) = self.output.ensure_no_trace_of(&Canary::new(secret)) {
            panic!("{error}");
        }
        self
    }

    fn check(&mut self, wanted: &[&str], schema: &Path) -> Result<()> {
        let mut objects = serde_json::Deserializer::from_str(&self.output.stdout).into_iter::<Value>();
        self.report = objects
            .next()
            .context("standard output is empty")?
            .context("standard output is not JSON")?;
        ensure!(self.report.is_object(), "standard output is no JSON object");
        ensure!(
            objects.next().is_none(),
            "standard output has more than one JSON value"
        );
        report_schema::check(&self.report, schema)?;

        let mut size = 0;
        for name in wanted {
            let value = self
                .output
                .results
                .get(*name)
                .with_context(|| format!("result {name} was not written"))?;
            ensure!(
                !value.ends_with(['\n', '\r']),
                "result {name} ends with a newline"
            );
            size += serde_json::to_string(value)?.len();
        }
        ensure!(size < RESULTS_LIMIT, "the results have {size} bytes");
        ensure!(
            self.result("MESSAGE").len() <= MESSAGE_LIMIT,
            "MESSAGE is too long"
        );
        self.check_agreement(wanted)?;
        self.check_last_line()
    }

    /// The report agrees with the results and the exit code.
    fn check_agreement(&self, wanted: &[&str]) -> Result<()> {
        ensure!(
            self.report.get("exit_code") == Some(&Value::from(self.output.exit)),
            "the report's exit_code is not the exit code {}",
            self.output.exit
        );
        for (name, field) in [
            ("STATUS", "status"),
            ("ACTION", "action"),
            ("REASON", "reason"),
            ("MESSAGE", "message"),
            ("VERIFIED", "verified"),
        ] {
            if wanted.contains(&name) {
                ensure!(
                    self.report.get(field).and_then(Value::as_str) == Some(self.result(name)),
                    "result {name} and the report's {field} differ"
                );
            }
        }
        if wanted.contains(&"TEST_OUTPUT") {
            let test_output: Value =
                serde_json::from_str(self.result("TEST_OUTPUT")).context("TEST_OUTPUT is not JSON")?;
            for (field, reported) in [("result", "status"), ("note", "reason")] {
                ensure!(
                    test_output.get(field) == self.report.get(reported),
                    "TEST_OUTPUT's {field} and the report's {reported} differ"
                );
            }
        }
        Ok(())
    }

    /// `STATUS REASON (exit N): MESSAGE`, or a record with them if the log is JSON.
    fn check_last_line(&self) -> Result<()> {
        let field = |name: &str| self.report.get(name).and_then(Value::as_str).unwrap_or_default();
        let last = self
            .output
            .stderr
            .lines()
            .last()
            .context("standard error is empty")?;
        if let Ok(record) = serde_json::from_str::<Value>(last) {
            for line in self.output.stderr.lines() {
                serde_json::from_str::<Value>(line)
                    .with_context(|| format!("a line of the JSON log is not JSON: {line:?}"))?;
            }
            ensure!(
                record.get("status") == self.report.get("status")
                    && record.get("reason") == self.report.get("reason"),
                "the last record of the log doesn't have the report's status and reason"
            );
            return Ok(());
        }
        let expected = format!(
            "{} {} (exit {}): {}",
            field("status"),
            field("reason"),
            self.output.exit,
            field("message")
        );
        ensure!(
            last == expected,
            "the last line of standard error is not {expected:?}"
        );
        Ok(())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "exit code: {}", self.output.exit)?;
        for (name, value) in &self.output.results {
            writeln!(formatter, "{name}: {value}")?;
        }
        writeln!(formatter, "standard output: {}", self.output.stdout.trim_end())?;
        write!(formatter, "standard error:\n{}", self.output.stderr.trim_end())
    }
}
