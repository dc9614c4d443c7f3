//! Start and end of containers in containerd's events, in nanoseconds. The status of a pod has whole seconds.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, Result};
use k8s_openapi::jiff::Timestamp;
use node_tests::eventually;
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::process::{Child, Command};

/// `ctr events`, which writes to a file until this is dropped.
pub struct ContainerEvents {
    events: NamedTempFile,
    _listener: Child,
}

impl ContainerEvents {
    /// Starts to listen to the containerd at `socket`.
    ///
    /// # Errors
    /// When `ctr` can't be run.
    pub fn listen(socket: &Path) -> Result<Self> {
        let events = NamedTempFile::new().context("cannot create a file for containerd's events")?;
        let mut ctr = Command::new("ctr");
        ctr.arg("--address")
            .arg(socket)
            .args(["--namespace", "k8s.io", "events"])
            .stdin(Stdio::null())
            .stdout(events.reopen()?)
            .kill_on_drop(true);
        let _listener = ctr.spawn().context("cannot run ctr")?;
        Ok(Self { events, _listener })
    }

    /// Time from the start to the end of a container that has ended.
    ///
    /// # Errors
    /// When containerd reports no start or no end.
    pub async fn lifetime_of(&self, container: &str) -> Result<Duration> {
        let what = format!("containerd reports start and end of {container}");
        eventually(&what, || async {
            let events = std::fs::read_to_string(self.events.path())?;
            Ok(lifetime(&events, container).ok_or_else(|| "no such events".to_owned()))
        })
        .await
    }
}

fn lifetime(events: &str, container: &str) -> Option<Duration> {
    let started = moment(events, "/tasks/start", |event| event["container_id"] == container)?;
    // The id of a process that `exec` starts differs from that of the container.
    let ended = moment(events, "/tasks/exit", |event| event["id"] == container)?;
    ended.duration_since(started).try_into().ok()
}

/// Time of the first event with this topic. A line has the time as Go prints it, namespace, topic and the event as JSON.
fn moment(events: &str, topic: &str, is_wanted: impl Fn(&Value) -> bool) -> Option<Timestamp> {
    events.lines().find_map(|line| {
        let (time, event) = line.split_once(" k8s.io ")?;
        let (time, _zone) = time.rsplit_once(' ')?;
        let event = event.strip_prefix(topic)?;
        let event = serde_json::from_str(event).ok().filter(&is_wanted);
        event.and_then(|_| Timestamp::strptime("%Y-%m-%d %H:%M:%S%.f %z", time).ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_ends_with_the_first_process_of_the_container() {
        let events = r#"2026-11-25 21:37:25.5 +0000 UTC k8s.io /tasks/start {"container_id":"ab","pid":7}
2026-11-25 21:37:25.6 +0000 UTC k8s.io /tasks/exit {"container_id":"ab","id":"exec"}
2026-11-25 21:37:26.25 +0000 UTC k8s.io /tasks/exit {"container_id":"ab","id":"ab","exited_at":{"seconds":1}}
"#;
        assert_eq!(lifetime(events, "ab"), Some(Duration::from_millis(750)));
        assert_eq!(lifetime(events, "exec"), None);
        assert_eq!(lifetime("", "ab"), None);
    }
}
