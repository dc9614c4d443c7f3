//! Makes a wrapped image pull secret, and proves that it pulls.
//!
//! The flow is one way, each arrow a type: observe → decide → act → verify → report.

pub mod api_server;
pub mod client_view;
pub mod clip;
pub mod config;
pub mod consider;
pub mod context;
pub mod credential;
pub mod deadline;
pub mod decision;
pub mod docker_config;
pub mod doctor;
pub mod ensure;
pub mod excess;
pub mod finding;
pub mod fresh;
pub mod grant;
pub mod help;
pub mod https;
pub mod image_reference;
pub mod log;
pub mod metadata;
pub mod observation;
pub mod outcome;
pub mod permission;
pub mod plan;
pub mod pod;
pub mod process;
pub mod reason;
pub mod refusal;
pub mod registry;
pub mod registry_host;
pub mod replace_policy;
pub mod replacement;
pub mod report;
pub mod result_name;
pub mod review;
pub mod run;
pub mod safe_name;
pub mod secret;
pub mod stored_document;
pub mod token;
pub mod verification;
pub mod verify;
