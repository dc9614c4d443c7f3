//! What can be judged without running the program.

mod dependencies;
mod go;
mod manifests;

use anyhow::{Context as _, Result};

use crate::{generate, project};

/// Format, lints, dependencies, generated files, manifests; the first that fails ends it.
///
/// # Errors
/// Where a check fails, or, in CI, can't be made.
pub fn lint() -> Result<()> {
    let shell = project::shell()?;
    let cargo = || project::cargo(&shell);
    cargo()
        .args(["fmt", "--all", "--check"])
        .run()
        .context("the format differs: `cargo fmt --all` puts it right")?;
    // A workspace of its own. Its code is compiled with ours, in tests/corpus.rs.
    let fuzz = ["--manifest-path", "fuzz/Cargo.toml"];
    cargo()
        .arg("fmt")
        .args(fuzz)
        .arg("--check")
        .run()
        .context("the format differs: `cargo fmt --manifest-path fuzz/Cargo.toml` puts it right")?;
    cargo()
        .args(["fetch", "--quiet", "--locked"])
        .args(fuzz)
        .run()
        .context(
            "fuzz/Cargo.lock is not of our dependencies: `cargo update --workspace --manifest-path fuzz/Cargo.toml` puts it right",
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
        .context("clippy has objections")?;
    dependencies::check(&shell)?;
    go::check(&shell)?;
    generate::generate(true)?;
    manifests::check()
}
