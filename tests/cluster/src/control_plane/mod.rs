//! A control plane: etcd and kube-apiserver as plain processes on loopback ports.

mod api_server;
mod etcd;
mod options;
mod ports;
mod signing_key;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};

use self::{api_server::Files, ports::Ports};
pub use self::{api_server::ISSUER, options::Options, signing_key::SigningKey};
use crate::{
    access::ClusterAccess,
    certificates::Authority,
    node::NodeAccess,
    random::random_hex,
    registry::{ApiServer, RunningRegistries, Setup},
    server_process::ServerProcess,
    servers::Binaries,
    supervisor::Supervisor,
};

/// Time limit for an API server to get ready: 5 s on an idle machine, more on one that compiles.
const PATIENCE: Duration = Duration::from_secs(120);
/// Attempts with other ports if another process took one.
const TRIES: u32 = 5;

/// A control plane that lives as long as this value, or its process.
pub struct Cluster {
    // Dropped in this order: the servers, then the owner of their files.
    registries: Option<RunningRegistries>,
    api_server: ServerProcess,
    others: Vec<ServerProcess>,
    etcd: ServerProcess,
    supervisor: Supervisor,
    files: Files,
    ports: Ports,
    signing_key: SigningKey,
    registry_authority: Authority,
    options: Options,
    access: ClusterAccess,
}

impl Cluster {
    /// Builds the servers where needed, starts them, and returns when the API server is ready.
    ///
    /// # Errors
    /// If the servers can't be built or started; the end of the log of the server that failed is in the error.
    pub async fn start(options: Options) -> Result<Self> {
        let port = options.api_server_port;
        let ports = move || {
            let mut ports = Ports::free()?;
            ports.api_server = port.unwrap_or(ports.api_server);
            Ok(ports)
        };
        Self::start_on(ports, options).await
    }

    /// As `start`, on the first ports of `next_ports` that are free.
    async fn start_on(next_ports: impl Fn() -> Result<Ports>, options: Options) -> Result<Self> {
        let binaries = tokio::task::spawn_blocking(Binaries::ensure)
            .await
            .context("the build of the servers was cut off")??;
        let supervisor = Supervisor::start()?;
        let authority = Authority::new("kubernetes-ca").context("cannot make the API server's authority")?;
        let registry_authority =
            Authority::new("registry-ca").context("cannot make the registries' authority")?;
        let certificate = authority
            .issue(&[
                "kubernetes.default.svc",
                "localhost",
                "127.0.0.1",
                "::1",
                "10.96.0.1",
            ])
            .context("cannot make the API server's certificate")?;
        let admin_token = random_hex()?;
        let files = Files::write(supervisor.directory(), &certificate, &admin_token)?;
        let signing_key = match &options.signing_key {
            Some(key) => key.clone(),
            None => SigningKey::generate()?,
        };
        let mut access = ClusterAccess {
            directory: supervisor.directory().to_owned(),
            api_server: ([127, 0, 0, 1], 0).into(),
            certificate_authority: authority.pem(),
            registry_authority: registry_authority.pem(),
            admin_token,
            audit_log: files.audit_log(),
            binaries,
            pids: Vec::new(),
            registries: None,
            node: None,
        };

        let mut attempt = 1;
        let (api_server, etcd, ports) = loop {
            let ports = next_ports()?;
            access.api_server.set_port(ports.api_server);
            let binaries = &access.binaries;
            let mut etcd = etcd::start(&binaries.etcd, &supervisor, &ports)?;
            let mut api_server = api_server::start(
                &binaries.kube_apiserver,
                &supervisor,
                &files,
                &ports,
                &signing_key,
                &options,
            )?;
            match await_ready(&mut api_server, &mut etcd, &access).await {
                Ok(()) => break (api_server, etcd, ports),
                Err(error) if attempt < TRIES && ports::is_clash(&error) => attempt += 1,
                Err(error) => return Err(error),
            }
        };

        let registries = options
            .registries
            .then(|| start_registries(&access, &supervisor, &registry_authority))
            .transpose()?;
        access.registries = registries.as_ref().map(|running| running.registries().clone());

        let mut cluster = Self {
            registries,
            api_server,
            others: Vec::new(),
            etcd,
            supervisor,
            files,
            ports,
            signing_key,
            registry_authority,
            options,
            access,
        };
        cluster.record_pids();
        Ok(cluster)
    }

    /// Access for this process or another.
    pub fn access(&self) -> &ClusterAccess {
        &self.access
    }

    /// Adds the node that was started beside it.
    pub(crate) fn set_node(&mut self, node: NodeAccess) {
        self.access.node = Some(node);
    }

    /// Writes the state file and gives the variable that lets other processes find it (`ClusterAccess::shared`).
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn environment(&self) -> Result<(&'static str, PathBuf)> {
        let path = self.supervisor.directory().join("cluster.json");
        self.access.write(&path)?;
        Ok((ClusterAccess::VARIABLE, path))
    }

    /// The running registries, to freeze or kill one; none without `Options::registries`.
    pub fn registries(&mut self) -> Option<&mut RunningRegistries> {
        self.registries.as_mut()
    }

    /// The authority of the registries' certificates: never the API server's.
    pub fn registry_authority(&self) -> &Authority {
        &self.registry_authority
    }

    /// The key that signs service account tokens.
    pub fn signing_key(&self) -> &SigningKey {
        &self.signing_key
    }

