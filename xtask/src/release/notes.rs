//! Sections of CHANGELOG.md, and the notes of a release.

use anyhow::{Context as _, Result, ensure};
use container_image::project::{NO_OWNER, REPOSITORY, VERSION, bundle, chart, image, owner};

use super::{build::Digests, git::Commit, manifests::INSTALLS};

const UNRELEASED: &str = "## [Unreleased]\n";

/// CHANGELOG.md with the unreleased changes as those of a version.
///
/// # Errors
/// Where there are none, or the version has a section.
pub fn released(changelog: &str, version: &str, date: &str) -> Result<String> {
    ensure!(
        section(changelog, version).is_none(),
        "CHANGELOG.md has a section for {version}"
    );
    let unreleased = section(changelog, "Unreleased").context("CHANGELOG.md has no section [Unreleased]")?;
    ensure!(
        unreleased.lines().any(|line| line.starts_with("- ")),
        "CHANGELOG.md has no unreleased changes"
    );
    Ok(changelog.replacen(UNRELEASED, &format!("{UNRELEASED}\n## [{version}] - {date}\n"), 1))
}

/// The text below a version's heading.
pub fn section<'a>(changelog: &'a str, version: &str) -> Option<&'a str> {
    let (_, rest) = changelog.split_once(&format!("\n## [{version}]"))?;
    let (_, rest) = rest.split_once('\n')?;
    let text = rest.split("\n## [").next().unwrap_or(rest);
    Some(text.trim())
}

/// Changes, digests, and commands to install, to verify and to build again.
///
/// # Errors
/// Where CHANGELOG.md has neither a section of the version nor unreleased changes.
pub fn notes(changelog: &str, digests: &Digests, commit: &Commit, tools: &str) -> Result<String> {
    let changes = section(changelog, VERSION).or_else(|| section(changelog, "Unreleased"));
    let changes = changes.context("CHANGELOG.md has no changes")?;
    let (image, bundle, hash) = (image(), bundle(), &commit.hash);
    let warning = if owner() == NO_OWNER {
        "**Nothing is published under these names: the project has no owner yet.**\n\n"
    } else {
        ""
    };
    let assets = format!("{REPOSITORY}/releases/download/v{VERSION}");
    let installs = INSTALLS.iter().filter(|install| install.namespaced);
    let installs: String = installs
        .map(|install| format!("| `{}` | {} |\n", install.file, install.about))
        .collect();
    let chart_install = format!(
        "\n    helm install ensure-pull-secret oci://{} --version {VERSION} --namespace my-models\n",
        chart()
    );
    Ok(format!(
        "{warning}{changes}\n\n## Install\n\n\
         The files are for the namespace `my-models`. For another one, replace its name with `sed` before `kubectl apply`.\n\n    \
         kubectl create namespace my-models\n    \
         kubectl apply -f {assets}/install-openshift.yaml\n\n\
         | file | content |\n| --- | --- |\n{installs}\n\
         With a kustomization of your own, `resources` is `{REPOSITORY}//tekton/overlays/openshift?ref=v{VERSION}`:\n\n    \
         kubectl apply -k my-models\n{chart_install}\n\
         Tekton bundle, for a `taskRef` with the resolver `bundles`:\n\n    \
         {bundle}:{VERSION}@{}\n\n\
         ## Verify\n\n    \
         cosign verify {image}@{} \\\n      \
         --certificate-identity {REPOSITORY}/.github/workflows/release.yaml@refs/tags/v{VERSION} \\\n      \
         --certificate-oidc-issuer https://token.actions.githubusercontent.com\n    \
         gh attestation verify oci://{image}@{} --repo {}/ensure-pull-secret\n\n\
         The same for `{bundle}@…`. `SHA256SUMS.sigstore.json` signs the list of all files:\n\n    \
         cosign verify-blob SHA256SUMS --bundle SHA256SUMS.sigstore.json \\\n      \
         --certificate-identity {REPOSITORY}/.github/workflows/release.yaml@refs/tags/v{VERSION} \\\n      \
         --certificate-oidc-issuer https://token.actions.githubusercontent.com\n    \
         sha256sum --check --ignore-missing SHA256SUMS\n\n\
         `provenance.intoto.jsonl` has the commit that each file was built from:\n\n    \
         cosign verify-blob-attestation install-openshift.yaml --bundle provenance.intoto.jsonl --type slsaprovenance1 \\\n      \
         --certificate-identity {REPOSITORY}/.github/workflows/release.yaml@refs/tags/v{VERSION} \\\n      \
         --certificate-oidc-issuer https://token.actions.githubusercontent.com\n\n\
         ## Build it again\n\n    \
         git clone --branch v{VERSION} {REPOSITORY}\n    \
         cd ensure-pull-secret && cargo xtask release build ../release\n\n\
         The commit is {hash}. Every file has the same bytes with the same tools:\n\n{tools}\n",
        digests.bundle,
        digests.image,
        digests.image,
        owner(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGELOG: &str = "# Changelog\n\n## [Unreleased]\n\n- New.\n\n## [0.0.2] - 2026-02-01\n\n### Added\n\n- Two.\n\n## [0.0.1] - 2026-01-01\n\n- One.\n";

    #[test]
    fn section_is_the_text_of_its_version_only() {
        assert_eq!(section(CHANGELOG, "0.0.2"), Some("### Added\n\n- Two."));
        assert_eq!(section(CHANGELOG, "0.0.1"), Some("- One."));
        assert_eq!(section(CHANGELOG, "0.0"), None);
    }

    #[test]
    fn changelog_without_unreleased_changes_is_refused() {
        let empty = CHANGELOG.replace("- New.\n\n", "");
        let error = released(&empty, "0.3.0", "2026-03-01").expect_err("nothing to release");
        assert!(error.to_string().contains("no unreleased changes"), "{error}");
        released(CHANGELOG, "0.0.2", "2026-03-01").expect_err("released before");
    }

    #[test]
    fn notes_have_changes_digests_and_the_identity_of_the_workflow() -> Result<()> {
        let digests = Digests {
            image: "sha256:1111".to_owned(),
            bundle: "sha256:2222".to_owned(),
            chart: "ensure-pull-secret.tgz".to_owned(),
        };
        let commit = Commit {
            hash: "abcdef".to_owned(),
            date: String::new(),
            seconds: String::new(),
        };
        let notes = notes(CHANGELOG, &digests, &commit, "gcc 1\n")?;
        for part in [
            "- New.",
            "sha256:1111",
            "sha256:2222",
            "abcdef",
            "gcc 1",
            "install-openshift.yaml",
            &format!("{REPOSITORY}/.github/workflows/release.yaml@refs/tags/v{VERSION}"),
        ] {
            assert!(notes.contains(part), "{part}: {notes}");
        }
        assert!(!notes.contains("- Two."), "{notes}");
        Ok(())
    }
}
