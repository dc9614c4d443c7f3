//! Versions of the servers: `servers/go.mod` has them, and the Kubernetes version is in one line of it.
//!
//! Kubernetes can't be an ordinary dependency: its `go.mod` refers to the staging repositories by relative path, so a
//! build of its commands must replace each of them (`k8s.io/api v0.36.3` for Kubernetes v1.36.3). Those replacements
//! follow from the one line `require k8s.io/kubernetes`; `test-cluster pin` writes them, in `consumers/go.mod` too.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::modules::Module as GoModule;

/// The module whose required version is the Kubernetes version.
pub(super) const KUBERNETES: &str = "k8s.io/kubernetes";

/// A Kubernetes release, such as v1.36.3.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KubernetesVersion {
    /// Minor version, which decides the API.
    pub minor: u32,
    /// The patch release.
    pub patch: u32,
}

impl KubernetesVersion {
    /// Reads `v1.MINOR.PATCH`.
    ///
    /// # Errors
    /// If `text` has another form: only releases of Kubernetes 1 are pinned.
    pub fn parse(text: &str) -> Result<Self> {
        let numbers = || {
            let (minor, patch) = text.strip_prefix("v1.")?.split_once('.')?;
            Some(Self {
                minor: minor.parse().ok()?,
                patch: patch.parse().ok()?,
            })
        };
        numbers().with_context(|| format!("{text:?} is not a Kubernetes release such as v1.36.3"))
    }

    /// The release that `go.mod`'s text requires.
    ///
    /// # Errors
    /// If the line is missing or its version isn't a release.
    pub fn pinned(go_mod: &str) -> Result<Self> {
        let version = go_mod
            .lines()
            .filter(|line| !line.contains("=>"))
            .filter_map(|line| {
                line.trim()
                    .trim_start_matches("require ")
                    .strip_prefix(KUBERNETES)?
                    .split_whitespace()
                    .next()
            })
            .find(|version| version.starts_with('v'))
            .context("go.mod does not require k8s.io/kubernetes")?;
        Self::parse(version)
    }

    /// The version of the staging repositories (`k8s.io/api` and its like) of this release.
    pub fn staging(self) -> String {
        format!("v0.{}.{}", self.minor, self.patch)
    }

    /// Linker flags that set a server's version: a module build has v0.0.0-master, and clients reject that.
    pub fn linker_flags(self) -> String {
        let package = "k8s.io/component-base/version";
        format!(
            "-X {package}.gitVersion={self} -X {package}.gitMajor=1 -X {package}.gitMinor={}",
            self.minor
        )
    }
}

