//! How a connection is made: another address for a host (`PULL_SECRET_CONNECT_TO`), or through a proxy by CONNECT.
//!
//! TLS is laid over what comes out of here and knows only the host of the URL: names and certificates stay those of
//! the host, whatever was dialled.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

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

/// The host and port of a URL, and what is dialled instead.
pub type ConnectTo = (HostPort, HostPort);

/// The longest that the addresses of a name may take to accept a connection; less than one attempt.
const CONNECT: Duration = Duration::from_secs(10);

/// Makes TCP connections.
#[derive(Clone)]
pub struct Dialer {
    tcp: HttpConnector,
    connect_to: Arc<[ConnectTo]>,
    proxy: Option<Arc<Matcher>>,
}

impl Dialer {
    /// Dials the host of the URL, and nothing else.
    pub fn direct() -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // Divided among the addresses of a name: one that is dead does not use up the whole attempt.
        tcp.set_connect_timeout(Some(CONNECT));
        Self {
            tcp,
            connect_to: Arc::from([]),
            proxy: None,
        }
    }

    /// Dials other addresses for some hosts, and through a proxy where one is set for https.
    pub fn indirect(connect_to: Vec<ConnectTo>, proxy: &Proxy) -> Self {
        let matcher = Matcher::builder()
            .https(proxy.https.as_ref().map_or("", ExposeSecret::expose_secret))
            .all(proxy.all.as_ref().map_or("", ExposeSecret::expose_secret))
            .no(proxy.no.as_deref().unwrap_or_default())
            .build();
        Self {
            connect_to: connect_to.into(),
            proxy: Some(Arc::new(matcher)),
            ..Self::direct()
        }
    }

    fn elsewhere(&self, url: &Uri) -> Result<Uri, http::Error> {
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

impl Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        // NO_PROXY names hosts of URLs, so it is asked before the host is exchanged.
        let proxy = self.proxy.as_ref().and_then(|proxy| proxy.intercept(&url));
        let target = self.elsewhere(&url);
        let mut tcp = self.tcp.clone();
        Box::pin(async move {
            let target = target?;
            let Some(proxy) = proxy else {
                return tcp.call(target).await.map_err(Into::into);
            };
            let mut tunnel = Tunnel::new(proxy.uri().clone(), tcp);
            if let Some(authorization) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(authorization.clone());
            }
            tunnel.call(with_port(&target)?).await.map_err(Into::into)
        })
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
        let dialer = Dialer::indirect(
            vec![
                rule("registry.test:5000", "127.0.0.1:1"),
                rule("quay.io", "[::1]:2"),
            ],
            &Proxy::default(),
        );
        let dialled = |url: &'static str| {
            dialer
                .elsewhere(&Uri::from_static(url))
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
