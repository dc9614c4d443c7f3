//! Installation of what is missing: Debian packages, and Rust targets.

use std::{
    env,
    process::{Command, Stdio},
};

use crate::{
    machine::{ThisMachine, root},
    need::Lookup as _,
    verdict::Verdict,
};

/// Installs the missing packages on Debian and Ubuntu, as root or with sudo.
///
/// # Errors
/// Where there is no apt-get, no way to become root, or apt-get fails; the message names the packages.
pub fn install(verdict: &Verdict) -> Result<(), String> {
    let packages: Vec<&str> = verdict.packages().into_iter().collect();
    let Some(command) = verdict.command(ThisMachine.root()) else {
        return Ok(());
    };
    let list = packages.join(" ");
    if !ThisMachine.program("apt-get") {
        return Err(format!(
            "--install needs apt-get; install with this system's package manager (Debian's names): {list}"
        ));
    }
    if !ThisMachine.root() && !ThisMachine.program("sudo") {
        return Err(format!("--install needs root or sudo; as root: {command}"));
    }
    eprintln!("xtask: installing {list}");
    let steps = [
        vec!["update"],
        [&["install", "--yes", "--no-install-recommends"], &packages[..]].concat(),
    ];
    for arguments in steps {
        let mut apt_get = if ThisMachine.root() {
            Command::new("apt-get")
        } else {
            let mut sudo = Command::new("sudo");
            sudo.args(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
            sudo
        };
        apt_get.env("DEBIAN_FRONTEND", "noninteractive").args(&arguments);
        if !apt_get.status().is_ok_and(|status| status.success()) {
            return Err(format!("apt-get {} failed", arguments.join(" ")));
        }
    }
    Ok(())
}

/// Adds Rust targets with rustup.
///
/// # Errors
/// Where there is no rustup, or it refuses; the message is the command to type.
pub fn add_targets(targets: &[&str]) -> Result<(), String> {
    if targets.is_empty() {
        return Ok(());
    }
    let list = targets.join(" ");
    if !ThisMachine.program("rustup") {
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
    if added && targets.iter().all(|target| ThisMachine.target(target)) {
        return Ok(());
    }
    Err(format!(
        "the Rust target {list} is not installed, and rustup could not add it: see its error above. Type, as a user \
         who may write rustup's directory:\n\n    rustup {}\n",
        arguments.join(" ")
    ))
}
