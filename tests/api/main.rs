//! The program against a real control plane and real registries: run with `cargo xtask test`.

mod bad_input;
mod canary;
mod configuration;
mod first_run;
mod images;
mod log;
mod long_names;
mod precedence;
mod races;
mod refresh;
mod registries;
mod registry_trust;
mod repair;
mod replacement;
mod tokens;
mod trust;
mod verify;
mod world;
