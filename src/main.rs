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
    let progress = run::progress();
    let environment = Config::from_env(env::vars_os());
    match (help::Arguments::parse(env::args_os().skip(1)), environment) {
        (Ok(help::Arguments::Text(text)), _) => help::print(&text),
        (Err(problem), Ok(Config { output, .. })) => {
            refuse(vec![problem], ReportContext::default(), &output, &progress)
        }
        (Err(problem), Err(error)) => {
            let problems = std::iter::once(problem).chain(error.problems).collect();
            refuse(problems, error.context, &error.output, &progress)
        }
        (Ok(help::Arguments::None), Err(error)) => {
            let ConfigError {
                problems,
                warnings,
                output,
                context,
            } = *error;
            log::init(&output);
            let secrets = progress.secrets.clone();
            report::print_within(move || log::warnings(&warnings, &secrets));
            refuse(problems, context, &output, &progress)
        }
        (Ok(help::Arguments::None), Ok(config)) => start(&Arc::new(config), &progress),
    }
}

fn start(config: &Arc<Config>, progress: &Progress) -> ExitCode {
    report::on_panic(config.report_context(), config.output.clone(), progress.clone());
    log::init(&config.output);
    let (shown, secrets) = (Arc::clone(config), progress.secrets.clone());
    let first = move || {
        report::print_within(move || {
            log::warnings(&shown.warnings, &secrets);
            log::effective(&shown, &secrets);
        });
    };
    let (outcome, now) = run::start(config, progress, Box::new(first));
    let mut context = config.report_context();
    context.namespace = context.namespace.or_else(|| outcome.namespace.clone());
    report::finish(
        outcome,
        context,
        Vec::new(),
        &config.output,
        now,
        &progress.secrets,
    )
}

fn refuse(problems: Vec<Problem>, context: ReportContext, output: &Output, progress: &Progress) -> ExitCode {
    let now = Timestamp::now();
    report::finish(
        Outcome::default(),
        context,
        problems,
        output,
        now,
        &progress.secrets,
    )
}
