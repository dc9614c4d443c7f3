//! The version in the manifests and the image: tags and labels, in step with Cargo.toml.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result};

use crate::project;

/// The version of the whole workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Text before a version: image, label of Tekton's catalog, label of the image, and the tag that OpenShift builds.
const BEFORE: [&str; 5] = [
    "registry.invalid/ensure-pull-secret:",
    "app.kubernetes.io/version: \"",
    "org.opencontainers.image.version=\"",
    "name: ensure-pull-secret:",
    "imagestreamtag ensure-pull-secret:",
];

/// Both Containerfiles and every file of tekton/ that names the version, as it should be.
///
/// # Errors
/// Where the directory or one of its files can't be read.
pub fn files() -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for path in project::files("tekton")?
        .into_iter()
        .chain(["Containerfile", "container-image/Containerfile"].map(str::to_owned))
    {
        let text = fs::read_to_string(project::file(&path)).with_context(|| format!("cannot read {path}"))?;
        if BEFORE.iter().any(|before| text.contains(before)) {
            files.insert(path, with_versions(text));
        }
    }
    Ok(files)
}

/// `text` with [`VERSION`] in place of every version after one of [`BEFORE`].
fn with_versions(text: String) -> String {
    BEFORE
        .iter()
        .fold(text, |text, before| with_version(&text, before))
}

fn with_version(text: &str, before: &str) -> String {
    let mut parts = text.split(before);
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || ".-+".contains(c));
        written.push_str(before);
        written.push_str(VERSION);
        written.push_str(rest);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_behind_image_and_label_is_replaced_and_nothing_else() {
        let [image, label, ..] = BEFORE;
        let text =
            |version: &str| format!("a: {image}{version}\nb: 0.0.1\n{label}{version}\"\n{image}{version}");
        assert_eq!(with_versions(text("0.0.1-rc.1")), text(VERSION));
    }
}
