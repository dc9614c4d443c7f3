//! A builder's storage for one build.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

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
    pub(crate) fn temporary(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        // An image's top directory may not be written to. That keeps everybody but root from removing what is in it.
        if let Err(error) = make_writable(self.directory.path()) {
            eprintln!("{} may stay: {error}", self.directory.path().display());
        }
    }
}

fn make_writable(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_writable(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_storage_stays_though_its_directories_are_not_writable() -> Result<()> {
        let storage = Storage::new()?;
        let top = storage.temporary().to_owned();
        let layer = storage.path("root/vfs/dir/layer");
        fs::create_dir_all(&layer)?;
        fs::write(layer.join("binary"), "a binary")?;
        fs::set_permissions(&layer, fs::Permissions::from_mode(0o555))?;

        make_writable(&top)?;
        let mode = fs::metadata(&layer)?.permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "root would remove it in any case");
        drop(storage);
        assert!(!top.exists());
        Ok(())
    }
}
