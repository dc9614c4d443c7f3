//! Two directories, byte for byte.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use container_image::sha256;

/// Number of files that both directories have, with the same content.
///
/// # Errors
/// Where a file is missing or differs, each named.
pub fn same(first: &Path, second: &Path) -> Result<usize> {
    let (first, second) = (sums(first)?, sums(second)?);
    let names = first.keys().chain(second.keys());
    let mut different: Vec<_> = names
        .filter(|name| first.get(*name) != second.get(*name))
        .collect();
    different.sort();
    different.dedup();
    ensure!(different.is_empty(), "the two builds differ in {different:?}");
    ensure!(!first.is_empty(), "the builds are empty");
    Ok(first.len())
}

fn sums(top: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut sums = BTreeMap::new();
    let mut pending = vec![top.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in
            fs::read_dir(&directory).with_context(|| format!("cannot list {}", directory.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                pending.push(path);
                continue;
            }
            let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            sums.insert(path.strip_prefix(top)?.to_owned(), sha256(&content));
        }
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_and_missing_files_are_named() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let [first, second] = ["first", "second"].map(|name| directory.path().join(name));
        for top in [&first, &second] {
            fs::create_dir_all(top.join("blobs"))?;
            fs::write(top.join("blobs/a"), "a")?;
        }
        assert_eq!(same(&first, &second)?, 1);
        fs::write(second.join("blobs/a"), "b")?;
        fs::write(second.join("c"), "")?;
        let error = same(&first, &second).expect_err("two differences").to_string();
        assert!(error.contains("blobs/a") && error.contains("\"c\""), "{error}");
        Ok(())
    }
}
