//! The modes, one file or folder each: what each does with the API server and the registries.

mod credential_source;
mod doctor;
mod ensure;
#[cfg(test)]
pub(crate) mod fixtures;
mod observe;
pub mod operation;
mod permissions;
mod plan;
mod remarks;
mod sent_write;
mod stored_value;
pub mod target;
#[cfg(test)]
mod tests;
mod verify;

use self::operation::Operation;
use crate::{config::Mode, outcome::Outcome};

/// Runs the command of the configured mode.
pub async fn run(operation: &Operation<'_>) -> Outcome {
    let source = || credential_source::resolve(operation);
    let mode = operation.target.config.mode;
    let mut outcome = match mode {
        Mode::Verify => verify::verify(operation).await,
        Mode::Doctor => doctor::doctor(operation, source()).await,
        Mode::Ensure => match source() {
            Ok(source) => ensure::ensure(operation, &source).await,
            Err(finding) => operation.outcome_with(finding),
        },
        Mode::Plan => match source() {
            Ok(source) => plan::plan(operation, &source).await,
            Err(finding) => operation.outcome_with(finding),
        },
    };
    remarks::add(mode, operation.registries.remarks(), &mut outcome);
    outcome
}
