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

    /// `failure` of an exchange with `url`, with the name of the proxy that it went through.
    ///
    /// An answer that is too long, or not one of HTTP, came over TLS from the host itself.
    pub(super) fn with_proxy(&self, url: &Uri, failure: Failure) -> Failure {
        if matches!(failure, Failure::Proxy(_) | Failure::NotHttp | Failure::TooLong) {
            return failure;
        }
        match self.route(url) {
            Route::Through(proxy) => Failure::Proxy(ProxyFailure {
                proxy: proxy.to_string(),
                cause: ProxyCause::Through(Box::new(failure)),
            }),
            Route::Direct | Route::Unusable(_) => failure,
        }
    }

    /// NO_PROXY names hosts of URLs, so it is asked before the host is exchanged.
    fn route(&self, url: &Uri) -> Route {
        let port = url.port_u16().unwrap_or(HTTPS_PORT);
        self.proxy.route(url.host().unwrap_or_default(), port)
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
        let route = self.route(&url);
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
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        time::Instant,
    };

    use super::*;
    use crate::{
        config::ProxyVariable,
        transport::{Https, roots},
    };

    /// A proxy that answers CONNECT and what follows.
    #[derive(Clone, Copy)]
    enum Answers {
        /// Nothing, while the connection stays open.
        Nothing,
        /// This, and the end.
        Closes(&'static [u8]),
        /// 200, and this instead of a handshake; the connection stays open.
        Connects(&'static [u8]),
    }

    /// The cause of a request in `time` through such a proxy, with PROXY for its name.
    async fn cause(answers: Answers, time: Duration) -> (Failure, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let proxy = tokio::spawn(async move {
            let mut open = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.expect("a client");
                let mut head = [0; 1024];
                let answer = match answers {
                    Answers::Nothing => &b""[..],
                    Answers::Closes(answer) => answer,
                    Answers::Connects(_) => b"HTTP/1.1 200 OK\r\n\r\n",
                };
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(answer).await;
                if let Answers::Connects(more) = answers {
                    let _ = stream.read(&mut head).await;
                    let _ = stream.write_all(more).await;
                }
                if !matches!(answers, Answers::Closes(_)) {
                    open.push(stream);
                }
            }
        });
        let variable = ProxyVariable {
            name: "HTTPS_PROXY",
            value: format!("http://robot:hunter2@{address}").into(),
        };
        let dialer = Dialer::indirect(
            Vec::new(),
            Proxy {
                https: Some(variable),
                ..Proxy::default()
            },
        );
        let trust = roots::Registries::public().client().expect("the public roots");
        let request = http::Request::get("https://registry.test/v2/");
        let request = request.body(http_body_util::Full::default()).expect("a request");
        let https = Https::new(trust, dialer, 1024);
        let outcome = https.exchange(request, Instant::now() + time).await;
        let failure = outcome.err().expect("it fails");
        proxy.abort();
        let text = failure.text(|_| false);
        assert!(!text.contains("robot") && !text.contains("hunter2"), "{text}");
        let name = format!("the proxy {address} (HTTPS_PROXY)");
        (failure, text.replace(&name, "PROXY"))
    }

    #[tokio::test]
    async fn each_failure_through_a_proxy_names_it() {
        const LONG: Duration = Duration::from_secs(30);
        const SHORT: Duration = Duration::from_millis(200);
        for (answers, time, words, is_transient) in [
            (Answers::Closes(b""), LONG, "PROXY closes the connection", true),
            (
                Answers::Closes(b"\x16\x03\x01 garbage\r\n\r\n"),
                LONG,
                "PROXY does not speak HTTP",
                false,
            ),
            (
                Answers::Closes(b"HTTP/1.1 200 OK\r\n\r\n"),
                LONG,
                "connection reset, through PROXY",
                true,
            ),
            (
                Answers::Closes(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<html"),
                LONG,
                "connection reset, through PROXY",
                true,
            ),
            (
                Answers::Connects(b"<html>Welcome</html>"),
                LONG,
                "it does not speak TLS, through PROXY",
                false,
            ),
            // An alert: handshake_failure, then internal_error.
            (
                Answers::Connects(b"\x15\x03\x03\0\x02\x02\x28"),
                LONG,
                "TLS handshake failed (no common version, cipher suite or key type), through PROXY",
                false,
            ),
            (
                Answers::Connects(b"\x15\x03\x03\0\x02\x02\x50"),
                LONG,
                "TLS failed, through PROXY",
                false,
            ),
            (Answers::Nothing, SHORT, "no answer in time, through PROXY", true),
            (
                Answers::Connects(b""),
                SHORT,
                "no answer in time, through PROXY",
                true,
            ),
        ] {
            let (failure, found) = cause(answers, time).await;
            assert_eq!(found, words);
            assert_eq!(failure.is_transient(), is_transient, "{words}");
        }
    }

    #[tokio::test]
    async fn a_failure_without_a_proxy_names_none() {
        let url = Uri::from_static("https://registry.test:5000/v2/");
        let proxied = |https: &str, no: &str| {
            let https = Some(ProxyVariable {
                name: "HTTPS_PROXY",
                value: https.into(),
            });
            let no = Some(no.to_owned());
            let proxy = Proxy { https, no, all: None };
            Dialer::indirect(Vec::new(), proxy).with_proxy(&url, Failure::Reset)
        };
        assert_eq!(proxied("http://proxy", "registry.test:5000"), Failure::Reset);
        assert_eq!(proxied("socks5://proxy", ""), Failure::Reset);
        assert_eq!(Dialer::direct().with_proxy(&url, Failure::Reset), Failure::Reset);
        assert!(matches!(proxied("http://proxy", ""), Failure::Proxy(_)));
    }

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
