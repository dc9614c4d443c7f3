//! The document of a pull secret: `{"auths":{"<registry>":{"username":…,"password":…,"auth":…}}}`.

mod glob;
mod go_url;
mod keyring;

pub use keyring::key_covers;
