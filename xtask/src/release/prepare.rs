//! `cargo xtask release prepare`: the edits of a version, to be committed and tagged.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail, ensure};
use container_image::project::{NO_OWNER, VERSION, owner};
use semver::Version;
use xshell::cmd;

use super::{git, notes};
use crate::project;

/// Locks with versions of the workspace's packages.
const LOCKS: [&str; 2] = ["Cargo.lock", "fuzz/Cargo.lock"];

/// Edits, then writes the generated files by the `xtask` of the new version, and prints what remains to do.
///
/// # Errors
/// As [`edit`], and where the generated files can't be written.
pub fn prepare(version: &str) -> Result<()> {
    let shell = git::shell(project::root())?;
    let today = cmd!(shell, "date +%Y-%m-%d")
        .quiet()
        .read()
        .context("cannot read the date")?;
    edit(project::root(), owner(), VERSION, version, &today)?;
    for check in [None, Some("--check")] {
        project::cargo(&shell)
            .args(["xtask", "generate"])
            .args(check)
            .run()
            .context("cannot write the generated files")?;
    }
    println!(
        "Read `git diff`, then:\n\n    git commit --all --message 'Release {version}'\n    \
         git tag --sign v{version} --message v{version}\n    git push origin v{version}"
    );
    Ok(())
}

/// Writes the version into Cargo.toml, both locks and CHANGELOG.md of a clone.
///
/// # Errors
/// Without any edit where the project has no owner, files differ from the commit, the version is no version, is older than
/// the current one or has a tag, or CHANGELOG.md has no changes for it.
fn edit(clone: &Path, owner: &str, current: &str, version: &str, date: &str) -> Result<()> {
    ensure!(
        owner != NO_OWNER,
        "the project has no owner yet: set `repository` and `documentation` in Cargo.toml to the project's repository, run \
         `cargo xtask generate`, and commit"
    );
    let new = Version::parse(version)
        .with_context(|| format!("{version:?} is not a version: write it as 0.1.0 or 0.1.0-rc.1"))?;
    ensure!(
        new.build.is_empty(),
        "{version}: a tag of an image can't have a `+`"
    );
    ensure!(
        new >= Version::parse(current)?,
        "{version} is older than {current}, the version in Cargo.toml"
    );
    git::require_clean(clone)?;
    let shell = git::shell(clone)?;
    let tags = cmd!(shell, "git tag --list v{version}").quiet().read()?;
    ensure!(
        tags.is_empty(),
        "the tag v{version} exists: a version is released once"
    );

    let read =
        |name: &str| fs::read_to_string(clone.join(name)).with_context(|| format!("cannot read {name}"));
    let mut files = vec![
        (
            "CHANGELOG.md",
            notes::released(&read("CHANGELOG.md")?, version, date)?,
        ),
        ("Cargo.toml", manifest(&read("Cargo.toml")?, current, version)?),
    ];
    for lock in LOCKS {
        files.push((lock, locked(&read(lock)?, current, version)));
    }
    for (name, text) in files {
        fs::write(clone.join(name), text).with_context(|| format!("cannot write {name}"))?;
    }
    Ok(())
}

/// Cargo.toml with the workspace's new version.
fn manifest(text: &str, current: &str, version: &str) -> Result<String> {
    let line = |version: &str| format!("[workspace.package]\nversion = \"{version}\"\n");
    if !text.contains(&line(current)) {
        bail!("Cargo.toml has no version {current} as the first line of [workspace.package]");
    }
    Ok(text.replacen(&line(current), &line(version), 1))
}

