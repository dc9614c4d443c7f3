//! The program against a real control plane and real registries: run with `cargo xtask test`.

mod bad_input;
mod calls;
mod configuration;
mod first_run;
mod images;
mod lifetimes;
mod permissions;
mod races;
mod refresh;
mod registries;
mod repair;
mod signing_keys;
mod silent_registries;
mod tokens;
mod trust;
mod unchanged;
mod verify;
mod world;
mod written_minted;
mod written_robot;
