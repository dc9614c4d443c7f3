//! Wires arguments, environment, runtime and exit code together; everything else is in the library.

use std::{env, process::ExitCode, sync::Arc};

use ensure_pull_secret::{
    config::{Config, ConfigError, Output, Problem, ReportContext, help},
    hardening,
    outcome::{Outcome, Progress},
    report::{self, log},
    run,
};
use k8s_openapi::jiff::Timestamp;

fn main() -> ExitCode {
    hardening::disable_core_dumps_and_ptrace();
    let environment = Config::from_env(env::vars_os());
    match (help::Arguments::parse(env::args_os().skip(1)), environment) {
        (Ok(help::Arguments::Text(text)), _) => help::print(&text),
        (Err(problem), Ok(Config { output, .. })) => {
            refuse(vec![problem], &ReportContext::default(), &output)
        }
        (Err(problem), Err(error)) => {
            let problems = std::iter::once(problem).chain(error.problems).collect();
            refuse(problems, &error.context, &error.output)
        }
        (Ok(help::Arguments::None), Err(error)) => {
            let ConfigError {
                problems,
                warnings,
                output,
                context,
            } = *error;
            log::init(&output);
            report::print_within(move || log::warnings(&warnings));
            refuse(problems, &context, &output)
        }
        (Ok(help::Arguments::None), Ok(config)) => start(&Arc::new(config)),
    }
}

fn start(config: &Arc<Config>) -> ExitCode {
    let progress = Progress::default();
    let of_panic = progress.clone();
    report::on_panic(config.report_context(), config.output.clone(), move || {
        of_panic.outcome()
    });
    log::init(&config.output);
    let shown = Arc::clone(config);
    let first = move || {
        report::print_within(move || {
            log::warnings(&shown.warnings);
            log::effective(&shown);
        });
    };
    let (outcome, now) = run::start(config, &progress, Box::new(first));
    let mut context = config.report_context();
    context.namespace = context.namespace.or_else(|| outcome.namespace.clone());
    report::finish(&outcome, &context, &[], &config.output, now)
}

fn refuse(problems: Vec<Problem>, context: &ReportContext, output: &Output) -> ExitCode {
    report::finish(&Outcome::default(), context, &problems, output, Timestamp::now())
}
