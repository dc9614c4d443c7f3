//! The most memory that control groups ever had. A runtime removes a container's group soon after its end, so the group is
//! looked at all the time; a peak counts only where it was read when the last process was gone already.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context as _, Result};

/// How often it is looked; it takes a runtime longer to remove a group, since it starts a program for that.
const POLL: Duration = Duration::from_millis(1);

/// The hierarchies that may account for memory, with the file that has the peak: version 1 and version 2.
const HIERARCHIES: [(&str, &str); 2] = [
    ("/sys/fs/cgroup/memory", "memory.max_usage_in_bytes"),
    ("/sys/fs/cgroup", "memory.peak"),
];

/// Looks at the groups of pods until it is finished or dropped.
pub struct MemoryWatch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<BTreeMap<String, u64>>>,
}

/// What is known of one group.
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    has_run: bool,
    peak: Option<u64>,
}

impl MemoryWatch {
    /// Starts to look at the pods' groups below `control_group`.
    ///
    /// # Errors
    /// Where the machine accounts for no memory.
    pub fn start(control_group: &str) -> Result<Self> {
        let (top, file) = HIERARCHIES
            .into_iter()
            .map(|(hierarchy, file)| (Path::new(hierarchy).join(control_group), file))
            .find(|(top, _)| top.join("memory.stat").exists())
            .with_context(|| {
                format!("no hierarchy of control groups accounts for memory in {control_group}")
            })?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut groups = BTreeMap::<PathBuf, Group>::new();
            while !stopped.load(Ordering::Relaxed) {
                for path in containers(&top.join("kubepods")) {
                    let group = groups.entry(path.clone()).or_default();
                    look(&path, file, group);
                }
                std::thread::sleep(POLL);
            }
            groups
                .into_iter()
                .filter_map(|(path, group)| Some((path.file_name()?.to_str()?.to_owned(), group.peak?)))
                .collect()
        });
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    /// The peaks of all containers that ran meanwhile and ended, in bytes, by their ids; without those whose group was
    /// gone before its last value could be read.
    ///
    /// # Errors
    /// Where the look-out has failed.
    pub fn finish(mut self) -> Result<BTreeMap<String, u64>> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("it is finished once")?;
        thread
            .join()
            .ok()
            .context("the look-out for control groups has failed")
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The groups of containers: `pod…/<container>` at any depth, since a pod's class may stand between.
fn containers(directory: &Path) -> Vec<PathBuf> {
    directories(directory)
        .into_iter()
        .flat_map(|path| {
            let is_pod = path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("pod"));
            if is_pod {
                directories(&path)
            } else {
                containers(&path)
            }
        })
        .collect()
}

/// What is in a directory that is one; nothing where it has just gone.
fn directories(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Reads the peak, where the last process has gone: it is final then.
fn look(path: &Path, file: &str, group: &mut Group) {
    let Ok(processes) = fs::read_to_string(path.join("cgroup.procs")) else {
        return;
    };
    if !processes.trim().is_empty() {
        group.has_run = true;
    } else if group.has_run
        && let Ok(peak) = fs::read_to_string(path.join(file))
        && let Ok(peak) = peak.trim().parse()
    {
        group.peak = Some(peak);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_counts_when_the_last_process_has_gone_and_not_before() -> Result<()> {
        let top = tempfile::tempdir()?;
        let path = top.path().join("burstable/podx/container");
        fs::create_dir_all(&path)?;
        assert_eq!(containers(top.path()), std::slice::from_ref(&path));
        let mut group = Group::default();
        for (processes, peak, expected) in [("", "1\n", None), ("7\n", "20\n", None), ("", "30\n", Some(30))]
        {
            fs::write(path.join("cgroup.procs"), processes)?;
            fs::write(path.join("memory.peak"), peak)?;
            look(&path, "memory.peak", &mut group);
            assert_eq!(group.peak, expected, "{processes:?}");
        }
        fs::remove_dir_all(&path)?;
        look(&path, "memory.peak", &mut group);
        assert_eq!(group.peak, Some(30), "what was read stays");
        Ok(())
    }
}
