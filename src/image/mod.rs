//! Images and registries by name: references, hosts, and which key covers which image.

mod grammar;
mod host_port;
mod reference;
mod registry_host;

pub use self::{
    host_port::{HTTPS_PORT, HostPort, HostPortError},
    reference::*,
    registry_host::*,
};
