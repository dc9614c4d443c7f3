//! How a connection is made: another address for a host (`PULL_SECRET_CONNECT_TO`), or through a proxy by CONNECT.
//!
//! TLS is laid over what comes out of here and knows only the host of the URL: names and certificates stay those of
//! the host, whatever was dialled.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::{
    client::legacy::connect::{HttpConnector, dns::GaiResolver},
    rt::TokioIo,
};
use secrecy::ExposeSecret;
use tokio::net::TcpStream;
use tower::{BoxError, Service, ServiceExt, util::MapErr};

use super::{
    error::Failure,
    tunnel::{self, ProxyCause, ProxyFailure},
};
use crate::{
    config::{HttpProxy, Proxy, Route},
    image::{HTTPS_PORT, HostPort},
};

/// The host and port of a URL, and what is dialled instead.
pub type ConnectTo = (HostPort, HostPort);

/// The longest that the addresses of a name may take to accept a connection; less than one attempt.
const CONNECT: Duration = Duration::from_secs(10);

/// The system's resolver, whose failures can be told from those to connect.
type Resolver = MapErr<GaiResolver, fn(io::Error) -> Failure>;

/// Makes TCP connections.
#[derive(Clone)]
pub struct Dialer {
    tcp: HttpConnector<Resolver>,
    connect_to: Arc<[ConnectTo]>,
    proxy: Arc<Proxy>,
}

impl Dialer {
    /// Dials the host of the URL, and nothing else.
    pub fn direct() -> Self {
        Self::indirect(Vec::new(), Proxy::default())
    }

    /// Dials other addresses for some hosts, and through a proxy where one is set for https.
    pub fn indirect(connect_to: Vec<ConnectTo>, proxy: Proxy) -> Self {
        let resolver: Resolver = GaiResolver::new().map_err(|_| Failure::Lookup);
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // Divided among the addresses of a name: one that is dead does not use up the whole attempt.
        tcp.set_connect_timeout(Some(CONNECT));
        Self {
            tcp,
            connect_to: connect_to.into(),
            proxy: Arc::new(proxy),
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

    /// A connection to `target` through `proxy`.
    async fn tunnel(mut self, proxy: HttpProxy, target: &Uri) -> Result<TokioIo<TcpStream>, BoxError> {
        let failure = |cause| {
            Failure::Proxy(ProxyFailure {
                proxy: proxy.to_string(),
                cause,
            })
        };
        let url = Uri::builder()
            .scheme("http")
            .authority(proxy.address())
            .path_and_query("/")
            .build()?;
        let stream = self.tcp.call(url).await.map_err(|error| {
            failure(match Failure::of(&error) {
                Failure::Lookup => ProxyCause::Lookup,
                Failure::Refused => ProxyCause::Refused,
                Failure::Reset => ProxyCause::Reset,
                Failure::NoRoute => ProxyCause::NoRoute,
                Failure::TimedOut => ProxyCause::TimedOut,
                _ => ProxyCause::NoConnection,
            })
        })?;
        // CONNECT needs the port.
        let target = format!(
            "{}:{}",
            target.host().unwrap_or_default(),
            target.port_u16().unwrap_or(HTTPS_PORT)
        );
        let authorization = proxy.authorization.as_ref().map(ExposeSecret::expose_secret);
        let stream = tunnel::connect(stream.into_inner(), &target, authorization)
            .await
            .map_err(failure)?;
        Ok(TokioIo::new(stream))
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
        let port = url.port_u16().unwrap_or(HTTPS_PORT);
        let route = self.proxy.route(url.host().unwrap_or_default(), port);
        let target = self.elsewhere(&url);
        let mut dialer = self.clone();
        Box::pin(async move {
            let target = target?;
            match route {
                Route::Direct => dialer.tcp.call(target).await.map_err(Into::into),
                Route::Through(proxy) => dialer.tunnel(proxy, &target).await,
                Route::Unusable(proxy) => Err(Failure::Proxy(ProxyFailure {
                    proxy: proxy.to_string(),
                    cause: ProxyCause::Unusable,
                })
                .into()),
            }
        })
    }
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
            Proxy::default(),
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
