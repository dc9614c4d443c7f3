//! Contenders on loopback: the program, its requests alone, and a script with kubectl. Each has its own namespace.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use ensure_pull_secret::kubernetes::rbac_yaml::{self, RoleParams, Subject};
use replay::Recording;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_cluster::{
    control_plane::Cluster,
    identity::ServiceAccountDir,
    namespace::TestNamespace,
    program::RESULTS,
    registry::{OPENSHIFT, push_image},
};

use super::{
    contest,
    figures::State,
    job,
    recorder::Recorder,
    stored::{NEXT_RUN_WITHIN, Stored},
};

/// The script; it runs on a node too.
pub const SCRIPT: &str = include_str!("shell.sh");
const SECRET: &str = "model-registry";
const PULLER: &str = "model-puller";
const RUNNER: &str = "model-pipeline-sa";

/// Programs that run.
pub struct Tools {
    /// The release binary.
    pub program: PathBuf,
    /// Client that sends a recording again.
    pub replay: PathBuf,
    /// Launcher that prints the peak memory of a process.
    pub peak_memory: PathBuf,
    /// kubectl.
    pub kubectl: PathBuf,
}

/// A contender on loopback.
pub struct Contender<'a> {
    cluster: &'a Cluster,
    tools: &'a Tools,
    kind: Kind,
    namespace: TestNamespace,
    runner: ServiceAccountDir,
    stored: Stored,
    image: String,
    directory: TempDir,
}

/// Command of a contender.
pub enum Kind {
    /// The program.
    Program,
    /// The requests that the program sends in the same state.
    Requests(Recording),
    /// The script with kubectl.
    Shell,
}

impl<'a> Contender<'a> {
    /// The contenders of the contest on loopback, in the order of the tables.
    ///
    /// # Errors
    /// When the API server or the registry refuses a part of the setup.
    pub async fn all(cluster: &'a Cluster, tools: &'a Tools) -> Result<[Self; 3]> {
        let shell = Self::new(cluster, tools, Kind::Shell).await?;
        allow_create(&shell.namespace, RUNNER).await?;
        Ok([
            Self::new(cluster, tools, Kind::Program).await?,
            Self::new(cluster, tools, Kind::Requests(Recording::default())).await?,
            shell,
        ])
    }

    async fn new(cluster: &'a Cluster, tools: &'a Tools, kind: Kind) -> Result<Self> {
        let access = cluster.access();
        let namespace = TestNamespace::within(access, "bench").await?;
        for account in [RUNNER, PULLER] {
            namespace.service_account(account).await?;
        }
        let needs = RoleParams {
            namespace: namespace.name(),
            secret: SECRET,
            token_account: Some(PULLER),
            runner: Some(Subject {
                namespace: namespace.name(),
                name: RUNNER,
            }),
        };
        namespace
            .apply(&rbac_yaml::role(&needs).context("valid names")?)
            .await?;
        let pull = json!([{ "apiGroups": ["image.openshift.io"], "resources": ["imagestreams/layers"], "verbs": ["get"] }]);
        namespace.grant(PULLER, "image-puller", pull).await?;
        let repository = format!("{}/granite:1.0", namespace.name());
        let store = access.registries()?.store;
        tokio::task::block_in_place(|| push_image(store, &repository))?;
        Ok(Self {
            cluster,
            tools,
            kind,
            runner: namespace.identity(RUNNER).await?,
            stored: Stored::new(&namespace, SECRET, PULLER),
            image: format!("{OPENSHIFT}/{repository}"),
            directory: tempfile::tempdir().context("cannot create a directory for a contender")?,
            namespace,
        })
    }

    /// Puts the Secret into the state, runs the command and checks the results.
    async fn once(&mut self, state: State, launcher: Option<&Path>) -> Result<(Duration, String)> {
        self.stored.prepare(state).await?;
        let mut command = match &self.kind {
            Kind::Program => {
                let access = self.cluster.access();
                let registry = access.registries()?.openshift.host.address;
                self.program(launcher, &self.runner, [access.api_server, registry])
            }
            Kind::Requests(recording) => {
                let mut replay = job::command(&self.tools.replay, launcher);
                replay.arg(self.write("recording.json", &serde_json::to_string(recording)?)?);
                replay
            }
            Kind::Shell => self.shell(launcher)?,
        };
        let ran = tokio::task::block_in_place(|| job::run(&mut command))?;
        if matches!(self.kind, Kind::Program) {
            self.ensure_it_did(state)?;
        }
        Ok(ran)
    }

