//! A real control plane and registries as plain processes, for the tests and the demo.

pub mod certificates;
