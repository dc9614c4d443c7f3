//! Putting the registries up, and taking them down.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};

use super::accounts::{Account, Repositories};
use super::distribution::{Authentication, Distribution};
use super::front::Front;
use super::gateway::{Gateway, REVIEW_LIMIT};
use super::request_log::RequestLog;
use super::token_service::{self, TokenService};
use super::token_signer::TokenSigner;
use super::{ApiServer, Host, OPENSHIFT, Registries, Registry};
use crate::certificates::{Authority, ServerCertificate};
use crate::listener::http_server::HttpServer;
use crate::listener::tls;
use crate::supervisor::Supervisor;

const BASIC: &str = "registry.basic.test:5000";
const OPEN: &str = "registry.open.test:5000";
const TOKEN: &str = "registry.token.test:5000";
const TOKEN_ELSEWHERE: &str = "registry.elsewhere.test:5000";
const REALM_ELSEWHERE: &str = "auth.elsewhere.test:5001";

/// All of them, in the order of `Registries::all`.
pub(super) const HOST_NAMES: [&str; 6] = [OPENSHIFT, BASIC, TOKEN, TOKEN_ELSEWHERE, REALM_ELSEWHERE, OPEN];

/// Configuration of the registries.
#[derive(Clone, Copy)]
pub struct Setup<'a> {
    /// Ends the processes, however their owner ends.
    pub supervisor: &'a Supervisor,
    /// The `registry` binary of CNCF distribution.
    pub distribution: &'a Path,
    /// A directory of this run, for images, configurations and logs.
    pub directory: &'a Path,
    /// Issues the registries' certificates.
    pub authority: &'a Authority,
    /// Decides in OpenShift's registry.
    pub api_server: &'a ApiServer,
}

/// The registries while they run. They end when this is dropped, after a panic too.
#[derive(Debug)]
pub struct RunningRegistries {
    registries: Registries,
    // Fields are dropped in this order: fronts before their servers.
    _gateway: Gateway,
    _fronts: [Front; 4],
    _token_service: HttpServer,
    distributions: [Distribution; 4],
}

impl RunningRegistries {
    /// Starts them all; each is ready when this returns.
    pub fn start(setup: Setup<'_>) -> Result<Self> {
        std::fs::create_dir_all(setup.directory)
            .with_context(|| format!("cannot create {}", setup.directory.display()))?;
        let store = setup.distribution("store", &Authentication::None)?;

        let (path, log) = setup.log("openshift")?;
        let certificate = setup.certificate(OPENSHIFT)?;
        let gateway = Gateway::start(setup.api_server, store.address(), &certificate, log, REVIEW_LIMIT)?;
        let openshift = described(OPENSHIFT, gateway.address(), Vec::new(), path);

        let (open, open_front) = setup.open(store.address())?;
        let (basic, basic_front, basic_distribution) = setup.basic()?;
        let same_host = setup.token_service("token", TOKEN)?;
        let (token, token_front, token_distribution) =
            setup.token("token", TOKEN, TOKEN, &same_host, Some(&same_host))?;
        let other_host = setup.token_service("elsewhere", TOKEN_ELSEWHERE)?;
        let (mut token_elsewhere, elsewhere_front, elsewhere_distribution) =
            setup.token("elsewhere", TOKEN_ELSEWHERE, REALM_ELSEWHERE, &other_host, None)?;
        let certificate = setup.certificate(REALM_ELSEWHERE)?;
        let token_service = HttpServer::start(
            "token service",
            Some(tls::server(&certificate)?),
            other_host.service,
        )?;
        token_elsewhere.realm = Some(Host {
            name: REALM_ELSEWHERE.to_owned(),
            address: token_service.address(),
        });

        Ok(Self {
            registries: Registries {
                openshift,
                basic,
                token,
                token_elsewhere,
                open,
                ca: setup.authority.pem(),
                store: store.address(),
            },
            _gateway: gateway,
            _fronts: [open_front, basic_front, token_front, elsewhere_front],
            _token_service: token_service,
            distributions: [
                store,
                basic_distribution,
                token_distribution,
                elsewhere_distribution,
            ],
        })
    }

    /// Description of the registries.
    pub fn registries(&self) -> &Registries {
        &self.registries
    }

    /// The processes among it, for those who check that none is left.
    pub fn pids(&self) -> Vec<u32> {
        self.distributions.iter().map(Distribution::pid).collect()
    }

    /// The process that holds the images of OpenShift's registry, to freeze or kill it.
    pub fn store(&mut self) -> &mut Distribution {
        let [store, ..] = &mut self.distributions;
        store
    }
}

