//! Document of a pull secret: `{"auths":{"<registry>":{"username":…,"password":…,"auth":…}}}`.
//!
//! Three views of the same bytes, each in its own module:
//! - [`Document`]: the managed entries, and everything else, which is kept byte for byte;
//! - [`kubelet_reads`]: the kubelet's rules;
//! - [`containers_image_reads`]: the rules of containers/image (CRI-O, podman, skopeo).
//!
//! Text is edited at offsets and never serialised again, so numbers, escapes, order and white space of unmanaged entries
//! stay.

mod auth_config;
mod auth_field;
mod containers_image;
mod defect;
mod document;
mod edit;
mod entry;
mod error;
mod go_json;
mod hash;
mod helpers;
mod kubelet;
mod leftovers;
pub mod lookup;
pub mod pull_secret;
mod stored_secrets;
#[cfg(test)]
mod tests;

pub use auth_config::AuthConfig;
pub use auth_field::NotBase64;
pub use containers_image::{
    AuthFile, ContainersImageLookupError, ContainersImageRefusal, containers_image_reads,
    containers_image_reads_for,
};
pub use defect::EntryDefect;
pub use document::{Auths, Document};
pub use edit::EditedDocument;
pub use entry::{Entry, EntryError};
pub use error::{Ambiguity, DocumentError, Place, Unreadable};
pub use helpers::HelperWarning;
pub use kubelet::{
    EntryProblem, Keyring, KubeletRefusal, invalid_unmanaged_entry, kubelet_reads, kubelet_reads_for,
};
pub use leftovers::{removed_keys, without_expired_leftovers};
pub use stored_secrets::stored_secrets;
