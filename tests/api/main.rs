//! The program against a real control plane and real registries: run with `cargo xtask test`.

mod bad_input;
mod configuration;
mod ending;
mod first_run;
mod images;
mod interception;
mod keys;
mod proxy;
mod push;
mod races;
mod refresh;
mod refusals;
mod registries;
mod registry_faults;
mod repair;
mod reverting;
mod robots;
mod tokens;
mod trust;
mod verify;
mod world;
