//! This machine: what is installed on it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    compiler::{Processor, compiles},
    environment::own_variables,
    need::{GoVersion, Lookup},
};

/// The static busybox of Debian's package: the only file of an image.
pub const BUSYBOX: &str = "/bin/busybox";
/// Where distributions put the network plugins.
const PLUGIN_DIRECTORIES: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];
/// The Go modules of the test cluster, below the top of the clone.
const GO_MODULES: &str = "tests/cluster";

/// The top of the clone.
pub fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own)
}

/// The directory of the network plugins; `None` where they aren't installed.
pub fn network_plugins() -> Option<&'static str> {
    PLUGIN_DIRECTORIES
        .into_iter()
        .find(|directory| Path::new(directory).join("bridge").is_file())
}

/// The machine that this runs on.
#[derive(Clone, Copy, Debug)]
pub struct ThisMachine;

impl Lookup for ThisMachine {
    fn program(&self, name: &str) -> bool {
        // `join` gives an absolute path as it is.
        env::var_os("PATH")
            .is_some_and(|path| env::split_paths(&path).any(|directory| directory.join(name).is_file()))
    }

    fn cargo_tool(&self, name: &str) -> bool {
        self.program(name) || tools().is_some_and(|tools| tools.join(name).is_file())
    }

    fn go(&self) -> Option<GoVersion> {
        GoVersion::parse(&output(Command::new("go").args(["env", "GOVERSION"]))?)
    }

    fn go_needed(&self) -> GoVersion {
        let modules = fs::read_dir(root().join(GO_MODULES))
            .into_iter()
            .flatten()
            .flatten();
        modules
            .filter_map(|module| fs::read_to_string(module.path().join("go.mod")).ok())
            .filter_map(|text| GoVersion::parse(text.lines().find_map(|line| line.strip_prefix("go "))?))
            .max()
            .unwrap_or(GoVersion(1, 0))
    }

    fn go_updates_itself(&self) -> bool {
        output(Command::new("go").args(["env", "GOTOOLCHAIN"]))
            .is_some_and(|value| value.trim() == "auto" || value.trim().ends_with("+auto"))
    }

    fn target(&self, target: &str) -> bool {
        // Without the configuration's variables, which would choose another compiler.
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let mut command = Command::new(rustc);
        command
            .args(["--print", "target-libdir", "--target", target])
            .current_dir(root());
        output(&mut command).is_some_and(|directory| has_core(Path::new(directory.trim())))
    }

    fn compiler(&self, processor: Processor) -> bool {
        let chosen = processor.variable();
        if env::var_os(&chosen).is_some() && !own_variables().any(|name| name == *chosen) {
            return true;
        }
        if processor == Processor::native() {
            return compiles("cc");
        }
        processor.cross_compilers().into_iter().any(compiles)
    }

    fn network_plugins(&self) -> bool {
        network_plugins().is_some()
    }

    fn linux(&self) -> bool {
        cfg!(target_os = "linux")
    }

    fn root(&self) -> bool {
        fs::read_to_string("/proc/self/status").is_ok_and(|status| effective_user(&status) == Some("0"))
    }

    fn namespaces(&self) -> bool {
        Command::new("unshare")
            .args(["--net", "--mount", "--pid", "--fork", "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

/// Whether a target's directory has the crate that every other needs: rustup leaves the directory itself behind.
fn has_core(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|files| {
        files
            .flatten()
            .any(|file| file.file_name().to_string_lossy().starts_with("libcore-"))
    })
}

/// The effective user id of `/proc/self/status` (proc_pid_status(5): real, effective, saved, file system).
fn effective_user(status: &str) -> Option<&str> {
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    ids.split_whitespace().nth(1)
}

/// The directory where `.ci/run` keeps the tools that it had to build.
pub fn tools() -> Option<PathBuf> {
    Some(cache()?.join("tools/bin"))
}

/// The project's cache outside of the clone.
pub(crate) fn cache() -> Option<PathBuf> {
    let set = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(cache.join("ensure-pull-secret"))
}

/// What a program prints; `None` where it fails.
fn output(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_user_decides_who_is_root() {
        let status = "Name:\tsh\nUid:\t1000\t0\t1000\t1000\nGid:\t0\t0\t0\t0\n";
        assert_eq!(effective_user(status), Some("0"));
        assert_eq!(effective_user("Name:\tsh\n"), None);
    }

    #[test]
    fn the_modules_name_the_go_version_that_they_need() {
        assert!(ThisMachine.go_needed() > GoVersion(1, 20));
    }

    #[test]
    fn t9_a_target_without_its_libraries_is_missing() {
        assert!(!ThisMachine.target("no-such-target"));
        // Known to rustc, and not in rust-toolchain.toml.
        assert!(!ThisMachine.target("riscv64gc-unknown-linux-musl"));
        let own = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        assert!(ThisMachine.target(&own), "this test was compiled with it");
    }
}
