//! Makes a wrapped image pull secret, and proves that it pulls.

pub mod docker_config;
pub mod finding;
pub mod image_reference;
pub mod outcome;
pub mod reason;
pub mod registry_host;
pub mod safe_name;
pub mod token;
