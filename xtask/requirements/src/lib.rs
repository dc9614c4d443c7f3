//! Requirements of the project's commands: what each part of a command needs, what is missing, and how to install it.
//!
//! `cargo xtask` starts this crate's binary, which checks the machine and then starts the package `xtask`. The crate has
//! no dependencies, so a missing Rust target or package is reported before anything else is built.

mod cold;
mod command;
pub mod compiler;
mod environment;
mod install;
mod machine;
mod need;
mod part;
mod verdict;

pub use cold::cold_start;
pub use command::Request;
pub use environment::{in_ci, own_variables};
pub use install::{add_targets, install};
pub use machine::{BUSYBOX, ThisMachine, network_plugins, root, tools};
pub use need::{GoVersion, Machine, Need};
pub use part::Part;
pub use verdict::Verdict;

/// The reason why no node can run on this machine, in one line; `None` where one can.
pub fn node_obstacle() -> Option<String> {
    let verdict = Verdict::of(&[Part::NodeAlone], &ThisMachine, false);
    let (_, missing) = verdict.skipped.first()?;
    Some(format!("a node needs {}", need::list(missing, &ThisMachine)))
}
