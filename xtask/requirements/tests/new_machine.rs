//! `cargo xtask` on machines that lack something: the answer comes before anything is built.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A machine that consists of a directory of programs. Its cargo reports that it was started.
struct Machine(TempDir);

impl Machine {
    /// Rust, Go and a C compiler.
    fn new() -> Self {
        let machine = Self::without_targets();
        for processor in ["x86_64", "aarch64"] {
            let target = machine
                .path()
                .join(format!("rustlib/{processor}-unknown-linux-musl"));
            fs::create_dir_all(&target).expect("a directory");
            fs::write(target.join("libcore-0.rlib"), "").expect("written");
        }
        machine
    }

    /// As `new`, without the static targets of Rust.
    fn without_targets() -> Self {
        let machine = Self(tempfile::tempdir().expect("a directory"));
        machine.script("cargo", "echo cargo was started: $*; exit 0");
        let versions = "case $2 in GOVERSION) echo go1.99.0;; GOTOOLCHAIN) echo local;; esac";
        machine.script("go", versions);
        machine.script("cc", "exit 0");
        machine.script("rustc", &format!("echo {}/rustlib/$4", machine.path().display()));
        machine
    }

    fn without_go() -> Self {
        let machine = Self::new();
        fs::remove_file(machine.path().join("go")).expect("it was there");
        machine
    }

    fn script(&self, name: &str, commands: &str) {
        let path = self.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{commands}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs `cargo xtask` with these arguments. Gives success, standard output and standard error.
    fn xtask(&self, arguments: &str, ci: bool) -> (bool, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_requirements"));
        command
            .args(arguments.split_whitespace())
            .env_clear()
            .env("PATH", self.path())
            .env("HOME", self.path())
            .env("CARGO", self.path().join("cargo"))
            .env("RUSTUP_TOOLCHAIN", "1.2.3")
            .envs(ci.then_some(("CI", "true")));
        let begun = Instant::now();
        let output = command.output().expect("it runs");
        assert!(begun.elapsed() < Duration::from_secs(10), "nothing is built");
        let [printed, errors] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("text"));
        (output.status.success(), printed, errors)
    }

    /// Asserts that xtask is started, and that these parts are reported.
    fn starts(&self, arguments: &str, ci: bool, reported: &[&str]) -> String {
        let (success, printed, errors) = self.xtask(arguments, ci);
        let started = format!("--package xtask -- {arguments}\n");
        assert!(success && printed.ends_with(&started), "{printed}\n{errors}");
        assert_contains(&errors, reported);
        errors
    }

    /// Asserts that nothing is started, and that these parts are reported.
    fn refuses(&self, arguments: &str, ci: bool, reported: &[&str]) {
        let (success, printed, errors) = self.xtask(arguments, ci);
        assert!(!success && printed.is_empty(), "{printed}\n{errors}");
        assert_contains(&errors, reported);
    }
}

fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// The target of this machine's static binary.
fn target() -> String {
    format!("{}-unknown-linux-musl", std::env::consts::ARCH)
}

#[test]
fn t9_rust_go_and_a_c_compiler_are_enough_for_demo_and_test() {
    let errors = Machine::new().starts("demo --keep", false, &[]);
    assert!(!errors.contains("not run"), "{errors}");
    let reported = [
        "not run: API tier, comparison with skopeo: needs skopeo",
        "not run: API tier, tests of the image: needs skopeo, buildah or podman, a C compiler for",
        "not run: node tier: needs ",
        "apt-get install --yes --no-install-recommends ",
        "cargo xtask test --install",
    ];
    Machine::new().starts("test", false, &reported);
}

#[test]
fn t9_ci_refuses_at_once_what_cannot_run() {
    let reported = ["not run: node tier", "skopeo", "apt-get install", "CI is set"];
    Machine::new().refuses("test", true, &reported);
    Machine::new().starts("demo", true, &[]);
}

#[test]
fn t9_a_check_alone_starts_nothing() {
    let (success, printed, errors) = Machine::new().xtask("test --check", false);
    assert!(success && printed.is_empty(), "{printed}");
    assert_contains(&errors, &["not run: node tier"]);
    Machine::new().refuses("test --check", true, &["not run: node tier", "CI is set"]);
}

#[test]
fn t9_rustup_adds_a_missing_target_before_the_build() {
    let machine = Machine::without_targets();
    // The shell of the script has to find mkdir.
    symlink("/bin/mkdir", machine.path().join("mkdir")).expect("a link");
    let libraries = format!("{}/rustlib/$5", machine.path().display());
    let commands = format!("echo \"rustup $*\" >&2; mkdir -p {libraries}; : > {libraries}/libcore-0.rlib");
    machine.script("rustup", &commands);
    let reported = format!("rustup target add --toolchain 1.2.3 {}", target());
    machine.starts("demo", false, &[&reported]);
}

#[test]
fn t9_the_command_is_printed_where_rustup_refuses() {
    let command = format!("\n    rustup target add --toolchain 1.2.3 {}\n", target());
    let machine = Machine::without_targets();
    machine.script("rustup", "echo 'Read-only file system' >&2; exit 1");
    for line in "demo,test,test --api,picture,reliability,bench,size".split(',') {
        machine.refuses(
            line,
            false,
            &["Read-only file system", "could not add it", &command],
        );
    }
}

#[test]
fn t9_without_rustup_the_way_to_a_target_is_printed() {
    let machine = Machine::without_targets();
    let command = format!("rustup target add {}", target());
    machine.refuses("demo", false, &["https://rustup.rs", &command]);
    // The unit tests need no static binary.
    machine.starts("test --unit", false, &[]);
}

#[test]
fn t9_a_missing_go_leaves_the_unit_tests_and_refuses_the_demo() {
    let reported = ["Go 1.", "or later (https://go.dev/dl)"];
    Machine::without_go().refuses("demo", false, &reported);
    Machine::without_go().starts("test", false, &["not run: API tier: needs Go"]);
}

#[test]
fn t9_a_tier_that_was_asked_for_is_never_skipped() {
    let reported = ["not run: node tier", "nothing was built"];
    Machine::new().refuses("test --node", false, &reported);
}

#[test]
fn t9_install_runs_apt_get_or_lists_the_packages() {
    let machine = Machine::new();
    machine.refuses("test --install", false, &["--install needs apt-get", "skopeo"]);

    machine.script("apt-get", "echo \"apt-get $*\" >&2");
    // Of `sudo env VARIABLE=value apt-get …`, the rest.
    machine.script("sudo", "shift 2; \"$@\"");
    let install = "apt-get install --yes --no-install-recommends buildah";
    machine.starts("test --install", false, &["apt-get update\n", install]);
}
