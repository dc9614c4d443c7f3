//! A real control plane and registries as plain processes, for the tests and the demo.

pub mod access;
pub mod audit;
pub mod certificates;
pub mod clients;
pub mod control_plane;
pub mod helm;
pub mod identity;
pub mod invariants;
pub mod kustomize;
pub mod listener;
pub mod manifest;
pub mod namespace;
pub mod node;
pub mod program;
mod random;
mod rbac;
pub mod registry;
pub mod server_process;
pub mod servers;
pub mod supervisor;
pub mod tekton_validation;
pub mod webhook;