    /// The program as in a pod, with the given addresses of the API server and of the registry.
    fn program(
        &self,
        launcher: Option<&Path>,
        identity: &ServiceAccountDir,
        [api_server, registry]: [SocketAddr; 2],
    ) -> Command {
        let mut program = job::command(&self.tools.program, launcher);
        program
            .env("PULL_SECRET_NAME", SECRET)
            .env("PULL_SECRET_SERVICE_ACCOUNT", PULLER)
            .env("PULL_SECRET_IMAGE", &self.image)
            .env("PULL_SECRET_NEXT_RUN_WITHIN", NEXT_RUN_WITHIN)
            .env("PULL_SECRET_CONNECT_TO", format!("{OPENSHIFT}={registry}"))
            .env("PULL_SECRET_SERVICE_ACCOUNT_DIR", identity.path())
            .env("KUBERNETES_SERVICE_HOST", api_server.ip().to_string())
            .env("KUBERNETES_SERVICE_PORT", api_server.port().to_string());
        let results = RESULTS.iter();
        program.envs(results.map(|name| (format!("RESULTS_{name}_PATH"), self.directory.path().join(name))));
        program
    }

    fn ensure_it_did(&self, state: State) -> Result<()> {
        let result = |name: &str| fs::read_to_string(self.directory.path().join(name)).unwrap_or_default();
        ensure_it_did(state, result)?;
        // The next run must write it again.
        fs::remove_file(self.directory.path().join("ACTION")).context("cannot remove a result")
    }

    fn shell(&self, launcher: Option<&Path>) -> Result<Command> {
        let directory = self.tools.kubectl.parent().context("kubectl is in a directory")?;
        let mut kubeconfig = self.cluster.access().kubeconfig_of(self.runner.token());
        kubeconfig["contexts"][0]["context"]["namespace"] = self.namespace.name().into();
        let mut shell = job::command(Path::new("/bin/sh"), launcher);
        shell
            .arg(self.write("shell.sh", SCRIPT)?)
            .env("PATH", format!("{}:/usr/bin:/bin", directory.display()))
            .env("KUBECONFIG", self.write("kubeconfig", &kubeconfig.to_string())?)
            // kubectl keeps its discovery cache here: it is warm after the first round.
            .env("HOME", self.directory.path())
            .env("SECRET", SECRET)
            .env("ACCOUNT", PULLER)
            .env("REGISTRY", OPENSHIFT);
        Ok(shell)
    }

    fn write(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.directory.path().join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Records what the program sends in this state.
    async fn record(&mut self, state: State) -> Result<Recording> {
        if state == State::Steady {
            // A replayed refresh stores the token of the recorded refresh. The program itself must refresh.
            self.kind = Kind::Program;
            self.once(State::Refresh, None).await?;
        }
        self.stored.prepare(state).await?;
        let recorder = Recorder::start(self.cluster.access(), self.cluster.registry_authority())?;
        let identity = self.namespace.identity(RUNNER).await?;
        fs::write(identity.file("ca.crt"), recorder.authority()).context("cannot write ca.crt")?;
        let mut program = self.program(None, &identity, recorder.addresses());
        tokio::task::block_in_place(|| job::run(&mut program))?;
        self.ensure_it_did(state)?;
        recorder.recording()
    }
}

impl contest::Contender for Contender<'_> {
    async fn enter(&mut self, state: State) -> Result<()> {
        if matches!(self.kind, Kind::Requests(_)) {
            self.kind = Kind::Requests(self.record(state).await?);
        }
        Ok(())
    }

    async fn run(&mut self, state: State) -> Result<Duration> {
        Ok(self.once(state, None).await?.0)
    }

    async fn peak_memory(&mut self, state: State) -> Result<u64> {
        let launcher = self.tools.peak_memory.as_path();
        let (_, kibibytes) = self.once(state, Some(launcher)).await?;
        let kibibytes: u64 = kibibytes.trim().parse().context("the launcher prints KiB")?;
        Ok(kibibytes * 1024)
    }
}

/// Fails when the program did something else than the state needs.
///
/// # Errors
/// The results.
pub fn ensure_it_did(state: State, result: impl Fn(&str) -> String) -> Result<()> {
    let [action, verified, message] = ["ACTION", "VERIFIED", "MESSAGE"].map(result);
    ensure!(
        action == state.action() && verified == "pull",
        "{}: the program ended with {action} {verified}: {message}",
        state.name()
    );
    Ok(())
}

/// Allows a ServiceAccount to create any Secret, which `kubectl apply` needs and the program does not.
///
/// # Errors
/// When the API server refuses it.
pub async fn allow_create(namespace: &TestNamespace, account: &str) -> Result<()> {
    let rules: Value = json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["create"] }]);
    namespace.grant(account, "create-secrets", rules).await
}
