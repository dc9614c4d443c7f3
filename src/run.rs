//! One run, from configuration to outcome: within its deadline, and ended by SIGTERM at any moment.

use std::{
    env,
    future::{Future, pending},
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    thread,
    time::Duration,
};

use k8s_openapi::jiff::Timestamp;
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    commands::{self, operation::Operation},
    config::{Config, Mode},
    file,
    outcome::{Finding, Outcome, Progress, Reason},
    transport::deadline::Deadline,
};

/// How long `doctor` waits for registries.
const DOCTOR_REGISTRY_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a stopped run may take to end by itself; more than the calls that it still makes. A file of a hung mount, or a
/// computation, may block its thread for longer.
const GRACE: Duration = Duration::from_secs(5);

const TIMED_OUT: &str = "the run timed out (PULL_SECRET_TIMEOUT)";

/// An outcome, and the API server's time.
type Ended = (Outcome, Timestamp);

/// Cause of the end of a run by a signal.
type Stopped = oneshot::Receiver<&'static str>;

/// Progress of a run that has not begun. It knows the token file's content, which may be in another variable by mistake, even
/// one that makes the configuration invalid.
pub fn progress() -> Progress {
    let progress = Progress::default();
    let file = env::var_os("PULL_SECRET_TOKEN_FILE").map(PathBuf::from);
    if let Some(content) = file.filter(|file| file.is_absolute()).and_then(file::read_soon) {
        let username = env::var("PULL_SECRET_USERNAME").unwrap_or_default();
        let content = String::from_utf8_lossy(&content).trim().to_owned();
        progress.secrets.add(&username, &content.into());
    }
    progress
}

/// Runs `first`, then `config`, on a new thread, until its end, the deadline or a signal. Returns the outcome and the API
/// server's time.
pub fn start(config: &Arc<Config>, progress: &Progress, first: Box<dyn FnOnce() + Send>) -> Ended {
    let (config, timeout, shared) = (Arc::clone(config), config.timeout, progress.clone());
    let work = move |start, stopped| {
        first();
        block_on(&shared, Box::pin(run(&config, start, &shared, stopped)))
    };
    block_on(progress, Box::pin(supervise(timeout, progress, work)))
}

/// Runs a future on a new runtime.
fn block_on(progress: &Progress, future: Pin<Box<dyn Future<Output = Ended> + '_>>) -> Ended {
    let Ok(runtime) = Builder::new_current_thread().enable_all().build() else {
        return internal(progress, "cannot start the asynchronous runtime");
    };
    let ended = runtime.block_on(future);
    // A dropped runtime would wait for a name look-up that hangs.
    runtime.shutdown_background();
    ended
}

fn internal(progress: &Progress, cause: &str) -> Ended {
    ended_with(progress, Finding::new(Reason::Internal, cause))
}

fn ended_with(progress: &Progress, finding: Finding) -> Ended {
    let mut outcome = progress.outcome();
    outcome.findings.push(finding);
    (outcome, Timestamp::now())
}

/// Runs `work` on a new thread. Where it doesn't end in time, what is known of its progress is the outcome.
async fn supervise<W>(time: Duration, progress: &Progress, work: W) -> Ended
where
    W: FnOnce(Instant, Stopped) -> Ended + Send + 'static,
{
    let start = Instant::now();
    // Before anything else: until then SIGTERM ends the process without results, and process 1 ignores it.
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return internal(progress, "cannot listen for signals");
    };
    let (stop, stopped) = oneshot::channel();
    let (sender, mut ended) = oneshot::channel();
    let work: Box<dyn FnOnce() + Send> = Box::new(move || drop(sender.send(work(start, stopped))));
    if thread::Builder::new().spawn(work).is_err() {
        return internal(progress, "cannot start a thread");
    }
    let by = tokio::select! {
        ended = &mut ended => return ended.unwrap_or_else(|_| internal(progress, "the run's thread ended")),
        () = sleep_until(start + time) => TIMED_OUT,
        _ = terminate.recv() => "received SIGTERM",
        _ = interrupt.recv() => "received SIGINT",
    };
    // At the deadline, which the thread has too, it names the server that did not answer.
    if by != TIMED_OUT {
        let _ = stop.send(by);
    }
    match timeout(GRACE, ended).await {
        Ok(Ok(ended)) => ended,
        _ => {
            let cause = format!("{by}; a file or the Secret's document took too long to read");
            ended_with(progress, Finding::new(Reason::Deadline, cause))
        }
    }
}

