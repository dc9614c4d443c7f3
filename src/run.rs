//! One run, from configuration to what was done and found: within its deadline, and ended by SIGTERM at any moment.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
    time::Instant,
};

use crate::{
    commands::{
        credential_source, doctor::doctor, ensure::ensure, operation::Operation, plan::plan, verify::verify,
    },
    config::{Config, Mode},
    decide::CredentialSource,
    outcome::{Finding, Outcome, Reason},
    transport::deadline::Deadline,
};

/// How long `doctor` waits for registries.
const DOCTOR_REGISTRY_TIMEOUT: Duration = Duration::from_secs(15);

/// The largest difference between this machine's clock and the API server's that isn't reported.
const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// Runs `config` on a new runtime. Returns the outcome and the API server's time. `done` receives checkpoints for the
/// panic hook.
pub fn start(config: &Config, done: Arc<Mutex<Outcome>>) -> (Outcome, Timestamp) {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(_) => {
            let finding = Finding::new(Reason::Internal, "cannot start the asynchronous runtime");
            return (
                Outcome {
                    findings: vec![finding],
                    ..Outcome::default()
                },
                Timestamp::now(),
            );
        }
    };
    let ended = runtime.block_on(run(config, done));
    // A dropped runtime would wait for a name look-up that hangs.
    runtime.shutdown_background();
    ended
}

/// Runs `config` within its deadline, whatever does not answer.
async fn run(config: &Config, done: Arc<Mutex<Outcome>>) -> (Outcome, Timestamp) {
    let mut deadline = Deadline::new(Instant::now(), config.timeout);
    if config.mode == Mode::Doctor {
        // Somebody waits for it, and a registry that is not there is a finding like any other.
        deadline.registry = deadline.registry.min(Instant::now() + DOCTOR_REGISTRY_TIMEOUT);
    }
    let mut outcome = Outcome::default();
    // First of all: until then SIGTERM would end the process without results, and process 1 would not hear it.
    let (mut terminate, mut interrupt) =
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
            _ => {
                outcome
                    .findings
                    .push(Finding::new(Reason::Internal, "cannot listen for signals"));
                return (outcome, Timestamp::now());
            }
        };
    let operation = match Operation::new(config, deadline, done, &mut outcome.notes) {
        Ok(operation) => operation,
        Err(finding) => {
            outcome.findings.push(finding);
            return (outcome, Timestamp::now());
        }
    };
    outcome.namespace = Some(operation.target.namespace.clone());
    outcome.secrets = operation.secrets.clone();
    // What was done so far stays readable in `outcome` when the work is dropped.
    // In this order: a call that ends at the deadline names what did not answer, the deadline alone doesn't.
    let ended_by = tokio::select! {
        biased;
        () = work(&operation, &mut outcome) => None,
        () = tokio::time::sleep_until(deadline.end) => Some("the time given by PULL_SECRET_TIMEOUT is over"),
        _ = terminate.recv() => Some("told to stop (SIGTERM)"),
        _ = interrupt.recv() => Some("told to stop (SIGINT)"),
    };
    outcome
        .findings
        .extend(ended_by.map(|by| operation.interrupted(by)));
    if let Some(ahead) = operation
        .api
        .connection
        .clock_offset()
        .filter(|ahead| ahead.abs() > MAX_CLOCK_SKEW)
    {
        outcome.notes.push(format!(
            "This machine's clock is {} s {} the API server's, which is the one that counts.",
            ahead.abs().as_secs(),
            if ahead.is_positive() { "behind" } else { "ahead of" }
        ));
    }
    (outcome, operation.api.now())
}

async fn work(operation: &Operation<'_>, outcome: &mut Outcome) {
    match operation.target.config.mode {
        Mode::Verify => verify(operation, outcome).await,
        Mode::Ensure => match source(operation, outcome) {
            Ok(source) => ensure(operation, &source, outcome).await,
            Err(finding) => outcome.findings.push(finding),
        },
        Mode::Plan => match source(operation, outcome) {
            Ok(source) => plan(operation, &source, outcome).await,
            Err(finding) => outcome.findings.push(finding),
        },
        Mode::Doctor => {
            let source = source(operation, outcome);
            doctor(operation, source, outcome).await;
        }
    }
}

fn source(operation: &Operation<'_>, outcome: &mut Outcome) -> Result<CredentialSource, Finding> {
    credential_source::resolve(&operation.target, &operation.secrets, &mut outcome.notes)
}
