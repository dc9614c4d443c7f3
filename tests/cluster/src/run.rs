//! A command with a cluster of its own.

use std::{
    ffi::OsString,
    io::Read as _,
    path::Path,
    process::{ExitCode, ExitStatus},
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use test_cluster::{
    control_plane::{Cluster, Options},
    node::{
        self, Node,
        namespaces::{CONTROL_GROUP, Namespaces},
        platform::{Namespaces as Everywhere, Platform},
    },
    servers::{Binaries, NodeBinaries},
};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::sleep,
};

/// Time limit for the command to end after a signal; then it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// Interval between checks whether a node's namespaces have ended.
const POLL: Duration = Duration::from_millis(50);

/// Starts a cluster, runs the command, and ends both, with the command's exit code.
pub fn run(command: &[OsString]) -> Result<ExitCode> {
    block_on(async {
        let mut end = End::by_signal()?;
        let cluster = tokio::select! {
            cluster = Cluster::start(Options::new().registries()) => cluster?,
            signal = end.asked() => return Ok(ended_by(signal)),
        };
        run_with(&cluster, command, end).await
    })
}

/// Starts a cluster with a node in namespaces of their own, runs the command in there, and ends all of it, with the
/// command's exit code.
pub fn run_on_node(command: &[OsString]) -> Result<ExitCode> {
    // A signal ends a build as it ends any program.
    Binaries::ensure()?;
    NodeBinaries::ensure()?;
    block_on(async {
        // Before anything is there: a signal while the node starts ends it as well.
        let mut end = End::by_signal()?;
        let own = std::env::current_exe().context("cannot tell where this program is")?;
        let mut inside = vec![own.into_os_string(), "inside".into()];
        inside.extend_from_slice(command);
        let mut namespaces = Namespaces::start(&inside)?;
        tokio::select! {
            code = await_end(&mut namespaces) => Ok(ExitCode::from(u8::try_from(code?).unwrap_or(1))),
            signal = end.asked() => {
                namespaces.ask_to_end();
                let _ = tokio::time::timeout(GRACE * 2, await_end(&mut namespaces)).await;
                Ok(ended_by(signal))
            }
        }
    })
}

async fn await_end(namespaces: &mut Namespaces) -> Result<i32> {
    loop {
        if let Some(code) = namespaces.ended()? {
            return Ok(code);
        }
        sleep(POLL).await;
    }
}

/// The inner half of `run_on_node`: in the namespaces already.
pub fn run_inside(command: &[OsString], platform: bool) -> Result<ExitCode> {
    block_on(async {
        let mut end = End::by_closed_input();
        let group = std::env::var(CONTROL_GROUP)
            .context("this command is for `test-cluster node` itself, which makes the namespaces first")?;
        let started = async {
            let mut cluster = Cluster::start(node::options()).await?;
            let node = Node::start(&mut cluster, &group).await?;
            let platform = if platform {
                Some(Platform::stand_in(cluster.access(), Everywhere::All).await?)
            } else {
                None
            };
            anyhow::Ok((cluster, node, platform))
        };
        let (cluster, _node, _platform) = tokio::select! {
            started = started => started?,
            signal = end.asked() => return Ok(ended_by(signal)),
        };
        run_with(&cluster, command, end).await
    })
}

fn block_on(work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let code = runtime.block_on(work);
    // A build of the servers that a signal cut off is on a thread of its own, which must not hold the exit back.
    runtime.shutdown_background();
    code
}

async fn run_with(cluster: &Cluster, command: &[OsString], mut end: End) -> Result<ExitCode> {
    let (variable, state) = cluster.environment()?;
    let (program, arguments) = command.split_first().context("no command was given")?;
    // It joins the servers' process group before it is executed: so it ends with this process however that ends. To
    // join later would leave a moment without a parent.
    let mut child = Command::from(cluster.supervisor().command(Path::new(program))?)
        .args(arguments)
        .env(variable, state)
        .stdin(std::process::Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    tokio::select! {
        status = child.wait() => Ok(code_of(status.context("cannot wait for the command")?)),
        signal = end.asked() => stop(&mut child, signal).await,
    }
}

/// Signals that end it.
enum End {
    Signal {
        interrupt: tokio::signal::unix::Signal,
        terminate: tokio::signal::unix::Signal,
    },
    Input(oneshot::Receiver<()>),
}

impl End {
    /// SIGINT and SIGTERM.
    fn by_signal() -> Result<Self> {
        Ok(Self::Signal {
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
        })
    }

    /// The end of standard input: signals don't cross into a process namespace, and the owner may have no time to send
    /// one.
    fn by_closed_input() -> Self {
        let (sender, receiver) = oneshot::channel();
        std::thread::spawn(move || {
            // Its output and errors are ignored: there is no reader.
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            let _ = sender.send(());
        });
        Self::Input(receiver)
    }

    /// Waits for it, and gives the signal to pass on.
    async fn asked(&mut self) -> Signal {
        match self {
            Self::Signal { interrupt, terminate } => tokio::select! {
                _ = interrupt.recv() => Signal::INT,
                _ = terminate.recv() => Signal::TERM,
            },
            Self::Input(closed) => {
                let _ = closed.await;
                Signal::TERM
            }
        }
    }
}

/// Passes the signal on and waits for the command; kills it where it doesn't end.
async fn stop(child: &mut Child, signal: Signal) -> Result<ExitCode> {
    if let Some(pid) = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
        // It fails only if the command has just ended by itself.
        let _ = kill_process(pid, signal);
    }
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        child.kill().await.context("cannot kill the command")?;
    }
    Ok(ended_by(signal))
}

/// The exit code that shells give for a command ended by `signal`.
fn ended_by(signal: Signal) -> ExitCode {
    ExitCode::from(128u8.saturating_add(u8::try_from(signal.as_raw()).unwrap_or(0)))
}

fn code_of(status: ExitStatus) -> ExitCode {
    match status.code().map(u8::try_from) {
        Some(Ok(code)) => ExitCode::from(code),
        Some(Err(_)) | None => ExitCode::FAILURE,
    }
}
