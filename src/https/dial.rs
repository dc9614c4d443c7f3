//! How a connection is made: another address for a host (`PULL_SECRET_CONNECT_TO`), or through a proxy by CONNECT.
//!
//! TLS is laid over what comes out of here and knows only the host of the URL: names and certificates stay those of
//! the host, whatever was dialled.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::Uri;
use hyper_util::{
    client::{
        legacy::connect::{HttpConnector, proxy::Tunnel},
        proxy::matcher::Matcher,
    },
    rt::TokioIo,
};
use tokio::net::TcpStream;
use tower::{BoxError, Service};

/// `host:port` that is dialled elsewhere, both as they stand in a URL's authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectTo {
    /// The host and port of the URL.
    pub from: (String, u16),
    /// What is dialled instead; an IPv6 address is in brackets.
    pub to: (String, u16),
}

/// `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` as given; empty where unset.
#[derive(Clone, Default)]
pub struct ProxySettings {
    /// For https.
    pub https: String,
    /// For every scheme.
    pub all: String,
    /// Hosts that are dialled directly.
    pub no: String,
}

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
        Self { tcp, connect_to: Arc::from([]), proxy: None }
    }

    /// Dials other addresses for some hosts, and through a proxy where one is set for https.
    pub fn indirect(connect_to: Vec<ConnectTo>, proxy: &ProxySettings) -> Self {
        let matcher = Matcher::builder()
            .https(proxy.https.as_str())
            .all(proxy.all.as_str())
            .no(proxy.no.as_str())
            .build();
        Self { connect_to: connect_to.into(), proxy: Some(Arc::new(matcher)), ..Self::direct() }
    }

    fn elsewhere(&self, url: &Uri) -> Result<Uri, http::Error> {
        let port = url.port_u16().unwrap_or(443);
        let other = self.connect_to.iter().find(|rule| {
            url.host().is_some_and(|host| host.eq_ignore_ascii_case(&rule.from.0)) && port == rule.from.1
        });
        match other {
            None => Ok(url.clone()),
            Some(rule) => Uri::builder()
                .scheme("https")
                .authority(format!("{}:{}", rule.to.0, rule.to.1))
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
        .authority(format!("{}:{}", url.host().unwrap_or_default(), url.port_u16().unwrap_or(443)))
        .path_and_query("/")
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(from: (&str, u16), to: (&str, u16)) -> ConnectTo {
        ConnectTo { from: (from.0.to_owned(), from.1), to: (to.0.to_owned(), to.1) }
    }

    #[test]
    fn a_host_is_exchanged_by_name_and_port_and_the_default_port_counts() {
        let dialer = Dialer::indirect(
            vec![rule(("registry.test", 5000), ("127.0.0.1", 1)), rule(("quay.io", 443), ("[::1]", 2))],
            &ProxySettings::default(),
        );
        let dialled = |url: &'static str| dialer.elsewhere(&Uri::from_static(url)).map(|uri| uri.to_string());
        assert_eq!(dialled("https://registry.test:5000/v2/").ok().as_deref(), Some("https://127.0.0.1:1/"));
        assert_eq!(dialled("https://Quay.io/v2/").ok().as_deref(), Some("https://[::1]:2/"));
        assert_eq!(dialled("https://registry.test/v2/").ok().as_deref(), Some("https://registry.test/v2/"));
    }
}
