//! The integration tests of the workspace, by name.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::node;
use crate::project;

/// Every integration test but one and the node tier's, in the order of their names.
///
/// # Errors
/// Where cargo can't list them, or none has that name.
pub fn all_but(name: &str) -> Result<Vec<String>> {
    let shell = project::shell()?;
    let metadata = project::cargo(&shell)
        .args(["metadata", "--locked", "--no-deps", "--format-version", "1"])
        .quiet()
        .read()
        .context("cannot list the tests")?;
    without(
        &serde_json::from_str(&metadata).context("cargo's metadata is not read")?,
        name,
    )
}

fn without(metadata: &Value, name: &str) -> Result<Vec<String>> {
    let packages = metadata["packages"].as_array().context("packages")?;
    let mut names: Vec<String> = packages
        .iter()
        .filter(|package| package["name"] != node::PACKAGE)
        .filter_map(|package| package["targets"].as_array())
        .flatten()
        .filter(|target| target["kind"][0] == "test")
        .filter_map(|target| target["name"].as_str().map(str::to_owned))
        .collect();
    let all = names.len();
    names.retain(|other| other != name);
    ensure!(names.len() + 1 == all, "there is not one test {name}");
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t9_without_the_image_every_other_test_is_run() -> Result<()> {
        let names = all_but("image")?;
        for name in [
            "api",
            "contract",
            "faults",
            "new_machine",
            "registries",
            "conformance",
        ] {
            assert!(names.iter().any(|other| other == name), "{name}: {names:?}");
        }
        assert!(
            !names.iter().any(|name| name == "image" || name == "leftovers"),
            "{names:?}"
        );
        assert!(all_but("no-such-test").is_err());
        Ok(())
    }
}
