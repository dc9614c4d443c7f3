//! Makes a wrapped image pull secret, and proves that it pulls.

pub mod clip;
pub mod config;
pub mod docker_config;
pub mod finding;
pub mod help;
pub mod image_reference;
pub mod log;
pub mod outcome;
pub mod reason;
pub mod registry_host;
pub mod report;
pub mod safe_name;
pub mod token;
