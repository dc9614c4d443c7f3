//! Go modules of releases other than the pinned ones, with exactly the requirements of the release. They are written into
//! the cache.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::pins::{KUBERNETES, KubernetesVersion, Replacement, go, upstream};

/// A release, and its commands that the tests use.
#[derive(Clone, Debug)]
pub struct Release {
    module: &'static str,
    version: String,
    /// Version of Kubernetes' staging repositories.
    staging: Option<String>,
    commands: &'static [&'static str],
}

impl Release {
    /// A release of Kubernetes.
    ///
    /// # Errors
    /// If `version` is not a release.
    pub fn kubernetes(version: &str) -> Result<Self> {
        Ok(Self {
            module: KUBERNETES,
            version: version.to_owned(),
            staging: Some(KubernetesVersion::parse(version)?.staging()),
            commands: &[
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kubectl",
                "kubelet",
            ],
        })
    }

    /// A release of Tekton Pipelines.
    pub fn tekton(version: &str) -> Self {
        Self {
            module: "github.com/tektoncd/pipeline",
            version: version.to_owned(),
            staging: None,
            commands: &["controller", "entrypoint"],
        }
    }

    /// Directory of the release's module below `cache`, written if it is missing. Needs the Go module proxy then.
    ///
    /// # Errors
    /// If Go fails, for example because the release doesn't exist.
    pub fn module(&self, cache: &Path) -> Result<PathBuf> {
        let name = self.module.rsplit('/').next().unwrap_or_default();
        let directory = cache.join(format!("{name}-{}", self.version));
        if directory.join("go.sum").is_file() {
            return Ok(directory);
        }
        fs::create_dir_all(cache).with_context(|| format!("cannot create {}", cache.display()))?;
        let unfinished = tempfile::tempdir_in(cache)
            .with_context(|| format!("cannot create a directory in {}", cache.display()))?;
        self.write(unfinished.path())?;
        // Another process may have written the same one.
        if !directory.exists() {
            fs::rename(unfinished.path(), &directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
        }
        Ok(directory)
    }

    fn write(&self, directory: &Path) -> Result<()> {
        let go_mod = directory.join("go.mod");
        // `go mod download` needs a module, and its own requirements don't matter.
        fs::write(&go_mod, "module release\n").context("cannot write go.mod")?;
        let upstream = upstream(directory, self.module, &self.version)?;
        let mut text = format!(
            "module release\n\ngo {}\n\nrequire {} {}\n",
            upstream.go, self.module, self.version
        );
        for replacement in upstream.replace.iter().flatten() {
            if let Some(new) = self.replacement(replacement) {
                text.push_str(&format!("replace {} => {new}\n", replacement.old.path));
            }
        }
        fs::write(&go_mod, text).context("cannot write go.mod")?;
        let imports: String = self
            .commands
            .iter()
            .map(|command| format!("import _ \"{}/cmd/{command}\"\n", self.module))
            .collect();
        // `tool` lines would need a newer `go` line than the release's, and that line decides Go's defaults.
        fs::write(
            directory.join("tools.go"),
            format!("//go:build tools\n\npackage tools\n\n{imports}"),
        )
        .context("cannot write tools.go")?;
        go(directory, &["mod", "tidy"]).map(drop)
    }

    /// A module's replacement, since those of a dependency don't count.
    fn replacement(&self, replacement: &Replacement) -> Option<String> {
        match (&self.staging, &replacement.new.version) {
            (Some(staging), _) if replacement.is_staging() => {
                Some(format!("{} {staging}", replacement.old.path))
            }
            (_, Some(version)) => Some(format!("{} {version}", replacement.new.path)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replacement(json: &str) -> Replacement {
        serde_json::from_str(json).expect("a replacement")
    }

    #[test]
    fn replacements_of_a_release_stay_and_staging_gets_its_version() -> Result<()> {
        let staging =
            replacement(r#"{"Old":{"Path":"k8s.io/api"},"New":{"Path":"./staging/src/k8s.io/api"}}"#);
        let fork = replacement(
            r#"{"Old":{"Path":"example.com/a"},"New":{"Path":"example.com/fork","Version":"v1.0.0"}}"#,
        );
        let kubernetes = Release::kubernetes("v1.30.14")?;
        assert_eq!(
            kubernetes.replacement(&staging).as_deref(),
            Some("k8s.io/api v0.30.14")
        );
        assert_eq!(
            kubernetes.replacement(&fork).as_deref(),
            Some("example.com/fork v1.0.0")
        );
        assert_eq!(Release::tekton("v1.0.0").replacement(&staging), None);
        Ok(())
    }

    #[test]
    fn only_a_release_of_kubernetes_is_one() {
        Release::kubernetes("1.30").expect_err("no release");
    }
}