async fn run(config: &Config, start: Instant, progress: &Progress, stopped: Stopped) -> Ended {
    let mut deadline = Deadline::new(start, config.timeout);
    if config.mode == Mode::Doctor {
        // A person waits for `doctor`, which reports an unreachable registry like any other problem.
        deadline.registry = deadline.registry.min(start + DOCTOR_REGISTRY_TIMEOUT);
    }
    let operation = match Operation::new(config, deadline, progress.clone()) {
        Ok(operation) => operation,
        Err(finding) => return ended_with(progress, finding),
    };
    progress.set_namespace(&operation.target.namespace);
    let stopped = async {
        match stopped.await {
            Ok(by) => by,
            Err(_) => pending().await,
        }
    };
    let outcome = until_stopped(&operation, stopped).await;
    (outcome, operation.api.now())
}

/// Runs the command until its end, the deadline, or `stopped`, which returns the cause.
async fn until_stopped(operation: &Operation<'_>, stopped: impl Future<Output = &'static str>) -> Outcome {
    // In this order: a call that ends at the deadline names the server that did not answer.
    let mut outcome = tokio::select! {
        biased;
        outcome = commands::run(operation) => outcome,
        () = tokio::time::sleep_until(operation.deadline.end) => {
            operation.interrupted(TIMED_OUT).await
        }
        by = stopped => operation.interrupted(by).await,
    };
    outcome.namespace = Some(operation.target.namespace.clone());
    let skew = operation.clock_skew();
    outcome
        .notes
        .extend(skew.map(|skew| format!("This machine's clock is {skew}, which is the one that counts.")));
    outcome
}

#[cfg(test)]
mod tests {
    use std::fs;

    use http::Method;

    use super::*;
    use crate::{
        commands::fixtures::{DAY, Scene, document, jwt, reasons},
        outcome::Action,
    };

