//! Peak memory of the control groups of containers.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

use anyhow::Result;
use tokio::time::sleep;

/// Time between two reads. A runtime starts a program to remove the group of a container, which takes longer.
const POLL: Duration = Duration::from_millis(1);

/// Directories of control groups with the file that has the peak: version 1 and version 2.
const HIERARCHIES: [(&str, &str); 2] = [
    ("/sys/fs/cgroup/memory", "memory.max_usage_in_bytes"),
    ("/sys/fs/cgroup", "memory.peak"),
];

/// Peaks of all groups below `control_group` while `work` runs, in bytes, by the name of the group: the id of a
/// container.
///
/// # Errors
/// When `work` fails.
pub async fn peaks_during<T>(
    control_group: &str,
    work: impl Future<Output = Result<T>>,
) -> Result<(T, BTreeMap<String, u64>)> {
    let groups = HIERARCHIES.map(|(hierarchy, file)| (PathBuf::from(hierarchy).join(control_group), file));
    let mut peaks = BTreeMap::new();
    let mut work = pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Ok((done?, peaks)),
            () = sleep(POLL) => groups.iter().for_each(|(top, file)| read_peaks(top, file, &mut peaks)),
        }
    }
}

/// Reads the peak of each group below a directory, where it exists.
fn read_peaks(directory: &Path, file: &str, peaks: &mut BTreeMap<String, u64>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let peak = fs::read_to_string(entry.path().join(file)).unwrap_or_default();
            if let Ok(peak) = peak.trim().parse() {
                peaks.insert(entry.file_name().to_string_lossy().into_owned(), peak);
            }
            read_peaks(&entry.path(), file, peaks);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_peak_of_a_removed_group_is_kept() -> Result<()> {
        let top = tempfile::tempdir()?;
        let group = top.path().join("burstable/pod/container");
        fs::create_dir_all(&group)?;
        let mut peaks = BTreeMap::new();
        for peak in ["20\n", "30\n"] {
            fs::write(group.join("memory.peak"), peak)?;
            read_peaks(top.path(), "memory.peak", &mut peaks);
        }
        fs::remove_dir_all(&group)?;
        read_peaks(top.path(), "memory.peak", &mut peaks);
        assert_eq!(peaks, [("container".to_owned(), 30)].into());
        Ok(())
    }
}
