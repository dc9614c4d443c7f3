//! Content of an image that was copied to a directory.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

/// An image of one platform.
pub struct Content {
    pub architecture: String,
    /// `config` of the image's configuration: user, entry point, labels.
    pub config: Value,
    pub created: String,
    /// Each entry of its layers: mode, owner and group, size, time, path.
    pub entries: Vec<String>,
    /// All files of its layers, one after the other.
    pub files: Vec<u8>,
}

/// Reads a list of images, in its order.
pub fn read(directory: &Path) -> Vec<Content> {
    let index = json(&directory.join("manifest.json"));
    let manifests = index["manifests"].as_array().expect("a list of images");
    manifests.iter().map(|entry| image(directory, entry)).collect()
}

fn image(directory: &Path, entry: &Value) -> Content {
    let blob = |digest: &Value| {
        let digest = digest.as_str().expect("a digest");
        digest.strip_prefix("sha256:").expect("SHA-256").to_owned()
    };
    let manifest = json(&directory.join(format!("{}.manifest.json", blob(&entry["digest"]))));
    let config = json(&directory.join(blob(&manifest["config"]["digest"])));
    assert_eq!(config["architecture"], entry["platform"]["architecture"]);
    let text = |member: &str| config[member].as_str().expect("a string").to_owned();
    let (mut entries, mut files) = (Vec::new(), Vec::new());
    for layer in manifest["layers"].as_array().expect("layers") {
        let layer = directory.join(blob(&layer["digest"]));
        let list = ["--list", "--verbose", "--numeric-owner", "--full-time", "--utc"];
        let listed = String::from_utf8(tar(&layer, &list)).expect("a listing is text");
        entries.extend(listed.lines().map(str::to_owned));
        files.extend(tar(&layer, &["--extract", "--to-stdout"]));
    }
    Content {
        architecture: text("architecture"),
        created: text("created"),
        config: config["config"].clone(),
        entries,
        files,
    }
}

/// Standard output of tar for a compressed layer.
fn tar(layer: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("tar")
        .args(arguments)
        .args(["--gzip", "--file"])
        .arg(layer)
        .output()
        .expect("tar");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn json(path: &Path) -> Value {
    let content = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&content).expect("JSON")
}
