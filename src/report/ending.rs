//! End of a run: writes results, report, termination message, log and last line, in this order.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use tracing::{error, info, warn};

use super::Report;
use super::console;
use super::message::in_sentence;
use super::results::{self, Unwritten};
use crate::config::ReportContext;
use crate::config::{LogFormat, LogLevel, Output, Problem};
use crate::credential::KnownSecrets;
use crate::file;
use crate::outcome::Outcome;
use crate::text::one_line;

/// How long report and log may take to be printed: nobody may read a pipe that is full.
const PRINT_TIMEOUT: Duration = Duration::from_secs(5);

/// Reports a run on standard output, standard error and in the configured files; returns its exit code.
///
/// A result that can't be written makes the run exit with 64, since its path is part of the configuration: otherwise the
/// pipeline would fail later at the missing result, without a cause. The other results have that exit code's reason. A
/// termination message that can't be written is only logged, since the log ends with the same text.
///
/// Starts the log if an invalid configuration prevented that.
pub fn finish(
    mut outcome: Outcome,
    mut context: ReportContext,
    mut problems: Vec<Problem>,
    output: &Output,
    now: Timestamp,
    secrets: &KnownSecrets,
) -> ExitCode {
    crate::report::log::init(output);
    redact(&mut outcome, &mut context, &mut problems, secrets);
    let concluded = Concluded::new(&outcome, &context, &problems, output, now);
    let code = concluded.report.exit_code;
    let json = concluded.json();
    print_within(move || print_json(&json, &mut io::stdout().lock()));
    let unwritten = concluded.write_termination_message(output);
    let output = output.clone();
    print_within(move || concluded.log(unwritten, &output, &mut io::stderr()));
    ExitCode::from(code)
}

/// Runs `print`, for at most [`PRINT_TIMEOUT`].
pub fn print_within(print: impl FnOnce() + Send + 'static) {
    // Where it takes longer, there is no place to report that.
    let _ = file::within(PRINT_TIMEOUT, Box::new(print));
}

/// Removes the run's secrets from everything that a report is made from.
pub(super) fn redact(
    outcome: &mut Outcome,
    context: &mut ReportContext,
    problems: &mut [Problem],
    secrets: &KnownSecrets,
) {
    let mut texts = outcome.texts();
    texts.extend(&mut context.namespace);
    texts.extend(&mut context.name);
    for problem in problems {
        texts.push(&mut problem.problem);
        texts.extend(&mut problem.given);
        texts.extend(&mut problem.example);
    }
    secrets.redact(texts);
}

/// [`finish`] with other writers. Their errors are ignored: there is no other place to report them.
///
/// Standard output is written before the last line, since a container's log has both. The termination message is written between
/// them: a container runtime reads two pipes, and confuses the order of lines that are written at once.
pub(super) fn write(
    outcome: &Outcome,
    context: &ReportContext,
    problems: &[Problem],
    output: &Output,
    now: Timestamp,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> u8 {
    let concluded = Concluded::new(outcome, context, problems, output, now);
    print_json(&concluded.json(), stdout);
    let unwritten = concluded.write_termination_message(output);
    let code = concluded.report.exit_code;
    concluded.log(unwritten, output, stderr);
    code
}

fn print_json(json: &str, stdout: &mut dyn Write) {
    let _ = writeln!(stdout, "{json}");
    let _ = stdout.flush();
}

/// A run whose results are written: a full pipe can't delay them.
struct Concluded {
    report: Report,
}

impl Concluded {
    fn new(
        outcome: &Outcome,
        context: &ReportContext,
        problems: &[Problem],
        output: &Output,
        now: Timestamp,
    ) -> Self {
        let mut report = Report::new(outcome, context, problems, output.strict, now);
        let unwritten = results::write(&output.results, &report);
        if !unwritten.is_empty() {
            let problems: Vec<Problem> = problems
                .iter()
                .cloned()
                .chain(unwritten.iter().map(of_unwritten))
                .collect();
            report = Report::new(outcome, context, &problems, output.strict, now);
            // The writable results must agree with the exit code.
            results::write(&output.results, &report);
        }
        Self { report }
    }

    fn json(&self) -> String {
        serde_json::to_string(&self.report).unwrap_or_default()
    }

    /// Returns why there is no termination message.
    fn write_termination_message(&self, output: &Output) -> Option<&'static str> {
        let path = output.termination_message_file.clone()?;
        let written = file::write(vec![(path, self.report.termination_message())]);
        written.into_iter().find_map(Result::err)
    }

    /// Logs everything but the report, and the last line.
    fn log(&self, unwritten: Option<&'static str>, output: &Output, stderr: &mut dyn Write) {
        log(&self.report, output, stderr);
        if let Some(problem) = unwritten {
            warn!("the file of PULL_SECRET_TERMINATION_MESSAGE_FILE could not be written: {problem}");
        }
        last_line(&self.report, output.log_format, stderr);
    }
}

