//! TCP connections: to another address for a host (`PULL_SECRET_CONNECT_TO`), or through a proxy by CONNECT.
//!
//! TLS uses only the host of the URL: names and certificates are those of the host, whatever was dialled.

use std::{sync::Arc, time::Duration};

use http::Uri;
use hyper_util::{
    client::{
        legacy::connect::{HttpConnector, proxy::Tunnel},
        proxy::matcher::Matcher,
    },
    rt::TokioIo,
};
use secrecy::ExposeSecret;
use tokio::net::TcpStream;
use tower::{BoxError, Service};

use crate::{
    config::Proxy,
    image::{HTTPS_PORT, HostPort},
};

/// Host and port of a URL, and those to dial instead.
pub type ConnectTo = (HostPort, HostPort);

/// Time limit of connecting to all addresses of a name; less than one attempt.
const CONNECT: Duration = Duration::from_secs(10);

/// Makes TCP connections.
#[derive(Clone)]
pub struct Dialer {
    tcp: HttpConnector,
    connect_to: Arc<[ConnectTo]>,
    proxy: Option<Arc<Matcher>>,
}

impl Dialer {
    /// Dialer of the URL's host, without a proxy.
    pub fn new() -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // Divided among the addresses of a name, so that an unreachable one leaves time for the others.
        tcp.set_connect_timeout(Some(CONNECT));
        Self {
            tcp,
            connect_to: Arc::from([]),
            proxy: None,
        }
    }

    /// Dialer of other addresses for some hosts, through a proxy where one is set for https.
    pub fn with_proxy(connect_to: Vec<ConnectTo>, proxy: &Proxy) -> Self {
        let matcher = Matcher::builder()
            .https(proxy.https.as_ref().map_or("", ExposeSecret::expose_secret))
            .all(proxy.all.as_ref().map_or("", ExposeSecret::expose_secret))
            .no(proxy.no.as_deref().unwrap_or_default())
            .build();
        Self {
            connect_to: connect_to.into(),
            proxy: Some(Arc::new(matcher)),
            ..Self::new()
        }
    }

    /// Connects to the host of `url`, or to what replaces it.
    pub(super) async fn connect(mut self, url: Uri) -> Result<TokioIo<TcpStream>, BoxError> {
        let target = self.override_target(&url)?;
        // NO_PROXY names hosts of URLs, so it is applied to the host before PULL_SECRET_CONNECT_TO.
        let Some(proxy) = self.proxy.and_then(|proxy| proxy.intercept(&url)) else {
            return self.tcp.call(target).await.map_err(Into::into);
        };
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.tcp);
        if let Some(authorization) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        tunnel.call(with_port(&target)?).await.map_err(Into::into)
    }

    fn override_target(&self, url: &Uri) -> Result<Uri, http::Error> {
        let port = url.port_u16().unwrap_or(HTTPS_PORT);
        let is_from = |from: &HostPort| url.host().is_some_and(|host| from.is(host, port));
        match self.connect_to.iter().find(|(from, _)| is_from(from)) {
            None => Ok(url.clone()),
            Some((_, to)) => Uri::builder()
                .scheme("https")
                .authority(to.to_string())
                .path_and_query("/")
                .build(),
        }
    }
}

/// The URL with its port written out: CONNECT needs one.
fn with_port(url: &Uri) -> Result<Uri, http::Error> {
    Uri::builder()
        .scheme("https")
        .authority(format!(
            "{}:{}",
            url.host().unwrap_or_default(),
            url.port_u16().unwrap_or(HTTPS_PORT)
        ))
        .path_and_query("/")
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(from: &str, to: &str) -> ConnectTo {
        (
            HostPort::parse(from).expect("a host"),
            HostPort::parse(to).expect("an address"),
        )
    }

    #[test]
    fn connect_to_matches_a_host_by_name_and_port() {
        let dialer = Dialer::with_proxy(
            vec![
                rule("registry.test:5000", "127.0.0.1:1"),
                rule("quay.io", "[::1]:2"),
            ],
            &Proxy::default(),
        );
        let dialled = |url: &'static str| {
            dialer
                .override_target(&Uri::from_static(url))
                .map(|uri| uri.to_string())
        };
        assert_eq!(
            dialled("https://registry.test:5000/v2/").ok().as_deref(),
            Some("https://127.0.0.1:1/")
        );
        assert_eq!(
            dialled("https://Quay.io/v2/").ok().as_deref(),
            Some("https://[::1]:2/")
        );
        assert_eq!(
            dialled("https://registry.test/v2/").ok().as_deref(),
            Some("https://registry.test/v2/")
        );
    }
}
