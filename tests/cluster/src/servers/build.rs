//! Builds the servers from the pinned Go module into a cache outside the clone.

use std::{
    fs::{self, File, TryLockError},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use ring::digest;

use super::{
    pins::{KubernetesVersion, module_directory},
    progress::Progress,
};
use crate::supervisor::Supervisor;

/// A command of the Go module.
pub struct Tool {
    name: &'static str,
    package: &'static str,
    /// How long a build from an empty Go cache takes on two cores.
    cold: &'static str,
}

/// The API server's store.
pub const ETCD: Tool = Tool {
    name: "etcd",
    package: "go.etcd.io/etcd/server/v3",
    cold: "1 min",
};
/// The Kubernetes API server.
pub const KUBE_APISERVER: Tool = Tool {
    name: "kube-apiserver",
    package: "k8s.io/kubernetes/cmd/kube-apiserver",
    cold: "6 min",
};
/// CNCF distribution.
pub const REGISTRY: Tool = Tool {
    name: "registry",
    package: "github.com/distribution/distribution/v3/cmd/registry",
    cold: "2 min",
};
/// go-containerregistry's client.
pub const CRANE: Tool = Tool {
    name: "crane",
    package: "github.com/google/go-containerregistry/cmd/crane",
    cold: "30 s",
};
/// Kubernetes' own client, for the benchmarks alone.
pub const KUBECTL: Tool = Tool {
    name: "kubectl",
    package: "k8s.io/kubernetes/cmd/kubectl",
    cold: "1 min",
};

/// How many lines of a failed build are shown.
const TAIL: usize = 40;

/// The paths of `tools` in the order given, built where the cache lacks them.
pub fn ensure(tools: &[&Tool]) -> Result<Vec<PathBuf>> {
    let module = module_directory();
    let go_mod = fs::read_to_string(module.join("go.mod")).context("cannot read the servers' go.mod")?;
    let go_sum = fs::read_to_string(module.join("go.sum")).context("cannot read the servers' go.sum")?;
    let flags = format!("-s -w {}", KubernetesVersion::pinned(&go_mod)?.linker_flags());
    let key = digest_of(&[&go_mod, &go_sum, &flags, &toolchain(&module)?]);
    let cache = cache_directory()?.join(&key[..16]);
    let paths: Vec<PathBuf> = tools.iter().map(|tool| cache.join(tool.name)).collect();
    if paths.iter().all(|path| path.is_file()) {
        return Ok(paths);
    }

    fs::create_dir_all(&cache)
        .with_context(|| format!("cannot make the servers' cache, {}", cache.display()))?;
    let _lock = lock(&cache.join("lock"))?;
    // A build whose owner is gone must not go on beside the one that gets the lock next.
    let supervisor = Supervisor::start()?;
    let missing: Vec<_> = tools
        .iter()
        .zip(&paths)
        .filter(|(_, path)| !path.is_file())
        .collect();
    let count = missing.len();
    for (index, (tool, path)) in missing.into_iter().enumerate() {
        build(
            &supervisor,
            tool,
            &format!("[{}/{count}]", index + 1),
            &flags,
            path,
        )?;
    }
    Ok(paths)
}

/// `${XDG_CACHE_HOME:-~/.cache}/ensure-pull-secret/servers`.
fn cache_directory() -> Result<PathBuf> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let base = match set("XDG_CACHE_HOME") {
        Some(cache) => cache,
        None => set("HOME")
            .context("cannot tell where to keep the servers: neither XDG_CACHE_HOME nor HOME is set")?
            .join(".cache"),
    };
    Ok(base.join("ensure-pull-secret/servers"))
}

fn digest_of(parts: &[&str]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part.as_bytes());
        context.update(&[0]);
    }
    context
        .finish()
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Go's version and the platform it builds for.
fn toolchain(module: &Path) -> Result<String> {
    let output = go(Command::new("go"), module)
        .args(["env", "GOVERSION", "GOOS", "GOARCH"])
        .output()
        .context("cannot run `go`; install Go to build the test cluster's servers")?;
    ensure!(
        output.status.success(),
        "`go env` failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `go` in the servers' module, for this machine, whatever the caller's environment asks for.
fn go(mut command: Command, module: &Path) -> Command {
    command
        .current_dir(module)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "")
        .env("GOWORK", "off")
        .env_remove("GOOS")
        .env_remove("GOARCH");
    command
}

/// Waits for another run's build of the same servers. The lock ends with its file, so with its process too.
fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            eprintln!(
                "waiting for another run that builds the same servers ({})",
                path.display()
            );
            file.lock().context("cannot lock the servers' cache")?;
        }
        Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the servers' cache"),
    }
    Ok(file)
}

/// Builds one tool under another name and renames it: whoever finds `path` finds a whole binary.
fn build(supervisor: &Supervisor, tool: &Tool, position: &str, flags: &str, path: &Path) -> Result<()> {
    let unfinished = path.with_extension("unfinished");
    // -v names each package as it is compiled: the only sign of life that Go gives.
    let mut child = go(supervisor.command(Path::new("go"))?, &module_directory())
        .args(["build", "-v", "-trimpath", "-ldflags", flags, "-o"])
        .arg(&unfinished)
        .arg(tool.package)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run `go build`")?;
    let stderr = child.stderr.take().context("go's standard error is piped")?;
    let (sender, lines) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });

    let progress = Progress::start(format!(
        "{position} building {} (about {} from cold)",
        tool.name, tool.cold
    ));
    let mut tail = Vec::new();
    loop {
        match lines.recv_timeout(Duration::from_secs(1)) {
            Ok(line) => {
                progress.package(&line);
                tail.push(line);
                if tail.len() > TAIL {
                    tail.remove(0);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        progress.still_at_work();
    }
    let status = child.wait().context("cannot wait for `go build`")?;
    let _ = reader.join();
    ensure!(
        status.success(),
        "cannot build {}:\n{}",
        tool.name,
        tail.join("\n")
    );
    fs::rename(&unfinished, path).with_context(|| format!("cannot put {} in its place", tool.name))?;
    progress.finish();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_tells_where_one_part_ends_and_the_next_begins() {
        assert_ne!(digest_of(&["ab", "c"]), digest_of(&["a", "bc"]));
        assert_eq!(digest_of(&["ab", "c"]), digest_of(&["ab", "c"]));
    }

    #[test]
    fn a_second_run_waits_for_the_first_ones_lock() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("lock");
        let first = lock(&path)?;
        let (sender, receiver) = mpsc::channel();
        let second = std::thread::spawn(move || {
            let lock = lock(&path);
            let _ = sender.send(());
            lock.map(drop)
        });
        assert!(
            receiver.recv_timeout(Duration::from_millis(100)).is_err(),
            "it is held"
        );
        drop(first);
        receiver
            .recv_timeout(Duration::from_secs(10))
            .context("the lock is free")?;
        second
            .join()
            .map_err(|_| anyhow::anyhow!("the thread panicked"))?
    }
}
