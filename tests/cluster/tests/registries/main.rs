//! The registries, clients and listeners of the test cluster, against a real API server.

mod clients;
mod world;