    async fn stopped_after(scene: &Scene, mode: Mode, time: Duration) -> Outcome {
        scene
            .run_as(mode, Some("ensure-pull-secret"), async |operation| {
                until_stopped(operation, async {
                    tokio::time::sleep(time).await;
                    "received SIGTERM"
                })
                .await
            })
            .await
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_run_reports_what_it_wrote() {
        type Hangs = fn(&Method, &str, Duration) -> bool;
        let read: Hangs = |method, _, _| *method == Method::GET;
        let token: Hangs = |_, path, _| path.ends_with("/token");
        let write: Hangs = |_, path, _| path.contains("force=true");
        for (hangs, action, id) in [
            (read, Action::None, None),
            (token, Action::Created, None),
            (write, Action::Created, None),
        ] {
            let scene = Scene::new();
            scene.cluster().hangs = hangs;
            let outcome = stopped_after(&scene, Mode::Ensure, Duration::from_secs(1)).await;
            assert_eq!(reasons(&outcome), [Reason::Deadline]);
            assert_eq!(outcome.findings[0].cause, "received SIGTERM");
            assert_eq!(
                (outcome.action, outcome.credential.credential_id.as_deref()),
                (action, id)
            );
            assert_eq!(outcome.namespace.as_deref(), Some("demo"));
        }
        // After the write, while the Secret is read again.
        let scene = Scene::with_document(&document(&jwt("old", 60)));
        scene.cluster().after_apply = |cluster| cluster.hangs = |method, _, _| *method == Method::GET;
        let outcome = stopped_after(&scene, Mode::Ensure, Duration::from_secs(1)).await;
        assert_eq!(
            (reasons(&outcome), outcome.action),
            (vec![Reason::Deadline], Action::Refreshed)
        );
        assert_eq!(outcome.credential.credential_id.as_deref(), Some("token-1"));
        // Before it, the stored credential is the one that counts.
        let scene = Scene::with_document(&document(&jwt("old", 60)));
        scene.cluster().hangs = |_, path, _| path.ends_with("/token");
        let outcome = stopped_after(&scene, Mode::Ensure, Duration::from_secs(1)).await;
        assert_eq!(outcome.action, Action::None);
        assert_eq!(outcome.credential.credential_id.as_deref(), Some("old"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_run_names_the_server_that_failed_last() {
        let scene = Scene::new();
        scene.cluster().fails = |_, _| Some(503);
        let outcome = stopped_after(&scene, Mode::Verify, Duration::from_secs(2)).await;
        assert_eq!(reasons(&outcome), [Reason::ApiUnavailable]);
        let cause = "received SIGTERM; the API server did not answer (it answers 503)";
        assert_eq!(outcome.findings[0].cause, cause);
        let scene = Scene::with_document(&document(&jwt("good", DAY)));
        scene.cluster().registry = |_| 503;
        let outcome = stopped_after(&scene, Mode::Verify, Duration::from_secs(2)).await;
        assert_eq!(reasons(&outcome), [Reason::RegistryUnavailable]);
        assert_eq!(
            outcome.findings[0].cause,
            "received SIGTERM; the registry did not answer"
        );
        assert_eq!(outcome.credential.credential_id.as_deref(), Some("good"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_a_run_that_does_not_end_by_itself() {
        let scene = Scene::with_document(&document(&jwt("good", DAY)));
        scene.cluster().hangs = |_, _, _| true;
        let outcome = scene
            .run_as(Mode::Verify, None, async |operation| {
                operation.deadline.end = Instant::now() + Duration::from_secs(1);
                until_stopped(operation, pending()).await
            })
            .await;
        assert_eq!(reasons(&outcome), [Reason::Deadline]);
        assert_eq!(
            outcome.findings[0].cause,
            "the run timed out (PULL_SECRET_TIMEOUT)"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_notes_a_clock_that_differs() {
        for (ahead, note) in [(0, None), (3600, Some("behind")), (-3600, Some("ahead of"))] {
            let scene = Scene::with_document(&document(&jwt("good", DAY)));
            scene.cluster().clock_ahead = Some(ahead);
            let outcome = stopped_after(&scene, Mode::Verify, Duration::from_secs(9)).await;
            let end = note
                .map(|direction| format!(" s {direction} the API server's, which is the one that counts."));
            let [found] = &outcome.notes[..] else {
                assert_eq!((outcome.notes.len(), end), (0, None));
                continue;
            };
            assert!(end.is_some_and(|end| found.ends_with(&end)), "{found}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn o10_a_thread_that_does_not_end_is_left_behind() {
        let progress = Progress::default();
        progress.set_action(Action::Created);
        progress.set_namespace("demo");
        let (release, held) = std::sync::mpsc::channel::<()>();
        let begun = Instant::now();
        let (outcome, _) = supervise(Duration::from_secs(9), &progress, move |_, _| {
            let _ = held.recv();
            (Outcome::default(), Timestamp::now())
        })
        .await;
        drop(release);
        assert_eq!(begun.elapsed().as_secs(), 9 + GRACE.as_secs());
        assert_eq!(reasons(&outcome), [Reason::Deadline]);
        assert_eq!(
            outcome.findings[0].cause,
            "the run timed out (PULL_SECRET_TIMEOUT); a file or the Secret's document took too long to read"
        );
        assert_eq!(outcome.action, Action::Created);
        assert_eq!(outcome.namespace.as_deref(), Some("demo"));
    }

    #[test]
    fn a_run_outside_of_a_cluster_ends_with_its_notes_and_a_finding() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("token"), "a-token").expect("a file");
        for mode in [Mode::Ensure, Mode::Verify, Mode::Plan, Mode::Doctor] {
            let variables = [
                ("PULL_SECRET_NAME", "pull".to_owned()),
                ("PULL_SECRET_MODE", mode.as_str().to_owned()),
                (
                    "PULL_SECRET_SERVICE_ACCOUNT_DIR",
                    directory.path().display().to_string(),
                ),
            ];
            let variables = variables.map(|(name, value)| (name.into(), value.into()));
            let config = Arc::new(Config::from_env(variables).expect("a configuration"));
            let progress = Progress::default();
            progress.add_note("A note.".to_owned());
            let (outcome, now) = start(&config, &progress, Box::new(|| {}));
            assert_eq!(reasons(&outcome), [Reason::NotInCluster]);
            assert_eq!(outcome.notes, ["A note."]);
            assert!(now > Timestamp::UNIX_EPOCH);
        }
    }
}
