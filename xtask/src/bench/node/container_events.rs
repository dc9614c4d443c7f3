//! When containers start and end, by containerd's own word, in nanoseconds: the pod's status has whole seconds.

use std::{
    collections::BTreeMap,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::{Instant, sleep},
};

/// How long containerd's word may take after the API server's.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked for.
const POLL: Duration = Duration::from_millis(20);

/// A container's two moments.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
}

type Seen = Arc<Mutex<BTreeMap<String, Moments>>>;

/// Listens to containerd until it is dropped.
pub struct ContainerEvents {
    seen: Seen,
    _listener: Child,
}

/// A container's life.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// When its first process began to run.
    pub started: Timestamp,
    /// When that process ended.
    pub ended: Timestamp,
}

impl Life {
    /// From start to end.
    pub fn duration(&self) -> Duration {
        since(self.started, self.ended)
    }
}

/// The time between two moments; none where they are in the wrong order.
pub fn since(earlier: Timestamp, later: Timestamp) -> Duration {
    later.duration_since(earlier).try_into().unwrap_or_default()
}

impl ContainerEvents {
    /// Listens to the containerd at `socket`, of a kubelet.
    ///
    /// # Errors
    /// Where `ctr` can't be run.
    pub fn listen(socket: &Path) -> Result<Self> {
        let mut listener = Command::new("ctr")
            .arg("--address")
            .arg(socket)
            .args(["--namespace", "k8s.io", "events"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot run ctr")?;
        let output = listener.stdout.take().context("standard output is piped")?;
        let seen = Seen::default();
        let noted = Arc::clone(&seen);
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                note(&noted, &line);
            }
        });
        Ok(Self {
            seen,
            _listener: listener,
        })
    }

    /// A container's life, after its end.
    ///
    /// # Errors
    /// Where containerd doesn't tell.
    pub async fn life_of(&self, container: &str) -> Result<Life> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let moments = self
                .seen
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(container)
                .copied()
                .unwrap_or_default();
            if let (Some(started), Some(ended)) = (moments.started, moments.ended) {
                return Ok(Life { started, ended });
            }
            anyhow::ensure!(
                Instant::now() < deadline,
                "containerd does not say when container {container} started and ended: {moments:?}"
            );
            sleep(POLL).await;
        }
    }
}

/// Reads a line of `ctr events`: the event's time as Go prints one, namespace, topic, and the event as JSON.
fn note(seen: &Seen, line: &str) {
    let mut words = line.splitn(7, ' ');
    let mut next = || words.next().unwrap_or_default();
    let time = [next(), next(), next()].join(" ");
    let (_zone, _namespace, topic, event) = (next(), next(), next(), next());
    let Ok(event) = serde_json::from_str::<Value>(event) else {
        return;
    };
    let Some(container) = event["container_id"].as_str() else {
        return;
    };
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    match topic {
        "/tasks/start" => {
            seen.entry(container.to_owned()).or_default().started =
                Timestamp::strptime("%Y-%m-%d %H:%M:%S%.f %z", time).ok();
        }
        // A process that was started beside the first one has an id of its own.
        "/tasks/exit" if event["id"] == container => {
            seen.entry(container.to_owned()).or_default().ended = timestamp(&event["exited_at"]);
        }
        _ => {}
    }
}

/// A time in an event: text from containerd 1, seconds and nanoseconds from containerd 2.
fn timestamp(value: &Value) -> Option<Timestamp> {
    if let Some(text) = value.as_str() {
        return text.parse().ok();
    }
    let nanoseconds = value["nanos"].as_i64().unwrap_or(0);
    Timestamp::new(value["seconds"].as_i64()?, i32::try_from(nanoseconds).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str =
        r#"2026-11-25 21:37:25.5 +0000 UTC k8s.io /tasks/start {"container_id":"ab","pid":7}"#;

    #[tokio::test]
    async fn a_life_is_from_the_tasks_start_to_the_exit_of_its_first_process() -> Result<()> {
        for exit in [
            r#"2026-11-25 21:37:27.1 +0000 UTC k8s.io /tasks/exit {"container_id":"ab","id":"ab","pid":7,"exited_at":"2026-11-25T21:37:26.25Z"}"#,
            r#"2026-11-25 21:37:27.1 +0000 UTC k8s.io /tasks/exit {"container_id":"ab","id":"ab","exited_at":{"seconds":1795642646,"nanos":250000000}}"#,
        ] {
            let events = ContainerEvents {
                seen: Seen::default(),
                _listener: Command::new("true").spawn()?,
            };
            let beside = r#"2026-11-25 21:37:25.6 +0000 UTC k8s.io /tasks/exit {"container_id":"ab","id":"exec","exited_at":"2026-11-25T21:37:25.6Z"}"#;
            for line in [START, beside, "", exit] {
                note(&events.seen, line);
            }
            assert_eq!(events.life_of("ab").await?.duration(), Duration::from_millis(750));
        }
        Ok(())
    }
}