/// A token service with the configuration that its registry needs.
struct Service {
    service: Arc<TokenService>,
    key_set: PathBuf,
    log_path: PathBuf,
}

impl Setup<'_> {
    fn open(&self, store: SocketAddr) -> Result<(Registry, Front)> {
        let (path, log) = self.log("open")?;
        let front = Front::start(
            "open registry",
            store,
            None,
            &self.certificate(OPEN)?,
            Arc::new(log),
        )?;
        let registry = described(OPEN, front.address(), Vec::new(), path);
        Ok((registry, front))
    }

    fn basic(&self) -> Result<(Registry, Front, Distribution)> {
        // htpasswd has no permissions: every account may do everything.
        let accounts = ["robot", "pusher"]
            .map(|name| Account::new(name, Repositories::All, Repositories::All))
            .into_iter()
            .collect::<Result<Vec<_>>>()?;
        let file = self.directory.join("htpasswd");
        let lines = accounts.iter().map(Account::htpasswd_line);
        std::fs::write(&file, lines.collect::<Result<String>>()?)
            .with_context(|| format!("cannot write {}", file.display()))?;
        let distribution = self.distribution("basic", &Authentication::Htpasswd(file))?;
        let (path, log) = self.log("basic")?;
        let certificate = self.certificate(BASIC)?;
        let front = Front::start(
            "basic registry",
            distribution.address(),
            None,
            &certificate,
            Arc::new(log),
        )?;
        let registry = described(BASIC, front.address(), accounts, path);
        Ok((registry, front, distribution))
    }

    /// A token service for the registry `host`; one log serves both.
    fn token_service(&self, name: &str, host: &str) -> Result<Service> {
        let signer = TokenSigner::new()?;
        let key_set = self.directory.join(format!("{name}.jwks.json"));
        std::fs::write(&key_set, signer.key_set().to_string())
            .with_context(|| format!("cannot write {}", key_set.display()))?;
        let (log_path, log) = self.log(name)?;
        let service = Arc::new(TokenService {
            signer,
            issuer: format!("token service of {host}"),
            service: host.to_owned(),
            accounts: vec![
                Account::new("robot", Repositories::All, Repositories::None)?,
                Account::new("pusher", Repositories::All, Repositories::All)?,
                Account::new(
                    "team-a-robot",
                    Repositories::Namespace("team-a".to_owned()),
                    Repositories::None,
                )?,
                Account::new("nobody", Repositories::None, Repositories::None)?,
            ],
            log: Arc::new(log),
        });
        Ok(Service {
            service,
            key_set,
            log_path,
        })
    }

    /// A registry that sends clients to the token service at `realm_host`, which it answers itself where `own` is it.
    fn token(
        &self,
        name: &str,
        host: &str,
        realm_host: &str,
        tokens: &Service,
        own: Option<&Service>,
    ) -> Result<(Registry, Front, Distribution)> {
        let authentication = Authentication::Token {
            realm: format!("https://{realm_host}{}", token_service::PATH),
            service: tokens.service.service.clone(),
            issuer: tokens.service.issuer.clone(),
            jwks: tokens.key_set.clone(),
        };
        let distribution = self.distribution(name, &authentication)?;
        let front = Front::start(
            &format!("{name} registry"),
            distribution.address(),
            own.map(|own| Arc::clone(&own.service)),
            &self.certificate(host)?,
            Arc::clone(&tokens.service.log),
        )?;
        let accounts = tokens.service.accounts.clone();
        let registry = described(host, front.address(), accounts, tokens.log_path.clone());
        Ok((registry, front, distribution))
    }

    fn distribution(&self, name: &str, authentication: &Authentication) -> Result<Distribution> {
        let images = self.directory.join("images");
        Distribution::start(
            self.supervisor,
            self.distribution,
            &self.directory.join(name),
            &images,
            authentication,
        )
        .with_context(|| format!("cannot start the {name} registry"))
    }

    fn log(&self, name: &str) -> Result<(PathBuf, RequestLog)> {
        let path = self.directory.join(format!("{name}.requests.jsonl"));
        let log = RequestLog::create(&path)?;
        Ok((path, log))
    }

    fn certificate(&self, host: &str) -> Result<ServerCertificate> {
        let dns_name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        self.authority
            .issue(&[dns_name])
            .with_context(|| format!("cannot issue a certificate for {dns_name}"))
    }
}

fn described(name: &str, address: SocketAddr, accounts: Vec<Account>, request_log: PathBuf) -> Registry {
    Registry {
        host: Host {
            name: name.to_owned(),
            address,
        },
        realm: None,
        accounts,
        request_log,
    }
}
