//! The modes, one file or folder each: what each does with the API server and the registries.

pub mod context;
pub mod doctor;
pub mod ensure;
pub mod observe;
pub mod permissions;
pub mod plan;
pub mod verify;
