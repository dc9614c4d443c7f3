//! Registries of the page's lines under their public names, and API servers that fail.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, Result};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use test_cluster::{
    access::ClusterAccess,
    certificates::Authority,
    listener::{Action, ConnectProxy, InterceptingProxy, Reply, ScriptedServer, upstream::Upstream},
    registry::Account,
};

use crate::{interception::json_answer, world::registries};

/// Host of the suite's registry with Basic authentication.
const QUAY: &str = "quay.io";
/// As `QUAY`, with a certificate of another CA.
const UNTRUSTED: &str = "untrusted.example.com";
/// A registry that allows anonymous access, except for the repositories in `private`.
const ANONYMOUS: &str = "registry.example.com";
/// A web site.
const WEB_SITE: &str = "quay.example.com";
/// Gate of a held request.
pub const GATE: &str = "held";

/// Registries of all cases.
pub struct StandIns {
    /// CA that pods and administrators trust.
    pub authority: Authority,
    /// CA that nobody trusts yet.
    pub other_authority: Authority,
    /// Robot account at `QUAY`.
    pub robot: Account,
    /// The administrator's way to the registries.
    pub proxy: ConnectProxy,
    routes: Vec<(String, std::net::SocketAddr)>,
    fronts: [InterceptingProxy; 2],
    _servers: [ScriptedServer; 2],
}

impl StandIns {
    pub fn start() -> Result<Self> {
        let (authority, other_authority) = (Authority::new("registries")?, Authority::new("other")?);
        let basic = &registries().basic;
        let front = |name: &str, authority: &Authority| {
            let upstream = Upstream::named(&basic.host.name, basic.host.address, &registries().ca)?;
            InterceptingProxy::start(upstream, &authority.issue(&[name])?, |_| Action::Forward)
        };
        let fronts = [front(QUAY, &authority)?, front(UNTRUSTED, &other_authority)?];
        let servers = [
            ScriptedServer::start(Some(&authority.issue(&[ANONYMOUS])?), |request| {
                let private = request.target.contains("/private/");
                match request.headers.contains_key(http::header::AUTHORIZATION) {
                    false if private => Reply::challenge("Basic realm=\"registry\""),
                    _ if request.target.contains("/manifests/") => Reply::manifest(),
                    _ => Reply::json(StatusCode::OK, "{}"),
                }
            })?,
            ScriptedServer::start(Some(&authority.issue(&[WEB_SITE])?), |_| {
                Reply::html(StatusCode::OK, "<h1>Welcome</h1>\n")
            })?,
        ];
        let route = |name: &str, address| (format!("{name}:443"), address);
        let routes = vec![
            route(QUAY, fronts[0].address()),
            route(UNTRUSTED, fronts[1].address()),
            route(ANONYMOUS, servers[0].address()),
            route(WEB_SITE, servers[1].address()),
        ];
        Ok(Self {
            proxy: ConnectProxy::start(routes.clone())?,
            authority,
            other_authority,
            robot: basic.account("robot").context("an account")?.clone(),
            routes,
            fronts,
            _servers: servers,
        })
    }

    /// Port of `QUAY` on this machine.
    pub fn quay_port(&self) -> u16 {
        self.fronts[0].address().port()
    }

    /// `PULL_SECRET_CONNECT_TO`; nobody listens at `QUAY` if it is down.
    pub fn connect_to(&self, down: bool) -> String {
        let routes = self.routes.iter().map(|(name, address)| {
            let down = down && name.starts_with(QUAY);
            // Port 1 of this machine has no listener.
            format!(
                "{name}={}",
                if down {
                    "127.0.0.1:1".to_owned()
                } else {
                    address.to_string()
                }
            )
        });
        let routes: Vec<_> = routes.chain([registries().connect_to()]).collect();
        routes.join(",")
    }
}

/// API server of a run.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ApiServer {
    /// The real one.
    #[default]
    Real,
    /// Nobody listens.
    Down,
    /// It does not answer until the run is stopped.
    Held,
    /// Each write is a conflict.
    Conflicts,
}

impl ApiServer {
    /// Starts it, and writes its CA into `ca`. None if no server is to be started.
    pub fn start(self, ca: &Path) -> Result<Option<Arc<InterceptingProxy>>> {
        if matches!(self, Self::Real | Self::Down) {
            return Ok(None);
        }
        let access = ClusterAccess::shared();
        let authority = Authority::new("kubernetes")?;
        std::fs::write(ca, authority.pem())?;
        let url = format!("https://{}", access.api_server);
        let upstream = Upstream::new(&url, Some(&access.certificate_authority), true)?;
        let conflict = json!({"kind": "Status", "apiVersion": "v1", "reason": "Conflict", "code": 409});
        let proxy = InterceptingProxy::start(upstream, &authority.issue(&["127.0.0.1"])?, move |request| {
            match self {
                Self::Held => return Action::Hold(GATE.to_owned()),
                Self::Conflicts if request.method == "PATCH" => {
                    return json_answer(StatusCode::CONFLICT, &conflict);
                }
                _ => {}
            }
            Action::Forward
        })?;
        Ok(Some(Arc::new(proxy)))
    }
}
