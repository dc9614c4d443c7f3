//! `cargo xtask` on machines that lack something: the answer comes before anything is built.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A machine that consists of a directory of programs. Its cargo reports that it was started.
struct Machine {
    programs: TempDir,
}

impl Machine {
    /// Rust, Go and a C compiler.
    fn new() -> Self {
        let machine = Self {
            programs: tempfile::tempdir().expect("a directory"),
        };
        machine.script("cargo", "echo cargo was started: $*; exit 0");
        machine.script(
            "go",
            r#"case $2 in GOVERSION) echo go1.99.0;; GOTOOLCHAIN) echo local;; esac"#,
        );
        machine.script("cc", "exit 0");
        machine.rust(&["x86_64", "aarch64"]);
        machine
    }

    fn script(&self, name: &str, commands: &str) {
        let path = self.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{commands}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    }

    /// A rustc with the static targets of these processors. A rustup adds a target by this directory.
    fn rust(&self, processors: &[&str]) {
        let libraries = self.path().join("rustlib");
        fs::create_dir_all(&libraries).expect("a directory");
        self.script("rustc", &format!("echo {}/$4", libraries.display()));
        for processor in processors {
            let target = libraries.join(format!("{processor}-unknown-linux-musl"));
            fs::create_dir_all(&target).expect("a directory");
            fs::write(target.join("libcore-0.rlib"), "").expect("written");
        }
    }

    fn without(self, program: &str) -> Self {
        fs::remove_file(self.path().join(program)).expect("it was there");
        self
    }

    fn path(&self) -> &Path {
        self.programs.path()
    }

    /// `cargo xtask` with these arguments.
    fn xtask(&self, arguments: &str, ci: bool) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_requirements"));
        command
            .args(arguments.split_whitespace())
            .env_clear()
            .env("PATH", self.path())
            .env("HOME", self.path())
            .env("CARGO", self.path().join("cargo"))
            .env("RUSTUP_TOOLCHAIN", "1.2.3");
        if ci {
            command.env("CI", "true");
        }
        let begun = Instant::now();
        let output = command.output().expect("it runs");
        assert!(begun.elapsed() < Duration::from_secs(10), "nothing is built");
        Run::of(&output)
    }
}

/// Result of a run.
#[derive(Debug)]
struct Run {
    success: bool,
    errors: String,
    /// Arguments of cargo; `None` where it was not started.
    started: Option<String>,
}

impl Run {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            success: output.status.success(),
            errors: text(&output.stderr),
            started: text(&output.stdout)
                .trim()
                .strip_prefix("cargo was started: ")
                .map(str::to_owned),
        }
    }

    fn assert_started(&self, arguments: &str) {
        let started = self.started.as_deref().expect(&self.errors);
        assert!(self.success, "{self:?}");
        assert!(
            started.ends_with(&format!("--package xtask -- {arguments}")),
            "{self:?}"
        );
    }

    fn assert_refused(&self, parts: &[&str]) {
        assert!(!self.success && self.started.is_none(), "{self:?}");
        self.assert_reports(parts);
    }

    fn assert_reports(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.errors.contains(part), "{part}: {}", self.errors);
        }
    }
}

/// The target of this machine's static binary.
fn target() -> String {
    format!("{}-unknown-linux-musl", std::env::consts::ARCH)
}

#[test]
fn t9_rust_go_and_a_c_compiler_are_enough_for_demo_and_test() {
    let machine = Machine::new();
    let run = machine.xtask("demo --keep", false);
    run.assert_started("demo --keep");
    assert!(!run.errors.contains("not run"), "{run:?}");
    let run = machine.xtask("test", false);
    run.assert_started("test");
    run.assert_reports(&[
        "not run: API tier, comparison with skopeo: needs skopeo",
        "not run: API tier, tests of the image: needs skopeo, buildah or podman, a C compiler for",
        "not run: node tier: needs ",
        "apt-get install --yes --no-install-recommends ",
        "cargo xtask test --install",
    ]);
}

