//! A Tekton bundle: an image with one layer for each object (Tekton, docs/tekton-bundle-contracts.md).

use std::{fs, io::Write as _, path::Path};

use anyhow::{Context as _, Result};
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};

use crate::oci::{Blob, Blobs};

/// Most layers that Tekton accepts.
const MOST_OBJECTS: usize = 20;

/// An object of a bundle.
#[derive(Clone, Debug)]
pub struct BundleObject {
    /// Kind in lower case and singular, as Tekton requires: `task`.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// Version without its group: `v1`.
    pub version: String,
    /// The object, as YAML.
    pub text: String,
}

/// Writes the bundle as an OCI image layout into `directory`, with `annotations` on its manifest, and gives its digest. The same
/// objects give the same digest.
///
/// # Errors
/// Where the directory can't be written, or Tekton would reject so many objects.
pub fn write_bundle(directory: &Path, objects: &[BundleObject], annotations: &Value) -> Result<String> {
    anyhow::ensure!(
        objects.len() <= MOST_OBJECTS,
        "a bundle has at most {MOST_OBJECTS} objects"
    );
    let blobs = Blobs::create(directory)?;
    let (mut layers, mut contents) = (Vec::new(), Vec::new());
    for object in objects {
        let tar = tar(object).with_context(|| format!("cannot pack {}", object.name))?;
        contents.push(Blob::digest_of(&tar));
        let layer = blobs.write(&compressed(&tar)?)?;
        layers.push(layer.descriptor(
            "application/vnd.oci.image.layer.v1.tar+gzip",
            &json!({ "annotations": {
                "dev.tekton.image.kind": object.kind,
                "dev.tekton.image.name": object.name,
                "dev.tekton.image.apiVersion": object.version,
            } }),
        ));
    }
    let config = json!({
        // Runs on no platform.
        "architecture": "unknown",
        "os": "unknown",
        "created": "1970-01-01T00:00:00Z",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": contents },
    });
    let config = blobs.write(config.to_string().as_bytes())?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config.descriptor("application/vnd.oci.image.config.v1+json", &json!({})),
        "layers": layers,
        "annotations": annotations,
    });
    let manifest = blobs.write(manifest.to_string().as_bytes())?;
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [manifest.descriptor("application/vnd.oci.image.manifest.v1+json", &json!({}))],
    });
    fs::write(directory.join("index.json"), index.to_string()).context("cannot write index.json")?;
    Ok(manifest.digest)
}

/// One file with the object's name, without owner and time.
fn tar(object: &BundleObject) -> Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_size(u64::try_from(object.text.len())?);
    header.set_mode(0o600);
    header.set_mtime(0);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, &object.name, object.text.as_bytes())?;
    Ok(archive.into_inner()?)
}

/// Without name and time of the compression.
fn compressed(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::layout_digest;

    fn object(name: &str) -> BundleObject {
        BundleObject {
            kind: "task".to_owned(),
            name: name.to_owned(),
            version: "v1".to_owned(),
            text: format!("kind: Task\nmetadata:\n  name: {name}\n"),
        }
    }

    #[test]
    fn same_objects_give_the_same_bundle_and_others_another() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let write = |place: &str, name: &str, note: &str| {
            let layout = directory.path().join(place);
            let digest = write_bundle(&layout, &[object(name)], &json!({ "note": note }))?;
            assert_eq!(layout_digest(&layout)?, digest);
            anyhow::Ok(digest)
        };
        let first = write("first", "a", "note")?;
        assert_eq!(write("second", "a", "note")?, first);
        assert_ne!(write("third", "b", "note")?, first);
        assert_ne!(write("fourth", "a", "another")?, first);
        Ok(())
    }

    #[test]
    fn more_objects_than_tekton_reads_are_refused() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let objects: Vec<_> = (0..=MOST_OBJECTS)
            .map(|number| object(&number.to_string()))
            .collect();
        write_bundle(directory.path(), &objects, &json!({})).expect_err("too many");
        write_bundle(directory.path(), &objects[1..], &json!({})).map(drop)
    }
}
