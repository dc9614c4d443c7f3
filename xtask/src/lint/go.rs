//! The Go program that reads manifests: its form, and what `go vet` says of it.

use anyhow::{Context as _, Result, ensure};
use test_cluster::servers;
use xshell::{Shell, cmd};

/// Where in the module our own sources are.
const PACKAGE: &str = "./manifests";

/// gofmt and go vet.
///
/// # Errors
/// Where one of them has objections, or Go is missing.
pub fn check(shell: &Shell) -> Result<()> {
    let _module = shell.push_dir(servers::tekton_module());
    let differing = cmd!(shell, "gofmt -l {PACKAGE}")
        .read()
        .context("cannot run gofmt")?;
    ensure!(
        differing.is_empty(),
        "the format differs: `gofmt -w` puts it right: {differing}"
    );
    // As the build of the servers has it, so that its cache is used.
    cmd!(shell, "go vet {PACKAGE}")
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "")
        .env("GOWORK", "off")
        .run()
        .context("go vet has objections")
}
