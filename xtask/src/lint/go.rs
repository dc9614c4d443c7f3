//! Our own Go programs: their form, and what `go vet` says of them.

use anyhow::{Context as _, Result, ensure};
use test_cluster::servers::Module;
use xshell::{Shell, cmd};

/// gofmt and go vet.
///
/// # Errors
/// Where one of them has objections, or Go is missing.
pub fn check(shell: &Shell) -> Result<()> {
    for module in [Module::Tekton, Module::Consumers] {
        let package = module.own_package().context("a module of ours has a package")?;
        check_package(shell, module, &format!("./{package}"))?;
    }
    Ok(())
}

fn check_package(shell: &Shell, module: Module, package: &str) -> Result<()> {
    let _module = shell.push_dir(module.directory());
    let differing = cmd!(shell, "gofmt -l {package}")
        .read()
        .context("cannot run gofmt")?;
    ensure!(
        differing.is_empty(),
        "the format differs: `gofmt -w` puts it right: {differing}"
    );
    // As the build of the servers has it, so that its cache is used.
    cmd!(shell, "go vet {package}")
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "")
        .env("GOWORK", "off")
        .run()
        .with_context(|| format!("go vet has objections against {package}"))
}
