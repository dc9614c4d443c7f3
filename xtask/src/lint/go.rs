//! The project's own Go programs: format and `go vet`.

use anyhow::{Context as _, Result, ensure};
use test_cluster::servers::Module;
use xshell::{Shell, cmd};

/// gofmt and go vet.
///
/// # Errors
/// Where one of them fails, or Go is missing.
pub fn check(shell: &Shell) -> Result<()> {
    for module in [Module::Manifests, Module::Consumers] {
        let package = module.own_package().context("the module has a package")?;
        check_package(shell, module, package)?;
    }
    Ok(())
}

fn check_package(shell: &Shell, module: Module, package: &str) -> Result<()> {
    let _module = shell.push_dir(module.directory()?);
    let differing = cmd!(shell, "gofmt -l ./{package}")
        .read()
        .context("cannot run gofmt")?;
    ensure!(
        differing.is_empty(),
        "the format differs: run `gofmt -w`: {differing}"
    );
    // As the build of the servers has it, so that its cache is used.
    cmd!(shell, "go vet ./{package}/...")
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "")
        .env("GOWORK", "off")
        .run()
        .with_context(|| format!("go vet failed for {package}"))
}
