//! A node leaves nothing behind, however its run ends: no process, mount, interface, iptables rule, control group or file.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// Time limit for killed processes to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts a pod, waits until it runs, and prints the name that everything of this node has.
const SCRIPT: &str = r#"
field() { sed -n "s/^ *\"$1\": \"\(.*\)\",*$/\1/p" "$TEST_CLUSTER" | head -n 1; }
export KUBECONFIG="$(field kubeconfig)"
kubectl=$(field kubectl)
"$kubectl" run pod --image="$(field busybox)" --restart=Never --command -- /bin/busybox sleep 600 >&2 || exit 1
"$kubectl" wait --for=condition=Ready --timeout=120s pod/pod >&2 || exit 1
echo "$TEST_CLUSTER_CONTROL_GROUP"
"#;

/// The machine's own objects, in this process's namespaces.
#[derive(Debug, PartialEq)]
struct Machine {
    mounts: String,
    interfaces: Vec<String>,
    rules: String,
}

impl Machine {
    fn now() -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").context("cannot read the mounts")?;
        let mut interfaces: Vec<String> = fs::read_dir("/sys/class/net")
            .and_then(|entries| {
                entries
                    .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                    .collect()
            })
            .context("cannot list the interfaces")?;
        interfaces.sort();
        let rules = Command::new("iptables")
            .args(["--list-rules", "--table", "nat"])
            .output()
            .context("cannot run iptables")?;
        Ok(Self {
            mounts,
            interfaces,
            rules: String::from_utf8_lossy(&rules.stdout).into_owned(),
        })
    }
}

/// A node that runs a pod.
struct Run {
    child: Child,
    name: String,
    before: Machine,
}

impl Run {
    fn start(then: &str) -> Result<Self> {
        let before = Machine::now()?;
        let mut child = Command::new(env("TEST_CLUSTER_PROGRAM")?)
            .args(["node", "--", "sh", "-c", &format!("{SCRIPT}\n{then}")])
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start test-cluster")?;
        let stdout = child.stdout.take().context("standard output is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let name = line.trim_end().to_owned();
        ensure!(
            name.starts_with("test-cluster."),
            "the node did not get as far as a pod: {name:?}"
        );
        Ok(Self { child, name, before })
    }

    /// Waits for the end, and fails where something is left.
    fn leaves_nothing(mut self) -> Result<Option<i32>> {
        let code = self.child.wait()?.code();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = left_of(&self.name)?;
            if left.is_empty() {
                break;
            }
            ensure!(Instant::now() < deadline, "left behind: {}", left.join(", "));
            std::thread::sleep(Duration::from_millis(100));
        }
        let after = Machine::now()?;
        ensure!(
            after == self.before,
            "the machine changed: {:?} became {after:?}",
            self.before
        );
        Ok(code)
    }
}

fn env(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set: run this with `cargo xtask test --node`"))
}

/// Objects with the node's name: processes by their arguments and control groups, directories.
fn left_of(name: &str) -> Result<Vec<String>> {
    let mut left = Vec::new();
    let directory = std::env::temp_dir().join(name);
    if directory.exists() {
        left.push(directory.display().to_string());
    }
    find(Path::new("/sys/fs/cgroup"), name, &mut left);
    for process in fs::read_dir("/proc")
        .context("cannot list the processes")?
        .flatten()
    {
        let path = process.path();
        let read = |file: &str| fs::read(path.join(file)).unwrap_or_default();
        let text = [read("cmdline"), read("cgroup"), read("mountinfo")].concat();
        // A supervisor that is still at work has the name in no argument; this test's own processes neither.
        if String::from_utf8_lossy(&text).contains(name) {
            left.push(format!("process {}", process.file_name().display()));
        }
    }
    Ok(left)
}

fn find(directory: &Path, name: &str, left: &mut Vec<String>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.file_name().is_some_and(|last| last == name) {
            left.push(path.display().to_string());
        } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            find(&path, name, left);
        }
    }
}

/// One after the other: each compares the machine before and after.
#[test]
fn ended_node_leaves_nothing_behind() -> Result<()> {
    let run = Run::start("exit 3")?;
    ensure!(
        run.leaves_nothing().context("after a failure")? == Some(3),
        "the command's own code"
    );

    for (signal, code) in [(Signal::INT, Some(130)), (Signal::KILL, None)] {
        let run = Run::start("exec sleep 600")?;
        kill_process(Pid::from_child(&run.child), signal)?;
        let ended = run
            .leaves_nothing()
            .with_context(|| format!("after {signal:?}"))?;
        ensure!(ended == code, "{signal:?} ended it with {ended:?}");
    }
    Ok(())
}
