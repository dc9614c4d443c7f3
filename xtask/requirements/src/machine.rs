//! This machine, and the programs that are installed on it.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    compiler::{Processor, compiles},
    environment::own_variables,
    need::{Go, GoVersion, Machine, Need},
};

/// The static busybox of Debian's package: the only file of an image.
pub const BUSYBOX: &str = "/bin/busybox";
/// Directories of distributions for the network plugins.
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

impl Machine for ThisMachine {
    fn has(&self, need: Need) -> bool {
        match need {
            Need::Go => self.go().is_enough(),
            Need::Target(target) => has_target(target),
            Need::Compiler(processor) => has_compiler(processor),
            Need::Program(name, _) => has_program(name),
            Need::ImageBuilder => has_program("buildah") || has_program("podman"),
            Need::CargoTool(name)
            | Need::GoTool(name, _)
            | Need::PythonTool(name)
            | Need::ReleaseTool(name, _) => {
                has_program(name) || tools().is_some_and(|tools| tools.join(name).is_file())
            }
            Need::NetworkPlugins => network_plugins().is_some(),
            Need::Linux => cfg!(target_os = "linux"),
            Need::Root => fs::read_to_string("/proc/self/status")
                .is_ok_and(|status| effective_user(&status) == Some("0")),
            Need::Namespaces => output("unshare", &["--net", "--mount", "--pid", "--fork", "true"]).is_some(),
        }
    }

    fn go(&self) -> Go {
        let modules = fs::read_dir(root().join(GO_MODULES))
            .into_iter()
            .flatten()
            .flatten();
        let files = modules.filter_map(|module| fs::read_to_string(module.path().join("go.mod")).ok());
        let needed = files
            .filter_map(|text| GoVersion::parse(text.lines().find_map(|line| line.strip_prefix("go "))?));
        let toolchain = output("go", &["env", "GOTOOLCHAIN"]).unwrap_or_default();
        Go {
            installed: output("go", &["env", "GOVERSION"]).and_then(|version| GoVersion::parse(&version)),
            needed: needed.max().unwrap_or(GoVersion(1, 0)),
            updates_itself: toolchain.trim() == "auto" || toolchain.trim().ends_with("+auto"),
        }
    }
}

/// Whether the file is a program of `PATH`, or exists where it is a path.
pub(crate) fn has_program(name: &str) -> bool {
    // `join` gives an absolute path as it is.
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|directory| directory.join(name).is_file()))
}

fn has_target(target: &str) -> bool {
    // Without the configuration's variables, which would choose another compiler.
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    output(rustc, &["--print", "target-libdir", "--target", target])
        .is_some_and(|directory| has_core(Path::new(directory.trim())))
}

fn has_compiler(processor: Processor) -> bool {
    let chosen = processor.variable();
    if env::var_os(&chosen).is_some() && !own_variables().any(|name| name == *chosen) {
        return true;
    }
    if processor == Processor::native() {
        return compiles("cc");
    }
    processor.cross_compilers().into_iter().any(compiles)
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

/// Standard output of a program; `None` where it fails.
fn output(program: impl AsRef<OsStr>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
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
        assert!(ThisMachine.go().needed > GoVersion(1, 20));
    }

    #[test]
    fn t9_a_target_without_its_libraries_is_missing() {
        assert!(!has_target("no-such-target"));
        // Known to rustc, and not in rust-toolchain.toml.
        assert!(!has_target("riscv64gc-unknown-linux-musl"));
        let own = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        assert!(has_target(&own), "this test was compiled with it");
    }
}
