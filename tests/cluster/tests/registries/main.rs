//! The registries, clients and listeners of the test cluster, against a real API server.

mod barrier;
mod clients;
mod openshift;
mod project;
mod world;
