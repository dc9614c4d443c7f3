//! The API server: the client, the Secret, token requests and reviews, and the pod's own identity. Knows no registry.

pub mod access_review;
pub mod api;
pub mod client;
pub mod error;
pub mod excess_permissions;
pub mod explain_error;
pub mod in_cluster;
pub mod rbac_yaml;
mod rejection;
pub mod response;
pub mod secret;
pub mod secret_fields;
pub mod token_request;
mod untrusted;
