//! Owner, URL and version of the project wherever a file has them, in step with the workspace's Cargo.toml.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result};
use container_image::project::{VERSION, owner, registry_owner};
use regex::Regex;

use crate::project;

/// Directories and files that may have a name or the version.
const DIRECTORIES: [&str; 4] = ["tekton", "docs", "chart", ".github"];
const FILES: [&str; 7] = [
    "README.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "Cargo.toml",
    "Containerfile",
    "container-image/Containerfile",
];
/// Has versions of the past, too: they stay.
const CHANGELOG: &str = "CHANGELOG.md";

/// A version, after what is before it: image, bundle and chart, label of Tekton's catalog, label of the image, and the tag that
/// OpenShift builds.
const VERSIONS: &str = r#"(?x)
    (ghcr\.io/[\w-]+/(?:charts/)?ensure-pull-secret(?:/bundle)?:
    |app\.kubernetes\.io/version:\x20"
    |org\.opencontainers\.image\.version="
    |release\.yaml@refs/tags/v
    |charts/ensure-pull-secret\x20--version\x20
    |name:\x20ensure-pull-secret:
    |imagestreamtag\x20ensure-pull-secret:)
    \d[\w.+-]*\w"#;

/// Every file that has one of the names or the version, as it should be.
///
/// # Errors
/// Where a directory or a file can't be read.
pub fn files() -> Result<BTreeMap<String, String>> {
    let names = Names::of(owner(), &registry_owner())?;
    let mut paths: Vec<_> = FILES.map(str::to_owned).into();
    for directory in DIRECTORIES
        .into_iter()
        .filter(|name| project::file(name).exists())
    {
        paths.extend(project::files(directory)?);
    }
    let mut files = BTreeMap::new();
    for path in paths {
        let text = fs::read_to_string(project::file(&path)).with_context(|| format!("cannot read {path}"))?;
        let written = if path == CHANGELOG {
            names.owner_in(&text)
        } else {
            names.all_in(&text)
        };
        if names.are_in(&text) {
            files.insert(path, written);
        }
    }
    Ok(files)
}

/// Places of the owner and of the version, each with what is written there.
struct Names {
    owner: Vec<(Regex, String)>,
    version: (Regex, String),
}

impl Names {
    fn of(owner: &str, registry_owner: &str) -> Result<Self> {
        let owner = [
            (
                r"(ghcr\.io/)[\w-]+(/(?:charts/)?ensure-pull-secret\b)",
                registry_owner,
            ),
            (r"(ghcr\.io/)[\w-]+(/charts\b)", registry_owner),
            (r"(github\.com/)[\w-]+(/ensure-pull-secret\b)", owner),
            (r"(--repo )[\w-]+(/ensure-pull-secret\b)", owner),
            (r#"(org\.opencontainers\.image\.vendor=")[\w-]+(")"#, owner),
            // CODEOWNERS: one line for everything.
            (r"(?m)(^\* +@)[\w-]+()", owner),
        ];
        let owner = owner.map(|(place, name)| Ok((Regex::new(place)?, format!("${{1}}{name}${{2}}"))));
        Ok(Self {
            owner: owner.into_iter().collect::<Result<_>>()?,
            version: (Regex::new(VERSIONS)?, format!("${{1}}{VERSION}")),
        })
    }

    fn owner_in(&self, text: &str) -> String {
        self.owner.iter().fold(text.to_owned(), replaced)
    }

    fn all_in(&self, text: &str) -> String {
        replaced(self.owner_in(text), &self.version)
    }

    fn are_in(&self, text: &str) -> bool {
        let mut all = self.owner.iter().chain([&self.version]);
        all.any(|(place, _)| place.is_match(text))
    }
}

fn replaced(text: String, (place, written): &(Regex, String)) -> String {
    place.replace_all(&text, written).into_owned()
}

#[cfg(test)]
mod tests {
    use container_image::project::{REPOSITORY, image};

    use super::*;

    const OTHER: &str = "\
        FROM ghcr.io/OWNER/ensure-pull-secret:0.0.1-rc.1, its bundle ghcr.io/OWNER/ensure-pull-secret/bundle:0.0.1,\n\
        oci://ghcr.io/OWNER/charts and oci://ghcr.io/OWNER/charts/ensure-pull-secret --version 0.0.1\n\
        https://github.com/OWNER/ensure-pull-secret#documentation, --repo OWNER/ensure-pull-secret\n\
        org.opencontainers.image.vendor=\"OWNER\" app.kubernetes.io/version: \"0.0.1\"\n\
        *   @OWNER\n\
        not https://github.com/another/tool, ghcr.io/another/tool:1.0, registry.example.com/team/ensure-pull-secret:1.0 and ghcr.io/ORGANIZATION\n";

    #[test]
    fn owner_and_version_are_written_in_each_place_and_in_no_other() -> Result<()> {
        let names = Names::of("New-Owner", "new-owner")?;
        let written = names.all_in(OTHER);
        let (project, rest) = written.split_once("not ").context("the last line")?;
        assert!(
            !project.contains("OWNER") && !project.contains("0.0.1"),
            "{project}"
        );
        assert_eq!(project.matches("new-owner").count(), 4, "{project}");
        assert_eq!(project.matches("New-Owner").count(), 4, "{project}");
        assert_eq!(project.matches(VERSION).count(), 4, "{project}");
        assert!(OTHER.ends_with(rest), "{rest}");
        assert_eq!(names.all_in(&written), written, "again");
        Ok(())
    }

    /// `images:` of a kustomization replaces the image of this very name only.
    #[test]
    fn every_images_block_of_a_page_has_the_manifests_name() -> Result<()> {
        let block = Regex::new(r"- name: (\S+)\n +newName: \S+/ensure-pull-secret\n")?;
        let mut found = 0;
        for (path, text) in files()? {
            for block in block.captures_iter(&text) {
                found += 1;
                assert_eq!(block[1], image(), "{path}");
            }
        }
        assert!(found >= 5, "only {found} blocks");
        Ok(())
    }

    #[test]
    fn cargo_toml_has_the_documentation_of_its_repository() -> Result<()> {
        let text = fs::read_to_string(project::file("Cargo.toml"))?;
        assert!(text.contains(&format!("\nrepository = \"{REPOSITORY}\"\n")));
        assert!(text.contains(&format!("\ndocumentation = \"{REPOSITORY}#documentation\"\n")));
        Ok(())
    }
}
