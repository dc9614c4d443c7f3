//! Checks that don't run the program.

mod alerts;
mod artifact_hub;
mod dependencies;
mod go;
#[cfg(test)]
mod guides;
mod links;
pub mod manifests;
mod words;
mod workflows;

use anyhow::{Context as _, Result};

use crate::{chart, generate, project, steps::Steps};

/// Format, lints, dependencies, links, words, generated files, manifests, alerts, workflows; the first that fails ends it.
///
/// # Errors
/// Where a check fails, or, in CI, can't be made; only advisories may stay unchecked, without a database.
pub fn lint() -> Result<()> {
    let shell = project::shell()?;
    let mut steps = Steps::new(12 + workflows::CHECKS.len());
    // fuzz/ is a separate workspace; tests/corpus.rs compiles its code.
    for (what, usual_time, line, advice) in [
        (
            "format",
            "2 s",
            "fmt --all --check",
            "the format differs: run `cargo fmt --all`",
        ),
        (
            "format of fuzz/",
            "1 s",
            "fmt --manifest-path fuzz/Cargo.toml --check",
            "the format differs: run `cargo fmt --manifest-path fuzz/Cargo.toml`",
        ),
        (
            "lock file of fuzz/",
            "1 s",
            "fetch --quiet --locked --manifest-path fuzz/Cargo.toml",
            "fuzz/Cargo.lock is out of date: run `cargo update --workspace --manifest-path fuzz/Cargo.toml`",
        ),
        (
            "clippy",
            "5 s, 3 min if nothing is built",
            "clippy --workspace --all-targets --locked -- --deny warnings",
            "clippy failed",
        ),
    ] {
        steps.next(what, usual_time);
        project::cargo(&shell)
            .args(line.split(' '))
            .run()
            .context(advice)?;
    }
    steps.next("dependencies", "5 s");
    dependencies::check(&shell)?;
    steps.next("the tests' Go programs", "10 s");
    go::check(&shell)?;
    steps.next("links", "1 s");
    links::check(&shell)?;
    steps.next("words", "1 s");
    words::check(&shell)?;
    steps.next("generated files", "1 s");
    generate::generate(true)?;
    steps.next("manifests", "10 s");
    manifests::check(&shell)?;
    steps.next("chart and packages of Artifact Hub", "3 s");
    artifact_hub::check()?;
    chart::check()?;
    steps.next("tests of the alerts", "10 s");
    alerts::check(&shell)?;
    for (what, usual_time, check) in workflows::CHECKS {
        steps.next(what, usual_time);
        check(&shell, project::root())?;
    }
    steps.finish();
    Ok(())
}
