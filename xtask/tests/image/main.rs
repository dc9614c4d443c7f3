//! The image that `cargo xtask image` pushes, in registries and their clients.

mod command;
mod content;
mod registries;
mod setting;
