//! Makes a wrapped image pull secret, and proves that it pulls.

pub mod finding;
pub mod outcome;
pub mod reason;
