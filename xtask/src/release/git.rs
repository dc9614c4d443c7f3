//! The commit of a clone.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use xshell::{Shell, cmd};

/// A commit without changes beside it.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Its hash.
    pub hash: String,
    /// Its date in UTC, as RFC 3339 has it.
    pub date: String,
    /// The same in seconds since 1970, for `SOURCE_DATE_EPOCH`.
    pub seconds: String,
}

/// A shell in the clone, where git prints dates in UTC.
///
/// # Errors
/// Where the current directory is gone.
pub fn shell(clone: &Path) -> Result<Shell> {
    let shell = Shell::new().context("cannot find the current directory")?;
    shell.change_dir(clone);
    shell.set_var("TZ", "UTC");
    Ok(shell)
}

impl Commit {
    /// The commit of a clone.
    ///
    /// # Errors
    /// Where git is missing, this is no clone, or files differ from the commit.
    pub fn of(clone: &Path) -> Result<Self> {
        require_clean(clone)?;
        let shell = shell(clone)?;
        let date = "--date=format-local:%Y-%m-%dT%H:%M:%SZ";
        let shown = cmd!(shell, "git show --no-patch {date} --format=%H%n%cd%n%ct")
            .quiet()
            .read()
            .context("cannot read the commit")?;
        let mut lines = shown.lines().map(str::to_owned);
        let mut line = || lines.next().context("git shows less than a commit");
        let (hash, date, seconds) = (line()?, line()?, line()?);
        Ok(Self { hash, date, seconds })
    }
}

/// # Errors
/// Where files differ from the commit, each named.
pub fn require_clean(clone: &Path) -> Result<()> {
    let shell = shell(clone)?;
    let changes = cmd!(shell, "git status --porcelain")
        .quiet()
        .read()
        .context("cannot list the files that differ from the commit: this needs git and a clone")?;
    ensure!(
        changes.is_empty(),
        "files differ from the commit: commit or stash them first\n{changes}"
    );
    Ok(())
}
