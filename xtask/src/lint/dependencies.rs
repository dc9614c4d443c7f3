//! Dependencies, checked by cargo-deny.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use xshell::{Shell, cmd};

use crate::project;

/// deny.toml: licences, duplicates, banned crates, sources; advisories if their database can be fetched or a copy is there.
///
/// # Errors
/// Where a dependency violates it, or, in CI, cargo-deny isn't installed.
pub fn check(shell: &Shell) -> Result<()> {
    let advice = "cargo-deny is not installed: `cargo install --locked cargo-deny`";
    let Some(cargo_deny) = project::tool_or_advice(shell, "cargo-deny", advice)? else {
        return Ok(());
    };
    let binary = ["--locked", "check"];
    // Duplicates are allowed in the tools only: see deny.toml.
    let workspace = ["--locked", "--workspace", "check", "--allow", "duplicate"];
    for arguments in [&binary[..], &workspace[..]] {
        cmd!(
            shell,
            "{cargo_deny} {arguments...} --hide-inclusion-graph bans licenses sources"
        )
        .run()
        .context("a dependency violates deny.toml")?;
    }
    if !advisories(shell, &cargo_deny, &databases()?)? {
        eprintln!(
            "advisories were NOT checked: https://github.com/RustSec/advisory-db can't be fetched, and there is no copy of it \
             in {}",
            databases()?.display()
        );
    }
    Ok(())
}

/// Where cargo-deny keeps its copies of advisory databases.
fn databases() -> Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    Ok(home
        .context("neither CARGO_HOME nor HOME is set")?
        .join("advisory-dbs"))
}

/// Checks advisories with the latest database or, where it can't be fetched, with the copy that is there; cargo-deny refuses
/// one older than 90 days. The database is a Git repository: a machine that reaches nothing but registries can't fetch it.
/// False where there is neither.
///
/// # Errors
/// Where a dependency has an advisory against it.
fn advisories(shell: &Shell, cargo_deny: &Path, databases: &Path) -> Result<bool> {
    let fetched = cmd!(shell, "{cargo_deny} fetch db")
        .quiet()
        .ignore_stdout()
        .ignore_stderr()
        .run()
        .is_ok();
    let mut entries = fs::read_dir(databases).into_iter().flatten().flatten();
    if !fetched && !entries.any(|entry| entry.path().is_dir()) {
        return Ok(false);
    }
    let offline = (!fetched).then_some("--offline");
    cmd!(
        shell,
        "{cargo_deny} {offline...} --locked --workspace check advisories"
    )
    .run()
    .context("a dependency has an advisory against it, or the copy of the database is too old")?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;

    /// What cargo-deny is asked to check, with a database that can be fetched or not, and a copy or none.
    fn asked(fetches: bool, has_copy: bool, finds: bool) -> Result<(Result<bool>, String)> {
        let directory = TempDir::new()?;
        let (tool, databases) = (directory.path().join("cargo-deny"), directory.path().join("dbs"));
        fs::create_dir(&databases)?;
        fs::write(databases.join("db.lock"), "")?;
        if has_copy {
            fs::create_dir(databases.join("advisory-db-3157b0e258782691"))?;
        }
        let record = directory.path().join("record");
        let script = format!(
            "#!/bin/sh\ncase \"$1\" in fetch) exit {};; esac\necho \"$*\" >>{}\nexit {}\n",
            u8::from(!fetches),
            record.display(),
            u8::from(finds)
        );
        fs::write(&tool, script)?;
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755))?;
        let checked = advisories(&Shell::new()?, &tool, &databases);
        Ok((checked, fs::read_to_string(record).unwrap_or_default()))
    }

    #[test]
    fn s18_advisories_are_checked_with_the_latest_database_or_a_copy() -> Result<()> {
        for (fetches, has_copy, arguments) in [
            (true, false, "--locked --workspace check advisories\n"),
            (true, true, "--locked --workspace check advisories\n"),
            (false, true, "--offline --locked --workspace check advisories\n"),
        ] {
            let (checked, record) = asked(fetches, has_copy, false)?;
            assert_eq!((checked?, record.as_str()), (true, arguments));
            let (checked, _) = asked(fetches, has_copy, true)?;
            assert!(checked.is_err(), "an advisory is an error");
        }
        let (checked, record) = asked(false, false, false)?;
        assert_eq!(
            (checked?, record.as_str()),
            (false, ""),
            "nothing is there to check with"
        );
        Ok(())
    }
}