/// A lock with the new version of each package without a source: those of the workspace.
fn locked(text: &str, current: &str, version: &str) -> String {
    let heading = "[[package]]\n";
    let line = |version: &str| format!("version = \"{version}\"\n");
    let packages = text.split(heading).map(|package| {
        if package.contains("\nsource = ") {
            return package.to_owned();
        }
        package.replacen(&line(current), &line(version), 1)
    });
    packages.collect::<Vec<_>>().join(heading)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const CHANGELOG: &str =
        "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A thing.\n\n## [0.1.0] - 2026-01-01\n\n- First.\n";
    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"other\"\nversion = \"0.1.0\"\nsource = \"registry\"\n\n\
                        [[package]]\nname = \"own\"\nversion = \"0.1.0\"\ndependencies = [\n \"other\",\n]\n";

    /// A clone with what a release edits.
    fn clone() -> Result<TempDir> {
        let clone = tempfile::tempdir()?;
        fs::create_dir(clone.path().join("fuzz"))?;
        let toml = "[workspace]\n\n[workspace.package]\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\nother = { version = \"0.1.0\" }\n";
        for (name, text) in [
            ("Cargo.toml", toml),
            ("CHANGELOG.md", CHANGELOG),
            (LOCKS[0], LOCK),
            (LOCKS[1], LOCK),
        ] {
            fs::write(clone.path().join(name), text)?;
        }
        let shell = git::shell(clone.path())?;
        let identity = [
            "-c",
            "user.name=test",
            "-c",
            "user.email=test@example.com",
            "-c",
            "commit.gpgsign=false",
        ];
        cmd!(shell, "git init --quiet").quiet().run()?;
        cmd!(shell, "git add --all").quiet().run()?;
        cmd!(shell, "git {identity...} commit --quiet --message one")
            .quiet()
            .run()?;
        Ok(clone)
    }

    fn changed(clone: &Path) -> Result<String> {
        let shell = git::shell(clone)?;
        Ok(cmd!(shell, "git status --porcelain").quiet().read()?)
    }

    #[test]
    fn version_is_written_in_each_file_and_nothing_else_is() -> Result<()> {
        let clone = clone()?;
        edit(clone.path(), "team", "0.1.0", "0.2.0-rc.1", "2026-11-29")?;
        let read = |name: &str| fs::read_to_string(clone.path().join(name));
        assert!(read("Cargo.toml")?.contains("[workspace.package]\nversion = \"0.2.0-rc.1\"\n"));
        assert!(read("Cargo.toml")?.contains("other = { version = \"0.1.0\" }"));
        for lock in LOCKS {
            assert!(
                read(lock)?.contains("name = \"own\"\nversion = \"0.2.0-rc.1\"\n"),
                "{lock}"
            );
            assert!(
                read(lock)?.contains("name = \"other\"\nversion = \"0.1.0\"\n"),
                "{lock}"
            );
        }
        let changelog = read("CHANGELOG.md")?;
        let heading = "## [Unreleased]\n\n## [0.2.0-rc.1] - 2026-11-29\n\n### Added\n\n- A thing.\n\n## [0.1.0] - 2026-01-01\n";
        assert!(changelog.contains(heading), "{changelog}");
        Ok(())
    }

    #[test]
    fn release_without_an_owner_is_refused_with_what_to_change() -> Result<()> {
        let clone = clone()?;
        let error = edit(clone.path(), NO_OWNER, "0.1.0", "0.2.0", "2026-11-29").expect_err("no owner");
        assert!(
            error
                .to_string()
                .contains("`repository` and `documentation` in Cargo.toml"),
            "{error}"
        );
        assert_eq!(changed(clone.path())?, "");
        Ok(())
    }

    #[test]
    fn dirty_tree_is_refused_with_the_files() -> Result<()> {
        let clone = clone()?;
        fs::write(clone.path().join("forgotten.rs"), "")?;
        let error = edit(clone.path(), "team", "0.1.0", "0.2.0", "2026-11-29").expect_err("dirty");
        assert!(error.to_string().contains("forgotten.rs"), "{error}");
        assert_eq!(
            changed(clone.path())?,
            "?? forgotten.rs",
            "nothing else was written"
        );
        Ok(())
    }

    #[test]
    fn wrong_older_and_released_versions_are_refused() -> Result<()> {
        let clone = clone()?;
        let shell = git::shell(clone.path())?;
        cmd!(shell, "git tag v0.3.0").quiet().run()?;
        for (version, cause) in [
            ("1", "is not a version"),
            ("v0.2.0", "is not a version"),
            ("0.2.0+build", "can't have a `+`"),
            ("0.0.9", "is older than 0.1.0"),
            ("0.1.0-rc.1", "is older than 0.1.0"),
            ("0.3.0", "the tag v0.3.0 exists"),
            ("0.1.0", "has a section for 0.1.0"),
        ] {
            let error = edit(clone.path(), "team", "0.1.0", version, "2026-11-29").expect_err(version);
            assert!(error.to_string().contains(cause), "{version}: {error}");
        }
        assert_eq!(changed(clone.path())?, "");
        Ok(())
    }

    #[test]
    fn version_of_this_workspace_is_found_in_cargo_toml_and_locks() -> Result<()> {
        let read = |name: &str| fs::read_to_string(project::file(name));
        manifest(&read("Cargo.toml")?, VERSION, "99.0.0")?;
        for lock in LOCKS {
            let text = locked(&read(lock)?, VERSION, "99.0.0");
            assert!(
                text.contains("name = \"ensure-pull-secret\"\nversion = \"99.0.0\""),
                "{lock}"
            );
        }
        Ok(())
    }
}
