//! Checks that don't run the program.

mod dependencies;
mod go;
mod links;
mod manifests;

use anyhow::{Context as _, Result};

use crate::{generate, project};

/// Format, lints, dependencies, links, generated files, manifests; the first that fails ends it.
///
/// # Errors
/// Where a check fails, or, in CI, can't be made; only advisories may stay unchecked, without a database.
pub fn lint() -> Result<()> {
    let shell = project::shell()?;
    let cargo = || project::cargo(&shell);
    cargo()
        .args(["fmt", "--all", "--check"])
        .run()
        .context("the format differs: run `cargo fmt --all`")?;
    // A separate workspace; tests/corpus.rs compiles its code.
    let fuzz = ["--manifest-path", "fuzz/Cargo.toml"];
    cargo()
        .arg("fmt")
        .args(fuzz)
        .arg("--check")
        .run()
        .context("the format differs: run `cargo fmt --manifest-path fuzz/Cargo.toml`")?;
    cargo()
        .args(["fetch", "--quiet", "--locked"])
        .args(fuzz)
        .run()
        .context(
            "fuzz/Cargo.lock is out of date: run `cargo update --workspace --manifest-path fuzz/Cargo.toml`",
        )?;
    cargo()
        .args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "--deny",
            "warnings",
        ])
        .run()
        .context("clippy failed")?;
    dependencies::check(&shell)?;
    go::check(&shell)?;
    links::check(&shell)?;
    generate::generate(true)?;
    manifests::check()
}
