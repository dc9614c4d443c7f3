//! Registry protocol (distribution spec), and its variant in OpenShift: verdict of a registry on a credential. Without
//! Kubernetes.
//!
//! [`Session`] sends one request at a time, `response` decides what its answer means, and `kind` has one file for each
//! kind of registry, with the order of requests and the meaning of their answers together.

pub mod challenge;
mod client;
mod host;
pub mod kind;
mod redirect;
mod remark;
pub mod response;
pub mod send_policy;
mod session;
mod token_service;
mod types;
mod upload;

pub use self::{
    client::{ANSWER_LIMIT, Registries},
    kind::AuthScheme,
    remark::Remark,
    session::{Session, UserPassword},
    types::{
        Authorization, Inconclusive, Login, Ping, ProtocolError, PullAnswer, RegistryVerdict, UntrustedParty,
    },
    upload::may_push,
};
