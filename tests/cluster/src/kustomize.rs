//! Rendered kustomizations, by kustomize's own library: the one in the module that pins Tekton.

use std::{
    ffi::OsStr,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use container_image::project;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{manifest::documents, servers};

/// The project's own manifests.
pub fn tekton() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tekton")
}

/// The project's kustomizations, and its components, by their directories from the top of the clone: `tekton/base`.
///
/// # Errors
/// If one can't be read, or is neither.
pub fn directories() -> Result<(Vec<String>, Vec<String>)> {
    let (mut kustomizations, mut components) = (Vec::new(), Vec::new());
    let mut pending = vec![(tekton(), "tekton".to_owned())];
    while let Some((directory, name)) = pending.pop() {
        let entries =
            fs::read_dir(&directory).with_context(|| format!("cannot list {}", directory.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list {}", directory.display()))?;
            let (path, file) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() {
                pending.push((path, format!("{name}/{file}")));
            } else if file == "kustomization.yaml" {
                let text =
                    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                let documents =
                    documents(&text).with_context(|| format!("cannot read {}", path.display()))?;
                match documents.first().and_then(|document| document["kind"].as_str()) {
                    Some("Kustomization") => kustomizations.push(name.clone()),
                    Some("Component") => components.push(name.clone()),
                    kind => bail!(
                        "{} is of kind {kind:?}: neither Kustomization nor Component",
                        path.display()
                    ),
                }
            }
        }
    }
    kustomizations.sort();
    components.sort();
    Ok((kustomizations, components))
}

/// `images:` of a user's kustomization: this image in place of the published one.
pub fn images(new_name: &str, digest: &str) -> Value {
    json!([{ "name": project::image(), "newName": new_name, "digest": digest }])
}

/// The objects that the kustomization of `directory` gives, in the order of `kustomize build`. Builds the renderer where
/// the cache lacks it: blocks.
///
/// # Errors
/// If the renderer can't be built, or kustomize rejects the kustomization, with its message.
pub fn render(directory: &Path) -> Result<Vec<Value>> {
    let mut renderings = render_all(&[directory])?;
    renderings.pop().context("one directory gives one rendering")?
}

/// Like [`render`], for several directories in one run: the objects of each, or kustomize's error.
///
/// # Errors
/// If the renderer can't be built or run.
pub fn render_all(directories: &[&Path]) -> Result<Vec<Result<Vec<Value>>>> {
    /// As the renderer writes it.
    #[derive(Deserialize)]
    struct Rendering {
        directory: String,
        #[serde(default)]
        objects: Vec<Value>,
        #[serde(default)]
        error: String,
    }

    let mut arguments = vec![OsStr::new("render")];
    arguments.extend(directories.iter().map(|directory| directory.as_os_str()));
    let renderings: Vec<Rendering> = serde_json::from_slice(&manifests(&arguments, b"")?)
        .context("the renderer's answer is not what was agreed")?;
    ensure!(renderings.len() == directories.len(), "a rendering is missing");
    let result = |rendering: Rendering| {
        if !rendering.error.is_empty() {
            bail!("kustomize refuses {}: {}", rendering.directory, rendering.error);
        }
        Ok(rendering.objects)
    };
    Ok(renderings.into_iter().map(result).collect())
}

/// A kustomization as a user writes it, beside a copy of the project's manifests, which it calls `../tekton`. Both are
/// gone with this value.
pub struct UserKustomization {
    directory: TempDir,
}

impl UserKustomization {
    /// Writes `text` as `kustomization.yaml`.
    ///
    /// # Errors
    /// If files can't be copied or written.
    pub fn new(text: &str) -> Result<Self> {
        Self::beside(&tekton(), text)
    }

    /// As [`UserKustomization::new`], with the manifests of another clone.
    ///
    /// # Errors
    /// If files can't be copied or written.
    pub fn beside(manifests: &Path, text: &str) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("kustomization-")
            .tempdir()
            .context("cannot make a directory for a kustomization")?;
        copy(manifests, &directory.path().join("tekton"))?;
        let own = Self { directory };
        fs::create_dir(own.path())
            .and_then(|()| fs::write(own.path().join("kustomization.yaml"), text))
            .context("cannot write a kustomization")?;
        Ok(own)
    }

    /// The directory to render or to apply.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("install")
    }

    /// Its objects.
    ///
    /// # Errors
    /// As [`render`].
    pub fn render(&self) -> Result<Vec<Value>> {
        render(&self.path())
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = || {
        fs::create_dir(to)?;
        fs::read_dir(from)?.collect::<std::io::Result<Vec<_>>>()
    };
    let entries = copied().with_context(|| format!("cannot copy {}", from.display()))?;
    for entry in entries {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to)?;
        } else {
            fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
        }
    }
    Ok(())
}

/// Runs the Go program with kustomize's and Tekton's code; returns its standard output.
pub(crate) fn manifests(arguments: &[&OsStr], input: &[u8]) -> Result<Vec<u8>> {
    let mut child = Command::new(servers::manifests()?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run the program that reads manifests")?;
    // It reads all of its input before it writes.
    child
        .stdin
        .take()
        .context("its standard input is piped")?
        .write_all(input)
        .context("cannot hand it the manifests")?;
    let output = child.wait_with_output().context("cannot wait for it")?;
    ensure!(
        output.status.success(),
        "cannot read the manifests: {}",
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG_MAP: &str = "configMapGenerator:\n- name: a\n  literals: [b=c]\n";

    #[test]
    fn own_kustomization_includes_the_projects_manifests() -> Result<()> {
        let user = UserKustomization::new(&format!(
            "namespace: mine\n{CONFIG_MAP}resources: [../tekton/overlays/openshift-cronjob]\n"
        ))?;
        let objects = user.render()?;
        let kinds: Vec<_> = objects
            .iter()
            .filter_map(|object| object["kind"].as_str())
            .collect();
        assert!(
            kinds.contains(&"ConfigMap") && kinds.contains(&"CronJob"),
            "{kinds:?}"
        );
        Ok(())
    }

    #[test]
    fn rejected_kustomization_is_reported_and_blocks_no_other() -> Result<()> {
        let (right, wrong) = (
            UserKustomization::new(CONFIG_MAP)?,
            UserKustomization::new("resources: [missing.yaml]\n")?,
        );
        let renderings = render_all(&[&wrong.path(), &right.path()])?;
        let [wrong, right] = &renderings[..] else {
            panic!("{renderings:?}")
        };
        let error = wrong.as_ref().expect_err("a file is missing").to_string();
        assert!(error.contains("missing.yaml"), "{error}");
        assert_eq!(right.as_ref().map(Vec::len).ok(), Some(1));
        Ok(())
    }
}
