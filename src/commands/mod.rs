//! The modes, one file or folder each: what each does with the API server and the registries.

pub mod credential_source;
pub mod doctor;
pub mod ensure;
#[cfg(test)]
mod fixtures;
pub mod observe;
pub mod operation;
pub mod permissions;
pub mod plan;
pub mod stored_value;
pub mod target;
#[cfg(test)]
mod tests;
pub mod verify;
