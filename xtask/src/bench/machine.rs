//! What the figures were measured with.

use std::fs;

use anyhow::{Context as _, Result};
use container_image::Platform;
use test_cluster::{access::ClusterAccess, servers::Module};
use xshell::cmd;

use crate::project;

/// Modules of the servers whose versions are named.
const MODULES: [(&str, &str); 2] = [
    ("etcd", "go.etcd.io/etcd/server/v3"),
    ("CNCF distribution", "github.com/distribution/distribution/v3"),
];
/// Crates of the program whose versions are named.
const CRATES: [&str; 5] = ["kube", "tokio", "hyper", "rustls", "ring"];

/// Names and versions, in the order of the page.
pub struct Machine {
    /// Each a name and what it is.
    pub rows: Vec<(String, String)>,
}

impl Machine {
    /// Looks at this machine and at the servers.
    ///
    /// # Errors
    /// Where the API server or the compiler doesn't tell its version, or a file of the project lacks one.
    pub async fn look(access: &ClusterAccess) -> Result<Self> {
        let kubernetes = access
            .client()
            .await?
            .apiserver_version()
            .await
            .context("cannot ask for the API server's version")?;
        let shell = project::shell()?;
        let rustc = cmd!(shell, "rustc --version")
            .quiet()
            .read()
            .context("cannot run rustc")?;
        let mut rows = vec![
            (
                "program".to_owned(),
                format!(
                    "ensure-pull-secret {}, release profile, {}",
                    env!("CARGO_PKG_VERSION"),
                    Platform::native()?.target()
                ),
            ),
            ("compiler".to_owned(), rustc),
            (
                "kube-apiserver, kubectl".to_owned(),
                format!("{}, built by {}", kubernetes.git_version, kubernetes.go_version),
            ),
        ];
        let go_mod = fs::read_to_string(Module::Servers.directory().join("go.mod"))
            .context("cannot read the servers' go.mod")?;
        for (name, module) in MODULES {
            let version =
                go_version(&go_mod, module).with_context(|| format!("go.mod does not require {module}"))?;
            rows.push((name.to_owned(), version.to_owned()));
        }
        let lock = fs::read_to_string(project::file("Cargo.lock")).context("cannot read Cargo.lock")?;
        let crates: Vec<String> = CRATES
            .iter()
            .filter_map(|name| Some(format!("{name} {}", crate_version(&lock, name)?)))
            .collect();
        rows.push(("crates".to_owned(), crates.join(", ")));
        rows.push(("machine".to_owned(), processor()));
        rows.push(("load before the start".to_owned(), load()));
        Ok(Self { rows })
    }
}

/// The version of a required module in a go.mod.
pub fn go_version<'a>(go_mod: &'a str, module: &str) -> Option<&'a str> {
    go_mod
        .lines()
        .filter(|line| !line.contains("=>"))
        .find_map(|line| {
            let mut words = line.split_whitespace().skip_while(|word| *word == "require");
            (words.next()? == module).then(|| words.next())?
        })
}

/// The first version of a crate in a Cargo.lock.
fn crate_version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    after.split('"').next()
}

fn processor() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|info| {
        let line = info.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    format!(
        "Linux, {cores} cores, {}",
        model.as_deref().unwrap_or(std::env::consts::ARCH)
    )
}

/// The load average of the last minute: on a busy machine the shell, which starts more processes, suffers more.
fn load() -> String {
    fs::read_to_string("/proc/loadavg")
        .ok()
        .and_then(|averages| averages.split_whitespace().next().map(str::to_owned))
        .unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_where_they_are_pinned() {
        let go_mod = "require example.test/one v1.0.0\nrequire (\n\texample.test/two v2.0.0 // indirect\n)\n\
                      replace example.test/two => example.test/other v3.0.0\n";
        assert_eq!(go_version(go_mod, "example.test/one"), Some("v1.0.0"));
        assert_eq!(go_version(go_mod, "example.test/two"), Some("v2.0.0"));
        assert_eq!(go_version(go_mod, "example.test/three"), None);
        let lock = "[[package]]\nname = \"hyper\"\nversion = \"1.2.3\"\n";
        assert_eq!(crate_version(lock, "hyper"), Some("1.2.3"));
        assert_eq!(crate_version(lock, "kube"), None);
    }

    #[test]
    fn everything_that_is_named_has_a_version() -> Result<()> {
        let go_mod = fs::read_to_string(Module::Servers.directory().join("go.mod"))?;
        let lock = fs::read_to_string(project::file("Cargo.lock"))?;
        for (name, module) in MODULES {
            assert!(go_version(&go_mod, module).is_some(), "{name}");
        }
        for name in CRATES {
            assert!(crate_version(&lock, name).is_some(), "{name}");
        }
        Ok(())
    }
}
