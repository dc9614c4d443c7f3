//! The program against a real control plane and real registries: run with `cargo xtask test`.

mod first_run;
mod world;
