//! Files of an OCI image layout (OCI image specification, "Image Layout").

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

/// Blobs of a layout.
pub(crate) struct Blobs(PathBuf);

/// A blob, by its digest.
pub(crate) struct Blob {
    /// `sha256:…`.
    pub digest: String,
    size: usize,
}

impl Blobs {
    /// A new layout, without `index.json`.
    pub(crate) fn create(layout: &Path) -> Result<Self> {
        let blobs = layout.join("blobs/sha256");
        fs::create_dir_all(&blobs)
            .and_then(|()| fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#))
            .with_context(|| format!("cannot write {}", layout.display()))?;
        Ok(Self(blobs))
    }

    pub(crate) fn write(&self, content: &[u8]) -> Result<Blob> {
        let digest = Blob::digest_of(content);
        let path = self.0.join(digest.trim_start_matches("sha256:"));
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        let size = content.len();
        Ok(Blob { digest, size })
    }
}

impl Blob {
    pub(crate) fn digest_of(content: &[u8]) -> String {
        format!("sha256:{}", sha256(content))
    }

    /// The descriptor, with the members of `more`.
    pub(crate) fn descriptor(&self, media_type: &str, more: &Value) -> Value {
        let mut descriptor = json!({ "mediaType": media_type, "digest": self.digest, "size": self.size });
        for (name, value) in more.as_object().into_iter().flatten() {
            descriptor[name] = value.clone();
        }
        descriptor
    }
}

/// SHA-256 of the content in hexadecimal digits.
pub fn sha256(content: &[u8]) -> String {
    let hash = digest(&SHA256, content);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Digest of the only image, or list of images, in a layout.
///
/// # Errors
/// Where it isn't a layout, or has another number of images.
pub fn layout_digest(layout: &Path) -> Result<String> {
    let path = layout.join("index.json");
    let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let index: Value =
        serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", path.display()))?;
    let manifests = index["manifests"].as_array().map(Vec::as_slice);
    let Some([manifest]) = manifests else {
        anyhow::bail!("{} must have one image", path.display());
    };
    let digest = manifest["digest"].as_str();
    digest
        .map(str::to_owned)
        .with_context(|| format!("{} has no digest", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_is_the_standards() {
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), abc);
    }
}
