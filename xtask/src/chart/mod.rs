//! The Helm chart: its package, and the checks that need Helm.

#[cfg(test)]
mod drift;
#[cfg(test)]
mod tests;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use test_cluster::helm::{self, Helm};

use crate::project;

/// The chart, from the top of the clone.
pub const CHART: &str = "chart/ensure-pull-secret";
/// Values for the common installs, one file for each overlay.
const VALUES: &str = "chart/ensure-pull-secret/ci";
/// The annotation with the digest of the release's image: the default where neither tag nor digest is set.
const DIGEST: &str = "ensure-pull-secret/image-digest";

/// Lets Helm check the chart with the values of each common install.
///
/// # Errors
/// If Helm has an objection.
pub fn check() -> Result<()> {
    let Some(helm) = Helm::find()? else {
        return Ok(());
    };
    let chart = helm::chart();
    let values = project::files(VALUES)?;
    ensure!(!values.is_empty(), "there are no values in {VALUES}");
    for file in values {
        let mut arguments = vec![PathBuf::from("lint"), "--strict".into(), "--quiet".into()];
        arguments.extend(["--values".into(), project::file(&file), chart.clone()]);
        helm.run(arguments)
            .with_context(|| format!("the chart with {file}"))?;
    }
    Ok(())
}

/// Packages the chart of `clone` into the directory `out`, with `image_digest` (`sha256:…`) as the digest of its image.
/// All times are `seconds` since the epoch, so the same input gives the same bytes. Returns the file.
///
/// # Errors
/// If Helm is not installed, or refuses the chart.
pub fn package(clone: &Path, out: &Path, image_digest: Option<&str>, seconds: u64) -> Result<PathBuf> {
    let helm = Helm::find()?.context(helm::ADVICE)?;
    let directory = tempfile::tempdir().context("cannot make a directory for the chart")?;
    let copy = directory.path().join("ensure-pull-secret");
    copy_directory(&clone.join(CHART), &copy)?;
    if let Some(digest) = image_digest {
        let file = copy.join("Chart.yaml");
        let text = fs::read_to_string(&file).context("cannot read Chart.yaml")?;
        fs::write(&file, with_digest(&text, digest)?).context("cannot write Chart.yaml")?;
    }
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    helm.package(&copy, out, seconds)
}

fn copy_directory(from: &Path, to: &Path) -> Result<()> {
    let failure = || format!("cannot copy {}", from.display());
    fs::create_dir_all(to).with_context(failure)?;
    for entry in fs::read_dir(from).with_context(failure)? {
        let entry = entry.with_context(failure)?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target).with_context(failure)?;
        }
    }
    Ok(())
}

/// Chart.yaml with the digest of the image, for the templates and for Artifact Hub.
fn with_digest(text: &str, digest: &str) -> Result<String> {
    let image = format!("      image: {}\n", crate::generate::chart::image_reference());
    ensure!(text.contains(&image), "Chart.yaml has no line {image:?}");
    let text = text.replace(&image, &format!("{}@{digest}\n", image.trim_end()));
    let annotations = "\nannotations:\n";
    ensure!(text.contains(annotations), "Chart.yaml has no annotations");
    Ok(text.replacen(annotations, &format!("{annotations}  {DIGEST}: {digest}\n"), 1))
}