    /// Starts further servers that end with this cluster, such as registries.
    pub fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Starts another API server on the same store, as a control plane of several nodes has them, and gives what the
    /// cluster is through it. It ends with the cluster.
    ///
    /// # Errors
    /// If it can't be started or doesn't get ready.
    pub async fn another_api_server(&mut self) -> Result<ClusterAccess> {
        let mut access = self.access.clone();
        access.audit_log = self.files.audit_log().with_extension("another.log");
        for attempt in 1.. {
            let port = ports::one()?;
            access.api_server.set_port(port);
            let options = self
                .options
                .clone()
                .flag("secure-port", port.to_string())
                .flag("audit-log-path", access.audit_log.display().to_string());
            let mut server = self.start_api_server(&options)?;
            match await_ready(&mut server, &mut self.etcd, &access).await {
                Ok(()) => {
                    self.others.push(server);
                    break;
                }
                Err(error) if attempt < TRIES && ports::is_clash(&error) => {}
                Err(error) => return Err(error),
            }
        }
        self.record_pids();
        access.pids.clone_from(&self.access.pids);
        Ok(access)
    }

    /// Kills the API server; `restart` starts it again.
    pub fn kill_api_server(&mut self) {
        self.api_server.kill();
    }

    /// Kills the API server and its store; `restart` starts both again, with what was stored.
    pub fn kill(&mut self) {
        self.kill_api_server();
        self.etcd.kill();
    }

    /// Kills the API server and starts it again, same address, same store. Where its store was killed, that one too.
    ///
    /// # Errors
    /// If it can't be started or doesn't get ready.
    pub async fn restart(&mut self) -> Result<()> {
        self.restart_with(self.options.clone()).await
    }

    /// Kills the API server and starts it again with other options; without a signing key among them, the key stays.
    ///
    /// # Errors
    /// If it can't be started or doesn't get ready.
    pub async fn restart_with(&mut self, options: Options) -> Result<()> {
        self.api_server.kill();
        if let Some(key) = &options.signing_key {
            self.signing_key = key.clone();
        }
        self.options = options;
        if self.etcd.ensure_running().is_err() {
            self.etcd = etcd::start_again(&self.access.binaries.etcd, &self.supervisor, &self.ports)?;
        }
        self.api_server = self.start_api_server(&self.options)?;
        await_ready(&mut self.api_server, &mut self.etcd, &self.access).await?;
        self.record_pids();
        Ok(())
    }

    /// Stops the API server from doing anything, connections included, until `thaw`.
    ///
    /// # Errors
    /// If it is gone.
    pub fn freeze(&self) -> Result<()> {
        self.api_server.freeze()
    }

    /// Ends `freeze`.
    ///
    /// # Errors
    /// If it is gone.
    pub fn thaw(&self) -> Result<()> {
        self.api_server.thaw()
    }

    /// The end of the API server's log, for messages.
    pub fn api_server_log(&self) -> String {
        self.api_server.log_tail()
    }

    fn start_api_server(&self, options: &Options) -> Result<ServerProcess> {
        api_server::start(
            &self.access.binaries.kube_apiserver,
            &self.supervisor,
            &self.files,
            &self.ports,
            &self.signing_key,
            options,
        )
    }

    fn record_pids(&mut self) {
        self.access.pids = [self.api_server.pid(), self.etcd.pid()]
            .into_iter()
            .chain(self.others.iter().map(ServerProcess::pid))
            .chain(self.supervisor.pids())
            .chain(self.registries.iter().flat_map(RunningRegistries::pids))
            .collect();
    }
}

/// Waits until the API server is ready; fails early where it or etcd ends.
async fn await_ready(
    api_server: &mut ServerProcess,
    etcd: &mut ServerProcess,
    access: &ClusterAccess,
) -> Result<()> {
    let client = access.impatient_client().await?;
    let probe = || async {
        let request = http_get("/readyz");
        matches!(
            tokio::time::timeout(Duration::from_secs(5), client.request_text(request)).await,
            Ok(Ok(answer)) if answer == "ok"
        )
    };
    tokio::select! {
        ready = api_server.await_ready(PATIENCE, probe) => ready,
        ended = etcd.ended() => Err(ended),
    }
}

/// Starts the registries beside a control plane that is ready.
fn start_registries(
    access: &ClusterAccess,
    supervisor: &Supervisor,
    authority: &Authority,
) -> Result<RunningRegistries> {
    RunningRegistries::start(Setup {
        supervisor,
        distribution: &access.binaries.registry,
        directory: &access.directory.join("registries"),
        authority,
        api_server: &ApiServer {
            url: format!("https://{}", access.api_server),
            ca: access.certificate_authority.clone(),
            registry_token: Some(access.admin_token.clone()),
        },
    })
    .context("cannot start the registries")
}

fn http_get(path: &str) -> http::Request<Vec<u8>> {
    let mut request = http::Request::new(Vec::new());
    *request.uri_mut() = path.parse().unwrap_or_default();
    request
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, net::TcpListener};

    use super::*;

    #[tokio::test]
    async fn ports_in_use_are_replaced_by_others() -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let taken = listener.local_addr()?.port();
        let tries = Cell::new(0);
        let ports = || {
            tries.set(tries.get() + 1);
            let free = Ports::free()?;
            Ok(match tries.get() {
                1 => Ports {
                    etcd_client: taken,
                    ..free
                },
                2 => Ports {
                    api_server: taken,
                    ..free
                },
                _ => free,
            })
        };

        let cluster = Cluster::start_on(ports, Options::new()).await?;

        assert_eq!(tries.get(), 3);
        assert_ne!(cluster.access().api_server.port(), taken);
        cluster.access().client().await?.apiserver_version().await?;
        Ok(())
    }
}
