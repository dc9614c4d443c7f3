//! The image: what `cargo xtask image` pushes, and what registries and their clients make of it.

mod command;
mod content;
mod registries;
mod setting;
