//! Proxies for faults that a real server can't be made to show.

use std::{fs, sync::Arc, time::Duration};

use anyhow::{Error, Result};
use http::{HeaderValue, Response, StatusCode, header};
use hyper::body::Bytes;
use serde_json::Value;
use test_cluster::{
    access::ClusterAccess,
    certificates::Authority,
    listener::{
        Action, InterceptingProxy, ReceivedRequest, Reply, RequestParts, ScriptedServer, upstream::Upstream,
    },
    program::Program,
    registry::OPENSHIFT,
};

use crate::world::{SECRET, World, registries};

/// Time limit for the program to reach the call that a test waits for.
const LIMIT: Duration = Duration::from_secs(60);

/// A proxy in front of the API server, trusted by the runner's pod as the API server is.
pub fn before_api_server(
    world: &World,
    hook: impl Fn(&RequestParts) -> Action + Send + Sync + 'static,
) -> Result<Arc<InterceptingProxy>> {
    let access = ClusterAccess::shared();
    let authority = Authority::new("kubernetes")?;
    let certificate = authority.issue(&["127.0.0.1"])?;
    fs::write(world.runner.file("ca.crt"), authority.pem())?;
    let url = format!("https://{}", access.api_server);
    let upstream = Upstream::new(&url, Some(&access.certificate_authority), true)?;
    Ok(Arc::new(InterceptingProxy::start(upstream, &certificate, hook)?))
}

/// The program, for which `proxy` is the API server.
pub fn through(world: &World, proxy: &InterceptingProxy) -> Program {
    to(&world.program(), proxy)
}

/// This program, for which `proxy` is the API server.
pub fn to(program: &Program, proxy: &InterceptingProxy) -> Program {
    let address = proxy.address();
    program
        .clone()
        .env("KUBERNETES_SERVICE_HOST", address.ip().to_string())
        .env("KUBERNETES_SERVICE_PORT", address.port().to_string())
}

/// A proxy in front of OpenShift's registry, trusted by the runner's pod as the registry is. `PULL_SECRET_CONNECT_TO`
/// leads to it by `to_openshift`.
pub fn before_openshift(
    world: &World,
    hook: impl Fn(&RequestParts) -> Action + Send + Sync + 'static,
) -> Result<Arc<InterceptingProxy>> {
    let authority = Authority::new("registries")?;
    let certificate = authority.issue(&[host_of(OPENSHIFT)])?;
    fs::write(world.runner.file("service-ca.crt"), authority.pem())?;
    let upstream = Upstream::named(OPENSHIFT, registries().openshift.host.address, &registries().ca)?;
    Ok(Arc::new(InterceptingProxy::start(upstream, &certificate, hook)?))
}

/// The value of `PULL_SECRET_CONNECT_TO` by which OpenShift's registry is at `address`.
pub fn to_openshift(address: std::net::SocketAddr) -> String {
    format!("{OPENSHIFT}={address}")
}

/// This answer in place of the server's.
pub fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Action {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    Action::Answer(response)
}

/// This JSON in place of the server's answer.
pub fn json_answer(status: StatusCode, body: &Value) -> Action {
    answer(status, "application/json", body.to_string())
}

/// Servers of one authority, which the runner's pod trusts for registries.
pub struct Scripted {
    authority: Authority,
}

impl Scripted {
    /// Makes the authority, and the pod trust it and no other that was mounted for registries.
    pub fn trusted_by(world: &World) -> Result<Self> {
        let authority = Authority::new("registries")?;
        fs::write(world.runner.file("service-ca.crt"), authority.pem())?;
        Ok(Self { authority })
    }

    /// The authority's certificate, PEM.
    pub fn ca(&self) -> String {
        self.authority.pem()
    }

    /// A server for the host of `name` (`host:port`).
    pub fn server(
        &self,
        name: &str,
        reply: impl Fn(&ReceivedRequest) -> Reply + Send + Sync + 'static,
    ) -> Result<ScriptedServer> {
        ScriptedServer::start(Some(&self.authority.issue(&[host_of(name)])?), reply)
    }

    /// A server for the host of `name` that passes everything on to the registry `to` (`host:port`, its address).
    pub fn front(&self, name: &str, to: (&str, std::net::SocketAddr)) -> Result<InterceptingProxy> {
        let upstream = Upstream::named(to.0, to.1, &registries().ca)?;
        let certificate = self.authority.issue(&[host_of(name)])?;
        InterceptingProxy::start(upstream, &certificate, |_| Action::Forward)
    }
}

/// Waits until `count` requests are held at the proxy's gate.
pub async fn held(proxy: &Arc<InterceptingProxy>, gate: &'static str, count: usize) -> Result<()> {
    let proxy = Arc::clone(proxy);
    tokio::task::spawn_blocking(move || proxy.wait_until_held(gate, count, LIMIT))
        .await?
        .map_err(Error::msg)
}

/// True for a GET of the Secret.
pub fn is_secret_get(request: &RequestParts) -> bool {
    request.method == "GET" && request.path.ends_with(&format!("/secrets/{SECRET}"))
}

/// True for the apply of a placeholder.
pub fn is_placeholder(request: &RequestParts) -> bool {
    is_apply_by(request, "ensure-pull-secret-placeholder")
}

/// True for the apply of the credential.
pub fn is_write(request: &RequestParts) -> bool {
    is_apply_by(request, "ensure-pull-secret")
}

fn is_apply_by(request: &RequestParts, manager: &str) -> bool {
    let parameter = format!("fieldManager={manager}");
    request.method == "PATCH" && request.query.split('&').any(|part| part == parameter)
}

fn host_of(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(host, _)| host)
}
