//! Verification of one credential, at every registry and for every image of the run.
//!
//! The registry's own answer outranks what the API server says. The API server is asked only where that answer leaves
//! a question, and only about a Kubernetes token.

pub mod explain;
mod openshift;
mod proof;
mod verifier;

pub use self::{
    proof::{Evidence, Proof},
    verifier::Verifier,
};
