//! What a run learns about registries that says nothing about the credential.

use crate::image::{ImageReference, RegistryHost};

/// Something that other clients handle in another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// GET gave the manifest after a HEAD that was neither 2xx nor 405: containerd stops there.
    ManifestByGetAlone(ImageReference),
    /// The challenge came from the repository, not (or another one) from `/v2/`: skopeo and CRI-O don't answer it.
    ChallengeOfRepositoryAlone(RegistryHost),
}