fn of_unwritten(unwritten: &Unwritten) -> Problem {
    let name = unwritten.result.as_str();
    let problem = format!(
        "names a file for the result {name} that could not be written: {}",
        unwritten.problem
    );
    // Tekton's directory of results.
    let example = format!("/tekton/results/{name}");
    Problem::for_name(&unwritten.result.variable(), None, problem, Some(&example))
}

/// Logs plan or checks, findings with their YAML, and notes.
fn log(report: &Report, output: &Output, stderr: &mut dyn Write) {
    let format = output.log_format;
    if let Some(plan) = &report.plan {
        console::plan(plan, format, console::Paint::of_stderr(), stderr);
    }
    match &report.doctor {
        Some(lines) => console::doctor(lines, format, console::Paint::of_stderr(), stderr),
        None => {
            findings(report, output, stderr);
            if let Some(excess) = report.excess() {
                console::excess(
                    excess,
                    report.credential.service_account.as_deref(),
                    format,
                    stderr,
                );
            }
        }
    }
    for warning in &report.warnings {
        warn!("{warning}");
    }
    for note in &report.notes {
        info!("{note}");
    }
}

fn findings(report: &Report, output: &Output, stderr: &mut dyn Write) {
    let format = output.log_format;
    let mut pasted: Vec<&str> = Vec::new();
    for finding in &report.findings {
        let (cause, remedy) = (&finding.cause, &finding.remedy);
        match (format, finding.exit_code) {
            (LogFormat::Text, 0) => warn!("{}: {cause}; {}", finding.reason, in_sentence(remedy)),
            (LogFormat::Text, _) => error!("{}: {cause}; {}", finding.reason, in_sentence(remedy)),
            (LogFormat::Json, 0) => warn!(reason = finding.reason, remedy, paste = finding.paste, "{cause}"),
            (LogFormat::Json, _) => error!(reason = finding.reason, remedy, paste = finding.paste, "{cause}"),
        }
        let shown = finding.exit_code != 0 || output.log_level != LogLevel::Error;
        if let (LogFormat::Text, Some(paste), true) = (format, finding.paste.as_deref(), shown)
            && !pasted.contains(&paste)
        {
            // Without time and level before each line, so that it can be copied.
            pasted.push(paste);
            let _ = writeln!(stderr, "{}", paste.trim_end_matches('\n'));
        }
    }
}

/// Last line in the format `json`.
#[derive(Serialize)]
struct LastRecord<'a> {
    timestamp: &'a str,
    level: &'a str,
    message: &'a str,
    status: &'a str,
    reason: &'a str,
    exit_code: u8,
    target: &'a str,
}

fn last_line(report: &Report, format: LogFormat, stderr: &mut dyn Write) {
    let line = match format {
        LogFormat::Text => one_line(&report.last_line()),
        LogFormat::Json => {
            let level = match report.status {
                "SUCCESS" => "INFO",
                "WARNING" => "WARN",
                _ => "ERROR",
            };
            let record = LastRecord {
                timestamp: &report.timestamp,
                level,
                message: &report.message,
                status: report.status,
                reason: report.reason,
                exit_code: report.exit_code,
                target: env!("CARGO_CRATE_NAME"),
            };
            serde_json::to_string(&record).unwrap_or_default()
        }
    };
    let _ = writeln!(stderr, "{line}");
    let _ = stderr.flush();
}
