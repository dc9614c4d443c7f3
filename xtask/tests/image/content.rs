//! Content of an image that was copied to a directory.

use std::{fs, io::Read as _, path::Path};

use flate2::read::GzDecoder;
use serde_json::Value;

/// An image of one platform.
pub struct Content {
    pub architecture: String,
    /// `config` of the image's configuration: user, entry point, labels.
    pub config: Value,
    pub created: String,
    pub files: Vec<File>,
}

/// One entry of its layers.
#[derive(Debug)]
pub struct File {
    pub path: String,
    pub mode: u32,
    pub owner: u64,
    pub modified: u64,
    pub content: Vec<u8>,
}

/// Reads a list of images, in its order.
pub fn read(directory: &Path) -> Vec<Content> {
    let index = json(&directory.join("manifest.json"));
    let manifests = index["manifests"].as_array().expect("a list of images");
    manifests.iter().map(|entry| image(directory, entry)).collect()
}

fn image(directory: &Path, entry: &Value) -> Content {
    let manifest = json(&directory.join(format!("{}.manifest.json", hex(&entry["digest"]))));
    let config = json(&directory.join(hex(&manifest["config"]["digest"])));
    let layers = manifest["layers"].as_array().expect("layers");
    assert_eq!(config["architecture"], entry["platform"]["architecture"]);
    Content {
        architecture: config["architecture"].as_str().expect("a string").to_owned(),
        created: config["created"].as_str().expect("a string").to_owned(),
        config: config["config"].clone(),
        files: layers
            .iter()
            .flat_map(|layer| files(&directory.join(hex(&layer["digest"]))))
            .collect(),
    }
}

fn files(layer: &Path) -> Vec<File> {
    let compressed = fs::File::open(layer).expect("a layer");
    let mut archive = tar::Archive::new(GzDecoder::new(compressed));
    let entries = archive.entries().expect("a tar archive");
    entries
        .map(|entry| {
            let mut entry = entry.expect("an entry");
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("its content");
            let header = entry.header();
            File {
                path: entry.path().expect("a path").display().to_string(),
                mode: header.mode().expect("a mode"),
                owner: header.uid().expect("an owner"),
                modified: header.mtime().expect("a time"),
                content,
            }
        })
        .collect()
}

fn hex(digest: &Value) -> &str {
    let digest = digest.as_str().expect("a digest");
    digest.strip_prefix("sha256:").expect("SHA-256")
}

fn json(path: &Path) -> Value {
    let content = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&content).expect("JSON")
}
