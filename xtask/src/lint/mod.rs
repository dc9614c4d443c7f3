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
    // fuzz/ is a separate workspace; tests/corpus.rs compiles its code.
    for (line, advice) in [
        ("fmt --all --check", "the format differs: run `cargo fmt --all`"),
        (
            "fmt --manifest-path fuzz/Cargo.toml --check",
            "the format differs: run `cargo fmt --manifest-path fuzz/Cargo.toml`",
        ),
        (
            "fetch --quiet --locked --manifest-path fuzz/Cargo.toml",
            "fuzz/Cargo.lock is out of date: run `cargo update --workspace --manifest-path fuzz/Cargo.toml`",
        ),
        (
            "clippy --workspace --all-targets --locked -- --deny warnings",
            "clippy failed",
        ),
    ] {
        project::cargo(&shell)
            .args(line.split(' '))
            .run()
            .context(advice)?;
    }
    dependencies::check(&shell)?;
    go::check(&shell)?;
    links::check(&shell)?;
    generate::generate(true)?;
    manifests::check(&shell)
}
