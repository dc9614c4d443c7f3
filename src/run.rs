//! One run, from configuration to outcome: within its deadline, and ended by SIGTERM at any moment.

use std::{future::Future, time::Duration};

use k8s_openapi::jiff::Timestamp;
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
    time::Instant,
};

use crate::{
    commands::{self, operation::Operation},
    config::{Config, Mode},
    outcome::{Finding, Outcome, Progress, Reason},
    transport::deadline::Deadline,
};

/// How long `doctor` waits for registries.
const DOCTOR_REGISTRY_TIMEOUT: Duration = Duration::from_secs(15);

/// Runs `config` on a new runtime. Returns the outcome and the API server's time.
pub fn start(config: &Config, progress: Progress) -> (Outcome, Timestamp) {
    let Ok(runtime) = Builder::new_current_thread().enable_all().build() else {
        return not_started(
            &progress,
            Finding::new(Reason::Internal, "cannot start the asynchronous runtime"),
        );
    };
    let ended = runtime.block_on(run(config, progress));
    // A dropped runtime would wait for a name look-up that hangs.
    runtime.shutdown_background();
    ended
}

fn not_started(progress: &Progress, finding: Finding) -> (Outcome, Timestamp) {
    let mut outcome = progress.outcome();
    outcome.findings.push(finding);
    (outcome, Timestamp::now())
}

async fn run(config: &Config, progress: Progress) -> (Outcome, Timestamp) {
    let mut deadline = Deadline::new(Instant::now(), config.timeout);
    if config.mode == Mode::Doctor {
        // A person waits for `doctor`, which reports an unreachable registry like any other problem.
        deadline.registry = deadline.registry.min(Instant::now() + DOCTOR_REGISTRY_TIMEOUT);
    }
    // Before anything else: until then SIGTERM ends the process without results, and process 1 ignores it.
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return not_started(
            &progress,
            Finding::new(Reason::Internal, "cannot listen for signals"),
        );
    };
    let operation = match Operation::new(config, deadline, progress.clone()) {
        Ok(operation) => operation,
        Err(finding) => return not_started(&progress, finding),
    };
    let stopped = async {
        tokio::select! {
            _ = terminate.recv() => "told to stop (SIGTERM)",
            _ = interrupt.recv() => "told to stop (SIGINT)",
        }
    };
    let outcome = until_stopped(&operation, stopped).await;
    (outcome, operation.api.now())
}

/// Runs the command until its end, the deadline, or `stopped`, which returns the cause.
async fn until_stopped(operation: &Operation<'_>, stopped: impl Future<Output = &'static str>) -> Outcome {
    // In this order: a call that ends at the deadline names the server that did not answer.
    let mut outcome = tokio::select! {
        biased;
        outcome = commands::run(operation) => outcome,
        () = tokio::time::sleep_until(operation.deadline.end) => {
            operation.interrupted("the time given by PULL_SECRET_TIMEOUT is over")
        }
        by = stopped => operation.interrupted(by),
    };
    outcome.namespace = Some(operation.target.namespace.clone());
    let skew = operation.clock_skew();
    outcome
        .notes
        .extend(skew.map(|skew| format!("This machine's clock is {skew}, which is the one that counts.")));
    outcome
}
