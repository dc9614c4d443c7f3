//! What a process takes and does, without any server.

mod memory;
mod pipes;
