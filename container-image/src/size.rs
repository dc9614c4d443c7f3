//! How much an image is more than its binary.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, de::DeserializeOwned};

use crate::platform::Platform;

/// An image's size: its layers as they are unpacked, its configuration and its manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// What the image is for.
    pub platform: Platform,
    /// The image, in bytes.
    pub image: u64,
    /// The binary in it, in bytes; 0 where it isn't the program's image.
    pub binary: u64,
}

/// A list of images (OCI image index), as far as it matters here.
#[derive(Deserialize)]
struct Index {
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
    size: u64,
    platform: EntryPlatform,
}

#[derive(Deserialize)]
struct EntryPlatform {
    architecture: String,
}

/// What a layout begins with.
#[derive(Deserialize)]
struct TopIndex {
    manifests: Vec<TopEntry>,
}

#[derive(Deserialize)]
struct TopEntry {
    digest: String,
}

/// An image (OCI image manifest), as far as it matters here.
#[derive(Deserialize)]
struct Manifest {
    config: Blob,
    layers: Vec<Blob>,
}

#[derive(Deserialize)]
struct Blob {
    #[serde(rename = "mediaType")]
    media_type: String,
    size: u64,
}

impl Size {
    /// The most that an image may have beside its binary, in bytes.
    pub const METADATA: u64 = 10_000;

    /// Measures images in a directory, as the `dir:` transport of containers/image writes them: layers not compressed,
    /// one `<digest>.manifest.json` for each image of the list in `manifest.json`.
    pub(crate) fn of_layout(directory: &Path, binaries: &[(Platform, u64)]) -> Result<Vec<Self>> {
        let index: Index = read(directory.join("manifest.json"))?;
        binaries
            .iter()
            .map(|(platform, binary)| {
                let entry = index
                    .manifests
                    .iter()
                    .find(|entry| entry.platform.architecture == platform.architecture())
                    .with_context(|| format!("the builder made no image for {platform}"))?;
                Ok(Self {
                    platform: *platform,
                    image: entry.size + content(directory, &entry.digest)?,
                    binary: *binary,
                })
            })
            .collect()
    }

    /// What the image has beside its binary, in bytes.
    pub fn metadata(&self) -> u64 {
        self.image.saturating_sub(self.binary)
    }

    /// # Errors
    /// Where it has more than [`Size::METADATA`].
    pub fn check(&self) -> Result<()> {
        ensure!(
            self.metadata() <= Self::METADATA,
            "the image for {} is {} bytes, {} more than its binary, and may be {} more: the Containerfile puts something beside it",
            self.platform,
            self.image,
            self.metadata(),
            Self::METADATA
        );
        Ok(())
    }
}

/// What a node fetches of an image, in bytes: manifest, configuration, and layers as they are compressed. `layout` is an
/// OCI image layout with one list of images in it, as [`BuiltImage::write_layout`](crate::BuiltImage::write_layout)
/// writes it.
///
/// # Errors
/// Where it is none, or has no image for the platform.
pub fn pulled(layout: &Path, platform: Platform) -> Result<u64> {
    let blob = |digest: &str| {
        layout
            .join("blobs/sha256")
            .join(digest.trim_start_matches("sha256:"))
    };
    let top: TopIndex = read(layout.join("index.json"))?;
    let list = top.manifests.first().context("the layout is empty")?;
    let list: Index = read(blob(&list.digest))?;
    let entry = list
        .manifests
        .iter()
        .find(|entry| entry.platform.architecture == platform.architecture())
        .with_context(|| format!("the layout has no image for {platform}"))?;
    let manifest: Manifest = read(blob(&entry.digest))?;
    let layers = manifest.layers.iter().map(|layer| layer.size).sum::<u64>();
    Ok(entry.size + manifest.config.size + layers)
}

/// The size of an image's configuration and layers, in bytes.
fn content(directory: &Path, digest: &str) -> Result<u64> {
    let name = digest.trim_start_matches("sha256:");
    let manifest: Manifest = read(directory.join(format!("{name}.manifest.json")))?;
    for layer in &manifest.layers {
        ensure!(
            layer.media_type.ends_with(".tar"),
            "a layer is {}, and only one that isn't compressed can be measured",
            layer.media_type
        );
    }
    let layers = manifest.layers.iter().map(|layer| layer.size).sum::<u64>();
    Ok(manifest.config.size + layers)
}

fn read<T: DeserializeOwned>(path: PathBuf) -> Result<T> {
    let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&content).with_context(|| format!("{} is no image's manifest", path.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A list of one image for arm64, whose manifest has 500 bytes, its configuration 300, and its layer as many as given.
    fn layout(layer: u64, media_type: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        let index = json!({"manifests": [
            {"digest": "sha256:ab", "size": 500, "platform": {"os": "linux", "architecture": "arm64"}},
        ]});
        let manifest = json!({
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 300},
            "layers": [{"mediaType": media_type, "size": layer}],
        });
        fs::write(directory.path().join("manifest.json"), index.to_string()).expect("written");
        fs::write(directory.path().join("ab.manifest.json"), manifest.to_string()).expect("written");
        directory
    }

    const TAR: &str = "application/vnd.oci.image.layer.v1.tar";

    #[test]
    fn all_that_an_image_is_made_of_counts() -> Result<()> {
        let directory = layout(2_000_000, TAR);
        let sizes = Size::of_layout(directory.path(), &[(Platform::Arm64, 1_990_800)])?;
        let [size] = sizes[..] else { panic!("{sizes:?}") };
        assert_eq!((size.image, size.metadata()), (2_000_800, 10_000));
        size.check()
    }

    #[test]
    fn one_byte_too_much_is_told_with_the_platform() -> Result<()> {
        let directory = layout(2_000_000, TAR);
        let sizes = Size::of_layout(directory.path(), &[(Platform::Arm64, 1_990_799)])?;
        let error = sizes[0].check().expect_err("it is too large").to_string();
        assert!(
            error.contains("linux/arm64") && error.contains("10001 more"),
            "{error}"
        );
        Ok(())
    }

    #[test]
    fn a_node_fetches_the_manifest_of_its_platform_and_what_that_names() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let blobs = directory.path().join("blobs/sha256");
        fs::create_dir_all(&blobs)?;
        let list = json!({"manifests": [
            {"digest": "sha256:ab", "size": 500, "platform": {"os": "linux", "architecture": "amd64"}},
            {"digest": "sha256:cd", "size": 600, "platform": {"os": "linux", "architecture": "arm64"}},
        ]});
        let manifest = json!({
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 30},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "size": 1}],
        });
        let top = json!({"manifests": [{"digest": "sha256:ef", "size": 700}]});
        fs::write(directory.path().join("index.json"), top.to_string())?;
        fs::write(blobs.join("ef"), list.to_string())?;
        fs::write(blobs.join("cd"), manifest.to_string())?;
        assert_eq!(pulled(directory.path(), Platform::Arm64)?, 631);
        pulled(directory.path(), Platform::Amd64).expect_err("its manifest is not there");
        Ok(())
    }

    #[test]
    fn what_was_not_built_or_is_compressed_is_not_measured() {
        let missing = Size::of_layout(layout(1, TAR).path(), &[(Platform::Amd64, 1)]);
        assert!(
            missing
                .expect_err("no such image")
                .to_string()
                .contains("linux/amd64")
        );
        let compressed = layout(1, "application/vnd.oci.image.layer.v1.tar+gzip");
        let error =
            Size::of_layout(compressed.path(), &[(Platform::Arm64, 1)]).expect_err("it is compressed");
        assert!(error.to_string().contains("tar+gzip"), "{error}");
    }
}