impl std::fmt::Display for KubernetesVersion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "v1.{}.{}", self.minor, self.patch)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Module {
    pub(super) path: String,
    /// Absent for a directory.
    pub(super) version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Replacement {
    pub(super) old: Module,
    pub(super) new: Module,
}

impl Replacement {
    /// True for a repository that Kubernetes publishes from its own `staging` directory.
    pub(super) fn is_staging(&self) -> bool {
        self.new.path.starts_with("./staging/")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GoMod {
    #[serde(default)]
    pub(super) go: String,
    pub(super) replace: Option<Vec<Replacement>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Download {
    go_mod: PathBuf,
}

/// The modules that require Kubernetes: the servers, and the kubelet's reader of pull secrets.
const PINNED: [GoModule; 2] = [GoModule::Servers, GoModule::Consumers];

/// Pins the servers, and the consumers with them, to `version`: rewrites the requirement and every staging replacement from
/// that release's own `go.mod`, then tidies. Needs the Go module proxy.
///
/// # Errors
/// If Go fails, in particular where the release doesn't exist.
pub fn pin(version: KubernetesVersion) -> Result<()> {
    PINNED
        .into_iter()
        .try_for_each(|module| pin_module(module, version))
}

/// The `go.mod` of a release, as `go` reads it in `directory`.
pub(super) fn upstream(directory: &Path, module: &str, version: &str) -> Result<GoMod> {
    let release = format!("{module}@{version}");
    let download: Download =
        serde_json::from_slice(&go(directory, &["mod", "download", "-json", &release])?)?;
    let path = download.go_mod.to_string_lossy().into_owned();
    serde_json::from_slice(&go(directory, &["mod", "edit", "-json", &path])?)
        .with_context(|| format!("cannot read the go.mod of {release}"))
}

fn pin_module(module: GoModule, version: KubernetesVersion) -> Result<()> {
    let directory = module.directory()?;
    let go = |arguments: &[&str]| go(&directory, arguments);
    let new = staging_replacements(upstream(&directory, KUBERNETES, &version.to_string())?);
    ensure!(
        !new.is_empty(),
        "{KUBERNETES}@{version} replaces no staging repository; has its layout changed?"
    );
    let managed: GoMod = serde_json::from_slice(&go(&["mod", "edit", "-json"])?)?;

    let mut edit = vec![
        "mod".to_owned(),
        "edit".to_owned(),
        format!("-require={KUBERNETES}@{version}"),
    ];
    // A replacement that only gets another version keeps its place in the file.
    for old in managed.replace.unwrap_or_default() {
        if old.old.path == old.new.path && !new.contains(&old.old.path) {
            edit.push(format!("-dropreplace={}", old.old.path));
        }
    }
    for module in new {
        edit.push(format!("-replace={module}={module}@{}", version.staging()));
    }
    go(&edit.iter().map(String::as_str).collect::<Vec<_>>())?;
    go(&["mod", "tidy"])?;
    Ok(())
}

/// The modules that Kubernetes' `go.mod` replaces by its own `staging` directory.
fn staging_replacements(upstream: GoMod) -> Vec<String> {
    upstream
        .replace
        .unwrap_or_default()
        .into_iter()
        .filter(Replacement::is_staging)
        .map(|replacement| replacement.old.path)
        .collect()
}

/// Runs `go` in a module and gives its output.
pub(super) fn go(directory: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new("go")
        .args(arguments)
        .current_dir(directory)
        .env("GOFLAGS", "-mod=mod")
        .env("GOWORK", "off")
        .output()
        .context("cannot run `go`; install Go to build the test cluster's servers")?;
    ensure!(
        output.status.success(),
        "`go {}` failed:\n{}{}",
        arguments.join(" "),
        // With -json Go prints its errors on standard output.
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADVICE: &str = "run `cargo run -p test-cluster -- pin VERSION` instead of editing by hand";

    fn go_mod(module: GoModule) -> Result<String> {
        Ok(std::fs::read_to_string(module.directory()?.join("go.mod"))?)
    }

    #[test]
    fn every_staging_replacement_follows_the_one_required_version() -> Result<()> {
        for module in PINNED {
            let go_mod = go_mod(module)?;
            let staging = KubernetesVersion::pinned(&go_mod)?.staging();
            let replacements: Vec<_> = go_mod.lines().filter(|line| line.contains("=>")).collect();
            assert!(replacements.len() > 30, "{} replacements", replacements.len());
            for replacement in replacements {
                let (old, new) = replacement
                    .split_once("=>")
                    .context("a replacement has an arrow")?;
                assert_eq!(new.trim(), format!("{} {staging}", old.trim()), "{ADVICE}");
            }
        }
        Ok(())
    }

    #[test]
    fn compared_kubelet_has_the_release_of_the_servers() -> Result<()> {
        let [servers, consumers] = PINNED.map(|module| KubernetesVersion::pinned(&go_mod(module)?));
        assert_eq!(servers?, consumers?, "{ADVICE}");
        Ok(())
    }

    #[test]
    fn only_kubernetes_releases_are_versions() {
        for wrong in ["1.36.3", "v2.0.0", "v1.36", "v1.36.3-rc.0", "v0.36.3", ""] {
            KubernetesVersion::parse(wrong).expect_err(wrong);
        }
        let version = KubernetesVersion::parse("v1.36.3").expect("a release");
        assert_eq!(
            (version.to_string().as_str(), version.staging().as_str()),
            ("v1.36.3", "v0.36.3")
        );
        assert!(version.linker_flags().contains("gitVersion=v1.36.3 "));
        assert!(version.linker_flags().ends_with("gitMinor=36"));
    }

    #[test]
    fn only_kubernetes_own_staging_directory_is_replaced() -> Result<()> {
        let upstream = br#"{"Replace":[
            {"Old":{"Path":"k8s.io/api"},"New":{"Path":"./staging/src/k8s.io/api"}},
            {"Old":{"Path":"example.com/fork"},"New":{"Path":"example.com/other","Version":"v1.0.0"}}]}"#;
        assert_eq!(
            staging_replacements(serde_json::from_slice(upstream)?),
            ["k8s.io/api"]
        );
        Ok(())
    }
}
