//! The registry protocol (distribution spec), and OpenShift's variant of it: what a registry says about a credential.
//! Knows nothing of Kubernetes.
//!
//! [`Session`] asks one question at a time; `kind` has one file for each way a registry authenticates, with the order
//! of the questions and what their answers mean together (CONTRACT section 5, "At a registry").

pub mod challenge;
mod client;
pub mod kind;
pub mod response;
pub mod send_policy;
mod session;
mod token_service;
mod types;
mod upload;

pub use self::{
    client::{ANSWER_LIMIT, Registries},
    kind::AuthScheme,
    session::{Session, UserPassword},
    types::{
        Authorization, Inconclusive, Login, Ping, ProtocolError, PullAnswer, RegistryVerdict, UntrustedParty,
    },
    upload::may_push,
};
