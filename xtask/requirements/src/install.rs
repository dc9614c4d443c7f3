//! Installation of Debian packages and Rust targets that are missing.

use std::{
    env,
    process::{Command, Stdio},
};

use crate::{
    machine::{ThisMachine, has_program, root},
    need::{Machine as _, Need},
    verdict::Verdict,
};

/// Installs the missing packages on Debian and Ubuntu, as root or with sudo.
///
/// # Errors
/// Where there is no apt-get, no way to become root, or apt-get fails; the message names the packages.
pub fn install(verdict: &Verdict) -> Result<(), String> {
    let packages: Vec<&str> = verdict.packages().into_iter().collect();
    let is_root = ThisMachine.has(Need::Root);
    let Some(command) = verdict.command(is_root) else {
        return Ok(());
    };
    let list = packages.join(" ");
    if !has_program("apt-get") {
        return Err(format!(
            "--install needs apt-get; install with this system's package manager (Debian's names): {list}"
        ));
    }
    if !is_root && !has_program("sudo") {
        return Err(format!("--install needs root or sudo; as root: {command}"));
    }
    eprintln!("xtask: installing {list}");
    let apt_get = ["sudo", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
    let apt_get = &apt_get[if is_root { 3 } else { 0 }..];
    let install = [&["install", "--yes", "--no-install-recommends"], &packages[..]].concat();
    for arguments in [vec!["update"], install] {
        let mut command = Command::new(apt_get[0]);
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(&apt_get[1..])
            .args(&arguments);
        if !command.status().is_ok_and(|status| status.success()) {
            return Err(format!("apt-get {} failed", arguments.join(" ")));
        }
    }
    Ok(())
}

/// Adds Rust targets with rustup.
///
/// # Errors
/// Where there is no rustup, or it refuses; the message is the command to type.
pub fn add_targets(targets: &[&'static str]) -> Result<(), String> {
    if targets.is_empty() {
        return Ok(());
    }
    let list = targets.join(" ");
    if !has_program("rustup") {
        return Err(format!(
            "the Rust target {list} is not installed, and rustup is not either. Install Rust with rustup \
             (https://rustup.rs), then type:\n\n    rustup target add {list}\n"
        ));
    }
    // rustup sets it for cargo's children: the toolchain that builds is the one that gets the target.
    let toolchain = env::var("RUSTUP_TOOLCHAIN").ok().filter(|name| !name.is_empty());
    let mut arguments = vec!["target", "add"];
    if let Some(toolchain) = &toolchain {
        arguments.extend(["--toolchain", toolchain]);
    }
    arguments.extend(targets);
    eprintln!("xtask: adding the Rust target {list}");
    let added = Command::new("rustup")
        .args(&arguments)
        .current_dir(root())
        .stdin(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if added && targets.iter().all(|target| ThisMachine.has(Need::Target(target))) {
        return Ok(());
    }
    Err(format!(
        "the Rust target {list} is not installed, and rustup could not add it: see its error above. Type, as a user \
         who may write rustup's directory:\n\n    rustup {}\n",
        arguments.join(" ")
    ))
}