#[test]
fn t9_ci_refuses_at_once_what_cannot_run() {
    let run = Machine::new().xtask("test", true);
    run.assert_refused(&["not run: node tier", "skopeo", "apt-get install", "CI is set"]);
    Machine::new().xtask("demo", true).assert_started("demo");
}

#[test]
fn t9_a_check_alone_starts_nothing() {
    let run = Machine::new().xtask("test --check", false);
    assert!(run.success && run.started.is_none(), "{run:?}");
    run.assert_reports(&["not run: node tier"]);
    let run = Machine::new().xtask("test --check", true);
    run.assert_refused(&["not run: node tier", "CI is set"]);
}

#[test]
fn t9_rustup_adds_a_missing_target_before_the_build() {
    let machine = Machine::new();
    fs::remove_dir_all(machine.path().join("rustlib")).expect("it was there");
    machine.rust(&[]);
    // The shell of the script has to find mkdir.
    symlink("/bin/mkdir", machine.path().join("mkdir")).expect("a link");
    machine.script(
        "rustup",
        &format!(
            "echo \"rustup $*\" >&2; mkdir -p {0}/rustlib/$5; : > {0}/rustlib/$5/libcore-0.rlib",
            machine.path().display()
        ),
    );
    let run = machine.xtask("demo", false);
    run.assert_started("demo");
    run.assert_reports(&[&format!("rustup target add --toolchain 1.2.3 {}", target())]);
}

#[test]
fn t9_the_command_is_printed_where_rustup_refuses() {
    let command = format!("\n    rustup target add --toolchain 1.2.3 {}\n", target());
    for line in [
        "demo",
        "test",
        "test --api",
        "picture",
        "reliability",
        "bench",
        "size",
    ] {
        let machine = Machine::new();
        fs::remove_dir_all(machine.path().join("rustlib")).expect("it was there");
        machine.rust(&[]);
        machine.script("rustup", "echo 'Read-only file system' >&2; exit 1");
        let run = machine.xtask(line, false);
        run.assert_refused(&["Read-only file system", "could not add it", &command]);
    }
}

#[test]
fn t9_without_rustup_the_way_to_a_target_is_printed() {
    let machine = Machine::new();
    fs::remove_dir_all(machine.path().join("rustlib")).expect("it was there");
    machine.rust(&[]);
    let run = machine.xtask("demo", false);
    run.assert_refused(&["https://rustup.rs", &format!("rustup target add {}", target())]);
    // The unit tests need no static binary.
    machine.xtask("test --unit", false).assert_started("test --unit");
}

#[test]
fn t9_a_missing_go_leaves_the_unit_tests_and_refuses_the_demo() {
    let run = Machine::new().without("go").xtask("demo", false);
    run.assert_refused(&["Go 1.", "or later (https://go.dev/dl)"]);
    let run = Machine::new().without("go").xtask("test", false);
    run.assert_started("test");
    run.assert_reports(&["not run: API tier: needs Go"]);
}

#[test]
fn t9_a_tier_that_was_asked_for_is_never_skipped() {
    let run = Machine::new().xtask("test --node", false);
    run.assert_refused(&["not run: node tier", "nothing was built"]);
}

#[test]
fn t9_install_runs_apt_get_or_lists_the_packages() {
    let machine = Machine::new();
    let run = machine.xtask("test --install", false);
    run.assert_refused(&["--install needs apt-get", "skopeo"]);

    machine.script("apt-get", "echo \"apt-get $*\" >&2");
    // Of `sudo env VARIABLE=value apt-get …`, the rest.
    machine.script("sudo", "shift 2; \"$@\"");
    let run = machine.xtask("test --install", false);
    run.assert_started("test --install");
    run.assert_reports(&[
        "apt-get update\n",
        "apt-get install --yes --no-install-recommends buildah",
    ]);
}
