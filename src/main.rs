//! Wires arguments, environment, runtime and exit code together; everything else is in the library.

use std::{
    env,
    process::ExitCode,
    sync::{Arc, Mutex},
};

use ensure_pull_secret::{
    config::{Config, ConfigError, Output, Subject, help},
    hardening,
    outcome::Outcome,
    report::{self, log},
    run,
};
use k8s_openapi::jiff::Timestamp;

fn main() -> ExitCode {
    hardening::seal();
    let environment = Config::from_env(env::vars_os());
    match (help::Arguments::parse(env::args_os().skip(1)), environment) {
        (Ok(help::Arguments::Text(text)), _) => help::print(&text),
        (Err(problem), Ok(Config { output, .. })) => refuse(vec![problem], &Subject::default(), &output),
        (Err(problem), Err(error)) => {
            let problems = std::iter::once(problem).chain(error.problems).collect();
            refuse(problems, &error.subject, &error.output)
        }
        (Ok(help::Arguments::None), Err(error)) => {
            let ConfigError {
                problems,
                warnings,
                output,
                subject,
            } = *error;
            log::init(&output);
            log::warnings(&warnings);
            refuse(problems, &subject, &output)
        }
        (Ok(help::Arguments::None), Ok(config)) => start(&config),
    }
}

fn start(config: &Config) -> ExitCode {
    let done = Arc::<Mutex<Outcome>>::default();
    let last = Arc::clone(&done);
    let last = move || last.try_lock().map(|outcome| outcome.clone()).unwrap_or_default();
    report::on_panic(config.subject(), config.output.clone(), last);
    log::init(&config.output);
    log::warnings(&config.warnings);
    log::effective(config);
    let (outcome, now) = run::start(config, done);
    let mut subject = config.subject();
    subject.namespace = subject.namespace.or_else(|| outcome.namespace.clone());
    report::finish(&outcome, &subject, &[], &config.output, now)
}

fn refuse(
    problems: Vec<ensure_pull_secret::config::Problem>,
    subject: &Subject,
    output: &Output,
) -> ExitCode {
    report::finish(&Outcome::default(), subject, &problems, output, Timestamp::now())
}
