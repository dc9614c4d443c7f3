//! Image references, registry hosts, and keys of `auths` that cover images.

mod glob;
mod go_url;
mod grammar;
mod host_port;
mod key;
mod reference;
mod registry_host;

pub use self::{
    host_port::{HTTPS_PORT, HostPort, HostPortError},
    key::{KeyringIndex, key_covers},
    reference::*,
    registry_host::*,
};
