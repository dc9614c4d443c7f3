//! A builder's storage for one build.

use std::{ffi::OsString, path::PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

/// Directories of one build, gone when this is dropped. The user's own images and settings are neither read nor touched.
#[derive(Debug)]
pub(crate) struct Storage {
    directory: TempDir,
}

impl Storage {
    pub(crate) fn new() -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("image-")
            .tempdir()
            .context("cannot create a directory for the builder's storage")?;
        Ok(Self { directory })
    }

    /// A path in it, which nothing is at yet.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The options that buildah and podman have in common. `vfs` copies files instead of mounting layers: for one small
    /// file that costs nothing, and it works without root, without FUSE, and in a container.
    pub(crate) fn options(&self) -> Vec<OsString> {
        vec![
            "--root".into(),
            self.path("root").into(),
            "--runroot".into(),
            self.path("run").into(),
            "--storage-driver".into(),
            "vfs".into(),
        ]
    }

    /// Where the builder puts what it needs for a moment; else that is `/var/tmp`.
    pub(crate) fn temporary(&self) -> &std::path::Path {
        self.directory.path()
    }
}
