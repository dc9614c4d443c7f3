//! The document of a pull secret: `{"auths":{"<registry>":{"username":…,"password":…,"auth":…}}}`.
//!
//! Three views of the same bytes, each in its own module:
//! - [`Document`]: what is ours to write, and everything else to be kept byte for byte;
//! - [`kubelet_reads`]: what the kubelet makes of it, by the kubelet's rules;
//! - [`containers_image_reads`]: what CRI-O, podman and skopeo make of it, by containers/image's.
//!
//! Text is edited at the offsets of borrowed slices and never serialised again, so that numbers,
//! escapes, order and white space of others survive.

mod auth_config;
mod auth_field;
mod containers_image;
mod document;
mod edit;
mod entry;
mod error;
mod go_json;
mod hash;
mod kubelet;
pub mod lookup;
pub mod pull_secret;
mod stored_secrets;
#[cfg(test)]
mod tests;

pub use auth_config::AuthConfig;
pub use containers_image::{
    AuthFile, ContainersImageLookupError, ContainersImageRefusal, containers_image_reads,
};
pub use document::{Auths, Document};
pub use edit::EditedDocument;
pub use entry::{Entry, EntryError};
pub use error::{Ambiguity, DocumentError, Place, Unreadable};
pub use kubelet::{EntryProblem, Keyring, KubeletRefusal, foreign_broken_entry, kubelet_reads};
pub use stored_secrets::stored_secrets;
