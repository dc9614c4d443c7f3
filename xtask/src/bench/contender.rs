//! Who does the work: the program, a replay of its requests, a script with kubectl. Each has a namespace of its own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use replay::Recording;
use serde_json::json;
use tempfile::TempDir;
use test_cluster::{access::ClusterAccess, control_plane::Cluster, registry::OPENSHIFT};

use super::{
    job::Job,
    recorder::Recorder,
    state::State,
    world::{PULLER, SECRET, Ways, World},
};

/// What people do today; on a node too.
pub const SCRIPT: &str = include_str!("shell.sh");

/// One contender.
pub struct Contender {
    world: World,
    kind: Kind,
    directory: TempDir,
}

enum Kind {
    Program { binary: PathBuf },
    Replay { client: PathBuf, recording: Recording },
    Shell { kubectl: PathBuf },
}

impl Contender {
    /// The program.
    ///
    /// # Errors
    /// As `World::new`, as all of these.
    pub async fn program(access: &ClusterAccess, binary: &Path) -> Result<Self> {
        let binary = binary.to_owned();
        Self::new(access, "program", Kind::Program { binary }).await
    }

    /// The limit: `client` sends what the program sent; it is recorded anew in each state.
    ///
    /// # Errors
    /// As `program`.
    pub async fn replay(access: &ClusterAccess, client: &Path) -> Result<Self> {
        let kind = Kind::Replay {
            client: client.to_owned(),
            recording: Recording::default(),
        };
        Self::new(access, "limit", kind).await
    }

    /// The script.
    ///
    /// # Errors
    /// As `program`.
    pub async fn shell(access: &ClusterAccess, kubectl: &Path) -> Result<Self> {
        let kubectl = kubectl.to_owned();
        let shell = Self::new(access, "shell", Kind::Shell { kubectl }).await?;
        shell.world.grant_create().await?;
        Ok(shell)
    }

    async fn new(access: &ClusterAccess, name: &str, kind: Kind) -> Result<Self> {
        Ok(Self {
            world: World::new(access, &format!("bench-{name}")).await?,
            kind,
            directory: tempfile::tempdir().context("cannot make a contender's directory")?,
        })
    }

    /// Its namespace's name.
    pub fn namespace(&self) -> &str {
        self.world.namespace().name()
    }

    /// How its requests are told from others' in the audit log of that namespace.
    pub const fn user_agent(&self) -> &'static str {
        match self.kind {
            Kind::Program { .. } | Kind::Replay { .. } => "ensure-pull-secret/",
            Kind::Shell { .. } => "kubectl/",
        }
    }

    /// Gets ready for a state: records what the program asks in it, where that is what is replayed.
    ///
    /// # Errors
    /// Where the program fails in this state.
    pub async fn enter(&mut self, cluster: &Cluster, program: &Path, state: State) -> Result<()> {
        let Kind::Replay { recording, .. } = &mut self.kind else {
            return Ok(());
        };
        if state == State::Steady {
            // A replayed refresh stores the token of the recorded one: the program itself makes the state.
            self.world.prepare(State::Refresh).await?;
            let ways = Ways::direct(cluster.access())?;
            let job = self.world.program(program, self.world.runner(), ways);
            tokio::task::block_in_place(|| job.time())?;
            self.world.ensure_it_did(State::Refresh)?;
        }
        self.world.prepare(state).await?;
        let recorder = Recorder::start(cluster.access(), cluster.registry_authority())?;
        let identity = self.world.trusting(recorder.authority()).await?;
        let [api_server, registry] = recorder.addresses();
        let ways = Ways { api_server, registry };
        let job = self.world.program(program, &identity, ways);
        tokio::task::block_in_place(|| job.time())?;
        self.world.ensure_it_did(state)?;
        *recording = recorder.recording()?;
        Ok(())
    }

    /// Brings the Secret into the state before a run. The script does the same whatever it finds but a missing Secret.
    ///
    /// # Errors
    /// Where the API server refuses it.
    pub async fn prepare(&mut self, state: State) -> Result<()> {
        match (&self.kind, state) {
            (Kind::Shell { .. }, State::Refresh) => Ok(()),
            _ => self.world.prepare(state).await,
        }
    }

    /// Fails where the last run did something else than it should have.
    ///
    /// # Errors
    /// What it did.
    pub fn check(&self, state: State) -> Result<()> {
        match self.kind {
            Kind::Program { .. } => self.world.ensure_it_did(state),
            // They fail by themselves.
            Kind::Replay { .. } | Kind::Shell { .. } => Ok(()),
        }
    }

    /// Its process.
    ///
    /// # Errors
    /// Where a file that it needs can't be written.
    pub fn job(&self, ways: Ways) -> Result<Job> {
        match &self.kind {
            Kind::Program { binary } => Ok(self.world.program(binary, self.world.runner(), ways)),
            Kind::Replay { client, recording } => {
                let mut recording = recording.clone();
                for (server, address) in recording.servers.iter_mut().zip([ways.api_server, ways.registry]) {
                    server.address = address;
                }
                let path = self.write(
                    &format!("recording-{}.json", ways.api_server.port()),
                    &serde_json::to_string(&recording)?,
                )?;
                Ok(Job::new(client).argument(path))
            }
            Kind::Shell { kubectl } => {
                let script = self.write("shell.sh", SCRIPT)?;
                let search = std::env::join_paths(
                    kubectl
                        .parent()
                        .into_iter()
                        .chain([Path::new("/usr/bin"), Path::new("/bin")]),
                )
                .context("kubectl is at a path that PATH can't hold")?;
                Ok(Job::new("/bin/sh")
                    .argument(script)
                    .env("PATH", search)
                    .env("KUBECONFIG", self.kubeconfig(ways)?)
                    // kubectl's cache of what the API server offers: warm, but for the first round.
                    .env("HOME", self.directory.path())
                    .env("SECRET", SECRET)
                    .env("ACCOUNT", PULLER)
                    .env("REGISTRY", OPENSHIFT))
            }
        }
    }

    /// The least that a script can do to find out whether anything is to be done: a single `kubectl get`.
    ///
    /// # Errors
    /// As `job`, and where this isn't the script's contender.
    pub fn single_get(&self, ways: Ways) -> Result<Job> {
        let Kind::Shell { kubectl } = &self.kind else {
            anyhow::bail!("only the shell has kubectl");
        };
        Ok(["get", "secret", SECRET, "--output=json"]
            .into_iter()
            .fold(Job::new(kubectl), Job::argument)
            .env("KUBECONFIG", self.kubeconfig(ways)?)
            .env("HOME", self.directory.path()))
    }

    /// The pod's account, as kubectl wants it.
    fn kubeconfig(&self, ways: Ways) -> Result<PathBuf> {
        let access = self.world.namespace().access();
        let authority = self.world.runner().file("ca.crt");
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "pod",
            "contexts": [{
                "name": "pod",
                "context": { "cluster": "pod", "user": "pod", "namespace": self.namespace() },
            }],
            "clusters": [{
                "name": "pod",
                "cluster": {
                    "server": format!("https://{}", ways.api_server),
                    "certificate-authority": authority,
                },
            }],
            "users": [{ "name": "pod", "user": { "token": self.world.runner().token() } }],
        });
        let name = if ways.api_server == access.api_server {
            "kubeconfig"
        } else {
            "kubeconfig-relayed"
        };
        self.write(name, &kubeconfig.to_string())
    }

    fn write(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.directory.path().join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}
