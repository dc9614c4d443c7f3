//! Settings of the report, which are read even if the rest of the configuration is invalid.

use std::path::PathBuf;

use super::environment::Environment;
use super::problem::Problem;
use super::value::{parse_bool, path};
use super::{LogFormat, LogLevel};
use crate::outcome::ResultName;

/// Settings of the report. An invalid variable has its default here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// `PULL_SECRET_LOG`.
    pub log_level: LogLevel,
    /// `PULL_SECRET_LOG_FORMAT`.
    pub log_format: LogFormat,
    /// `PULL_SECRET_STRICT`: if false, a `FAILURE` exits with 0.
    pub strict: bool,
    /// `RESULTS_<RESULT>_PATH`: the requested results and their paths.
    pub results: Vec<(ResultName, PathBuf)>,
    /// `PULL_SECRET_TERMINATION_MESSAGE_FILE`.
    pub termination_message_file: Option<PathBuf>,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            log_level: LogLevel::default(),
            log_format: LogFormat::default(),
            strict: true,
            results: Vec::new(),
            termination_message_file: None,
        }
    }
}

impl Output {
    pub(super) fn read(environment: &Environment, problems: &mut Vec<Problem>) -> Self {
        let values = &environment.values;
        Self {
            log_level: values.log.read(problems, LogLevel::parse).unwrap_or_default(),
            log_format: values
                .log_format
                .read(problems, LogFormat::parse)
                .unwrap_or_default(),
            strict: values.strict.read(problems, parse_bool).unwrap_or(true),
            results: environment.results.clone(),
            termination_message_file: values.termination_message_file.read(problems, path),
        }
    }
}
