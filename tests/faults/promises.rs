//! Checks of every case.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use serde_json::Value;
use test_cluster::{
    invariants::{After, ensure_true},
    listener::faulty::{Call, ConnectionFault, Fault},
    program::{Canary, Outcome},
};

use crate::{
    case::{Case, Course, Second},
    endings::Ending,
    oracle,
    situation::{Setting, Situation},
    world::{Prepared, Slot, World},
};

/// The most tries that a server sees of one run.
const TRIES: usize = 40;

/// Requests of one run.
pub struct Calls {
    /// The API server.
    pub api: Vec<Call>,
    /// The registry.
    pub registry: Vec<Call>,
}

/// All promises of a run, whatever failed in it.
///
/// # Errors
/// Names the promise that is broken.
pub async fn ensure_kept(
    world: &World,
    slot: &Slot,
    case: &Case,
    prepared: &Prepared,
    outcome: &Outcome,
    calls: &Calls,
    show_to_crane: bool,
) -> Result<()> {
    let (secret, after) =
        ensure_nothing_lost(world, slot, prepared, outcome, calls, answers_are_lost(case)).await?;
    if show_to_crane && after.pulls {
        world.crane_pulls(document(secret)?, world.image()).await?;
    }
    ensure!(
        calls.api.len() <= TRIES && calls.registry.len() <= TRIES,
        "the API server was asked {} times, the registry {} times",
        calls.api.len(),
        calls.registry.len()
    );
    let second = match case.course {
        Course::Then(Second(second)) => Some(second),
        Course::Once | Course::Lasting => None,
    };
    for fault in std::iter::once(case.fault).chain(second) {
        let mut asked = calls.api.iter().chain(&calls.registry);
        ensure!(
            is_unseen(case) || asked.any(|call| call.fault == Some(fault)),
            "{fault} did not happen"
        );
    }
    let (ending, expected) = (Ending::of(outcome), oracle::endings(case));
    ensure!(
        expected.contains(&ending),
        "it ended with {ending}, where the contract has {}",
        expected
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" or ")
    );
    Ok(())
}

/// Promises of a run that ended by itself, wherever it was disturbed: no token is printed, the stored document is not
/// worse, and the report is true. Returns the stored document.
///
/// # Errors
/// Names the promise that is broken.
pub async fn ensure_nothing_lost(
    world: &World,
    slot: &Slot,
    prepared: &Prepared,
    outcome: &Outcome,
    calls: &Calls,
    answers_were_lost: bool,
) -> Result<(Option<Secret>, After)> {
    ensure_nothing_given_away(&outcome.to_string(), prepared, calls)?;
    let secret = world.secret(slot).await?;
    // Shown from here on: nothing in it is secret.
    let shown = || outcome.to_string();
    let after = prepared
        .before
        .ensure_not_worse(secret.as_ref(), world.puller(), world.image())
        .await
        .with_context(shown)?;
    ensure_true(outcome, after, secret.as_ref(), answers_were_lost).with_context(shown)?;
    Ok((secret, after))
}

/// No output of the run has a token that was stored before or requested in the run.
///
/// # Errors
/// If an output has one.
pub fn ensure_nothing_given_away(output: &str, prepared: &Prepared, calls: &Calls) -> Result<()> {
    let minted = calls.api.iter().filter_map(requested_token);
    for secret in prepared.token.iter().cloned().chain(minted) {
        ensure!(
            Canary::new(&secret).trace_in(output).is_none(),
            "a token was given away"
        );
    }
    Ok(())
}

/// The next run without faults ends with `ok`.
///
/// # Errors
/// If it doesn't.
pub async fn ensure_next_ends_well(
    world: &World,
    slot: &Slot,
    situation: Situation,
    prepared: &Prepared,
) -> Result<()> {
    let next = world.program(slot, situation).run().await?;
    ensure!(
        Ending::of(&next)
            == oracle::without_faults(Setting {
                situation,
                reviewed: false
            }),
        "the next run, without a fault, does not end well: {next}"
    );
    let secret = world.secret(slot).await?.context("the Secret is gone")?;
    prepared
        .before
        .ensure_not_worse(Some(&secret), world.puller(), world.image())
        .await?;
    Ok(())
}

/// True if the server may have done its work without a response to the program.
fn answers_are_lost(case: &Case) -> bool {
    let loses = |fault: Fault| matches!(fault, Fault::Cut(_) | Fault::Response(_));
    let second = match case.course {
        Course::Then(Second(second)) => loses(second),
        Course::Once | Course::Lasting => false,
    };
    second || loses(case.fault)
}

/// A client that waits for a busy connection dials another one, and drops it where the first is free sooner: where the fault
/// met that one, the call itself was spared, and the run ends as if nothing had been.
pub fn may_have_been_spared(case: &Case, ending: &Ending) -> bool {
    let breaks_connection = |fault: Fault| matches!(fault, Fault::Connection(_));
    let second = match case.course {
        Course::Then(Second(second)) => breaks_connection(second),
        Course::Once | Course::Lasting => false,
    };
    (second || breaks_connection(case.fault)) && *ending == oracle::without_faults(case.setting)
}

/// The program can't detect a lasting denial.
fn is_unseen(case: &Case) -> bool {
    case.fault == Fault::Connection(ConnectionFault::Refused) && case.course == Course::Lasting
}

fn requested_token(call: &Call) -> Option<String> {
    let path = call.target.split('?').next()?;
    if !path.ends_with("/token") {
        return None;
    }
    let answer: Value = serde_json::from_slice(&call.answered).ok()?;
    Some(answer["status"]["token"].as_str()?.to_owned())
}

fn document(secret: Option<Secret>) -> Result<Vec<u8>> {
    let data = secret.and_then(|secret| secret.data);
    let document = data.and_then(|mut data| data.remove(".dockerconfigjson"));
    Ok(document.context("there is no document")?.0)
}
