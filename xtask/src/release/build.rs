//! `cargo xtask release build`: everything that a release has, from one commit, with the same bytes each time.

use std::{fmt, fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use container_image::{
    BuildContext, Builder, BuiltImage, Labels, Platform, layout_digest,
    project::{NO_OWNER, VERSION, image, owner},
    sha256,
};
use serde::{Deserialize, Serialize};
use xshell::cmd;

use super::{
    chart,
    git::{self, Commit},
    manifests, notes, sbom, tekton_bundle,
};
use crate::{static_binary, steps::Steps};

/// OCI image layouts below the directory of a build. Everything else in there, but the digests, is a file of the release.
pub const IMAGE: &str = "image";
pub const BUNDLE: &str = "bundle";
/// Files of a build.
pub const DIGESTS: &str = "digests.json";
pub const NOTES: &str = "notes.md";
pub const SBOM: &str = "sbom.cdx.json";
pub const CHECKSUMS: &str = "SHA256SUMS";

/// Digests of a release.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Digests {
    /// The list of images.
    pub image: String,
    /// The Tekton bundle.
    pub bundle: String,
    /// File name of the chart's package, which gets its digest from helm.
    pub chart: Option<String>,
}

impl fmt::Display for Digests {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "image:  {}@{}", image(), self.image)?;
        write!(formatter, "bundle: {}/bundle@{}", image(), self.bundle)
    }
}

impl Digests {
    /// Those of a build.
    ///
    /// # Errors
    /// Where the directory has none.
    pub fn read(out: &Path) -> Result<Self> {
        let path = out.join(DIGESTS);
        let text = fs::read(&path).with_context(|| format!("{} is not a build", out.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("cannot read {}", path.display()))
    }
}

/// Checks that a tag is this version's, that the version has changes, and that the project has an owner.
///
/// # Errors
/// Where one of them is not so.
pub fn check_tag(clone: &Path, tag: &str) -> Result<()> {
    ensure!(
        owner() != NO_OWNER,
        "the project has no owner: run `cargo xtask release prepare {VERSION}`, which prints what to change"
    );
    ensure!(
        tag == format!("v{VERSION}"),
        "the tag is {tag}, and the version in Cargo.toml is {VERSION}"
    );
    let changelog = fs::read_to_string(clone.join("CHANGELOG.md"))?;
    ensure!(
        notes::section(&changelog, VERSION).is_some(),
        "CHANGELOG.md has no section for {VERSION}: run `cargo xtask release prepare {VERSION}`"
    );
    Ok(())
}

/// Builds the clone's commit into a new directory.
///
/// # Errors
/// Where files differ from the commit, the directory exists, a tool is missing, or something can't be built.
pub async fn build(clone: &Path, out: &Path) -> Result<Digests> {
    let commit = Commit::of(clone)?;
    let builder = Builder::installed()?;
    fs::create_dir(out).with_context(|| format!("cannot create {}", out.display()))?;
    // git and tar run elsewhere.
    let out = &fs::canonicalize(out)?;
    let mut steps = Steps::new(Platform::ALL.len() + 3);

    let mut binaries = Vec::new();
    for platform in Platform::ALL {
        steps.next(&format!("binary for {platform}"), "2 min");
        let built = static_binary::build_released(clone, platform)?;
        let binary = out.join(format!(
            "ensure-pull-secret-{}",
            platform.to_string().replace('/', "-")
        ));
        fs::copy(&built, &binary).with_context(|| format!("cannot copy {}", built.display()))?;
        binaries.push((platform, binary));
    }

    steps.next("image", "10 s");
    let context = tempfile::tempdir().context("cannot create a directory for the image")?;
    let context = BuildContext::write(&context.path().join("dist"), &binaries)?;
    let layout = out.join(IMAGE);
    BuiltImage::build(&builder, &context, &labels(&commit))
        .await?
        .write_layout(&layout)
        .await?;
    let image = layout_digest(&layout)?;

    steps.next("manifests, bundle and chart", "10 s");
    manifests::write(clone, out, &image)?;
    let bundle = tekton_bundle::write(clone, &out.join(BUNDLE), &image, &commit)?;
    let chart = chart::package(clone, out, &image, &commit)?;
    let chart = chart.file_name().map(|name| name.to_string_lossy().into_owned());

    steps.next("list of dependencies, notes and checksums", "20 s");
    sbom::write(clone, &out.join(SBOM), &commit)?;
    let digests = Digests { image, bundle, chart };
    let changelog = fs::read_to_string(clone.join("CHANGELOG.md")).context("cannot read CHANGELOG.md")?;
    fs::write(
        out.join(NOTES),
        notes::notes(&changelog, &digests, &commit, &tools(clone, &builder)?)?,
    )?;
    fs::write(out.join(DIGESTS), serde_json::to_string_pretty(&digests)? + "\n")?;
    let sums = checksums(out)?;
    fs::write(out.join(CHECKSUMS), sums)?;
    steps.finish();
    Ok(digests)
}

fn labels(commit: &Commit) -> Labels {
    let label = |name: &str, value: &str| (format!("org.opencontainers.image.{name}"), value.to_owned());
    Labels::from([label("revision", &commit.hash), label("created", &commit.date)])
}

/// A line for each file of the release, as `sha256sum --check` reads it.
fn checksums(out: &Path) -> Result<String> {
    let mut lines = Vec::new();
    for name in files(out)? {
        let content = fs::read(out.join(&name)).with_context(|| format!("cannot read {name}"))?;
        lines.push(format!("{}  {name}\n", sha256(&content)));
    }
    Ok(lines.concat())
}

/// Names of the files that a release has, sorted, without the notes.
///
/// # Errors
/// Where the directory can't be listed.
pub fn files(out: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(out).with_context(|| format!("cannot list {}", out.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_file() && ![NOTES, DIGESTS, CHECKSUMS].contains(&&*name) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Versions of the programs that decide the bytes, for who builds it again.
fn tools(clone: &Path, builder: &Builder) -> Result<String> {
    let shell = git::shell(clone)?;
    let program = builder.program();
    let mut lines = Vec::new();
    for command in [
        cmd!(shell, "rustc --version"),
        cmd!(shell, "cc --version"),
        cmd!(shell, "{program} --version"),
    ] {
        let output = command
            .quiet()
            .read()
            .context("a tool does not print its version")?;
        lines.push(format!("- {}\n", output.lines().next().unwrap_or_default()));
    }
    for platform in Platform::ALL {
        if let Some((variable, compiler)) = crate::c_compiler::variable(platform)? {
            let output = cmd!(shell, "{compiler} --version").quiet().read()?;
            lines.push(format!(
                "- {variable}: {}\n",
                output.lines().next().unwrap_or_default()
            ));
        }
    }
    Ok(lines.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_have_every_file_of_the_release_in_order() -> Result<()> {
        let out = tempfile::tempdir()?;
        fs::create_dir(out.path().join(IMAGE))?;
        for name in ["b.yaml", "a.yaml", NOTES, DIGESTS] {
            fs::write(out.path().join(name), "abc")?;
        }
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(checksums(out.path())?, format!("{sum}  a.yaml\n{sum}  b.yaml\n"));
        Ok(())
    }

    #[test]
    fn tag_of_another_version_and_a_release_without_owner_are_refused() -> Result<()> {
        let clone = crate::project::root();
        if owner() == NO_OWNER {
            let error = check_tag(clone, &format!("v{VERSION}"))
                .expect_err("no owner")
                .to_string();
            assert!(error.contains("no owner"), "{error}");
        }
        check_tag(clone, "v99.0.0").expect_err("another version");
        Ok(())
    }
}
