//! Makes a wrapped image pull secret, and proves that it pulls.
//!
//! The flow is one way, each arrow a type: observe → decide → act → verify → report.

pub mod commands;
pub mod config;
pub mod credential;
pub mod decide;
pub mod dockerconfig;
pub mod file;
pub mod hardening;
pub mod image;
pub mod kubernetes;
pub mod outcome;
pub mod registry;
pub mod report;
pub mod run;
pub mod text;
pub mod transport;
pub mod verification;
