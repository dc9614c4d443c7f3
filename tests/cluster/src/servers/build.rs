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

use super::{modules::Module, progress::Progress};
use crate::supervisor::Supervisor;

/// A command of one of the Go modules.
pub struct Tool {
    module: Module,
    name: &'static str,
    package: &'static str,
    /// Duration of a build from an empty Go cache on two cores.
    cold: &'static str,
}

/// The API server's store.
pub const ETCD: Tool = Tool {
    module: Module::Servers,
    name: "etcd",
    package: "go.etcd.io/etcd/server/v3",
    cold: "1 min",
};
/// The Kubernetes API server.
pub const KUBE_APISERVER: Tool = Tool {
    module: Module::Kubernetes,
    name: "kube-apiserver",
    package: "k8s.io/kubernetes/cmd/kube-apiserver",
    cold: "6 min",
};
/// CNCF distribution.
pub const REGISTRY: Tool = Tool {
    module: Module::Servers,
    name: "registry",
    package: "github.com/distribution/distribution/v3/cmd/registry",
    cold: "2 min",
};
/// go-containerregistry's client.
pub const CRANE: Tool = Tool {
    module: Module::Servers,
    name: "crane",
    package: "github.com/google/go-containerregistry/cmd/crane",
    cold: "30 s",
};
/// Kubernetes' own client, as people use it.
pub const KUBECTL: Tool = Tool {
    module: Module::Kubernetes,
    name: "kubectl",
    package: "k8s.io/kubernetes/cmd/kubectl",
    cold: "1 min",
};
/// Keeps a node's pods as the API server has them.
pub const KUBELET: Tool = Tool {
    module: Module::Kubernetes,
    name: "kubelet",
    package: "k8s.io/kubernetes/cmd/kubelet",
    cold: "2 min",
};
/// Runs Jobs, CronJobs, service accounts, garbage collection.
pub const KUBE_CONTROLLER_MANAGER: Tool = Tool {
    module: Module::Kubernetes,
    name: "kube-controller-manager",
    package: "k8s.io/kubernetes/cmd/kube-controller-manager",
    cold: "2 min",
};
/// Gives pods to nodes.
pub const KUBE_SCHEDULER: Tool = Tool {
    module: Module::Kubernetes,
    name: "kube-scheduler",
    package: "k8s.io/kubernetes/cmd/kube-scheduler",
    cold: "1 min",
};
/// Makes pods of TaskRuns.
pub const TEKTON_CONTROLLER: Tool = Tool {
    module: Module::Tekton,
    name: "controller",
    package: "github.com/tektoncd/pipeline/cmd/controller",
    cold: "4 min",
};
/// Binary that Tekton runs in each step's container, around the step's own command.
pub const TEKTON_ENTRYPOINT: Tool = Tool {
    module: Module::Tekton,
    name: "entrypoint",
    package: "github.com/tektoncd/pipeline/cmd/entrypoint",
    cold: "1 min",
};
/// Reads manifests with Tekton's and kustomize's own code.
pub const MANIFESTS: Tool = Tool {
    module: Module::Manifests,
    name: "manifests",
    package: "./manifests",
    cold: "1 min",
};
/// Tekton's resolver of bundles, as a controller.
pub const BUNDLE_RESOLVER: Tool = Tool {
    module: Module::Manifests,
    name: "bundle-resolver",
    package: "./manifests/resolver",
    cold: "4 min",
};
/// Binary that reports how the clients read a pull secret.
pub const VERDICT: Tool = Tool {
    module: Module::Consumers,
    name: "verdict",
    package: "./verdict",
    cold: "1 min",
};

/// Printed lines of a failed build.
const TAIL: usize = 40;

/// The paths of `tools` in the order given, built where the cache lacks them.
pub fn ensure(tools: &[&Tool]) -> Result<Vec<PathBuf>> {
    let modules = tools
        .iter()
        .map(|tool| Built::of(tool.module))
        .collect::<Result<Vec<_>>>()?;
    let targets: Vec<Target<'_>> = tools
        .iter()
        .zip(&modules)
        .map(|(&tool, module)| Target {
            tool,
            module,
            path: module.cache.join(tool.name),
        })
        .collect();
    let paths = targets.iter().map(|target| target.path.clone()).collect();
    if targets.iter().all(Target::is_built) {
        return Ok(paths);
    }

    for module in &modules {
        fs::create_dir_all(&module.cache)
            .with_context(|| format!("cannot make the servers' cache, {}", module.cache.display()))?;
    }
    // One lock for all modules: two concurrent builds would take as long as one after the other.
    let _lock = lock(&cache_directory()?.join("lock"))?;
    // A build whose owner has ended must not go on beside the one that gets the lock next.
    let supervisor = Supervisor::start()?;
    let missing: Vec<_> = targets.iter().filter(|target| !target.is_built()).collect();
    let count = missing.len();
    for (index, target) in missing.into_iter().enumerate() {
        build(&supervisor, target, &format!("[{}/{count}]", index + 1))?;
    }
    Ok(paths)
}

/// A Go module in its current state: directory of its commands, and linker flags.
struct Built {
    directory: PathBuf,
    linker_flags: String,
    cache: PathBuf,
}

impl Built {
    fn of(module: Module) -> Result<Self> {
        let directory = module.directory()?;
        let read = |name: &str| {
            fs::read_to_string(directory.join(name))
                .with_context(|| format!("cannot read {} of {}", name, directory.display()))
        };
        let (go_mod, go_sum) = (read("go.mod")?, read("go.sum")?);
        let linker_flags = format!("-s -w {}", module.linker_flags(&go_mod)?);
        let mut parts = vec![go_mod, go_sum, linker_flags.clone(), toolchain(&directory)?];
        parts.extend(module.own_sources()?);
        let key = digest_of(&parts.iter().map(String::as_str).collect::<Vec<_>>());
        Ok(Self {
            directory,
            linker_flags,
            cache: cache_directory()?.join(&key[..16]),
        })
    }
}

/// A tool, and where it is or will be.
struct Target<'a> {
    tool: &'a Tool,
    module: &'a Built,
    path: PathBuf,
}

impl Target<'_> {
    fn is_built(&self) -> bool {
        self.path.is_file()
    }
}

/// `${XDG_CACHE_HOME:-~/.cache}/ensure-pull-secret/servers`.
pub(super) fn cache_directory() -> Result<PathBuf> {
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

/// `go` in the servers' module, for this machine, whatever the caller's environment has.
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

/// Builds one tool under another name and renames it: a binary at `path` is always complete.
fn build(supervisor: &Supervisor, target: &Target<'_>, position: &str) -> Result<()> {
    let Target { tool, module, path } = target;
    let unfinished = path.with_extension("unfinished");
    // -v prints each package as it is compiled: the only progress that Go reports.
    let mut child = go(supervisor.command(Path::new("go"))?, &module.directory)
        .args(["build", "-v", "-trimpath", "-ldflags", &module.linker_flags, "-o"])
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
    fn build_key_separates_its_parts() {
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
