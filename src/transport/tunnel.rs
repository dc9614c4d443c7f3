//! CONNECT: a connection through an HTTP proxy.

use std::{fmt, io};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Duration, timeout},
};

use super::error::Failure;

/// The longest head of a proxy's answer that is read.
const HEAD_LIMIT: usize = 16 << 10;

/// How long a proxy may take to answer CONNECT; less than one attempt, so that it is named.
const ANSWER: Duration = Duration::from_secs(10);

/// Why there is no connection through a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyFailure {
    /// The proxy, as messages name it; without its login.
    pub proxy: String,
    /// The cause.
    pub cause: ProxyCause,
}

/// What a proxy did instead of connecting, or what failed through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyCause {
    /// Its name can't be resolved.
    Lookup,
    /// It refused the connection.
    Refused,
    /// It closed or reset the connection.
    Reset,
    /// There is no route to it.
    NoRoute,
    /// It was not reached, for another cause.
    NoConnection,
    /// It sent no answer in time.
    TimedOut,
    /// It answered CONNECT with another status than 200.
    Status(u16),
    /// It answered CONNECT with 407, and asks for other schemes than Basic.
    NotBasic,
    /// It answered something else than HTTP.
    NotHttp,
    /// Its URL can't be used. The name has the cause.
    Unusable,
    /// It connected, and what it is connected to failed.
    Through(Box<Failure>),
}

impl ProxyCause {
    /// Whether the same request may fare better a moment later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Lookup
            | Self::Refused
            | Self::Reset
            | Self::NoRoute
            | Self::NoConnection
            | Self::TimedOut => true,
            Self::Status(status) => *status == 429 || *status >= 500 && *status != 501,
            Self::Through(failure) => failure.is_transient(),
            Self::NotBasic | Self::NotHttp | Self::Unusable => false,
        }
    }

    /// The cause of an I/O error.
    pub(super) fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Self::Reset,
            _ => Self::NoConnection,
        }
    }
}

impl fmt::Display for ProxyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proxy = &self.proxy;
        match &self.cause {
            ProxyCause::Lookup => write!(f, "the name of {proxy} can't be resolved"),
            ProxyCause::Refused => write!(f, "{proxy} refuses the connection"),
            ProxyCause::Reset => write!(f, "{proxy} closes the connection"),
            ProxyCause::NoRoute => write!(f, "no route to {proxy}"),
            ProxyCause::NoConnection => write!(f, "no connection to {proxy}"),
            ProxyCause::TimedOut => write!(f, "no answer of {proxy} in time"),
            ProxyCause::Status(status) => write!(f, "{proxy} answers CONNECT with {status}"),
            ProxyCause::NotBasic => write!(f, "{proxy} answers CONNECT with 407 and does not accept Basic"),
            ProxyCause::NotHttp => write!(f, "{proxy} does not speak HTTP"),
            ProxyCause::Unusable => f.write_str(proxy),
            ProxyCause::Through(failure) => write!(f, "{failure}, through {proxy}"),
        }
    }
}

/// Asks the proxy at the other end of `stream` to connect it to `target` (`host:port`).
pub(super) async fn connect(
    stream: TcpStream,
    target: &str,
    authorization: Option<&str>,
) -> Result<TcpStream, ProxyCause> {
    timeout(ANSWER, exchange(stream, target, authorization))
        .await
        .unwrap_or(Err(ProxyCause::TimedOut))
}

async fn exchange(
    mut stream: TcpStream,
    target: &str,
    authorization: Option<&str>,
) -> Result<TcpStream, ProxyCause> {
    let login = authorization.map_or_else(String::new, |value| format!("Proxy-Authorization: {value}\r\n"));
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{login}\r\n");
    let failed = |error| ProxyCause::of(&error);
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut head = Vec::new();
    // TLS begins with the client, so that nothing but the head comes back.
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > HEAD_LIMIT {
            return Err(ProxyCause::NotHttp);
        }
        if stream.read_buf(&mut head).await.map_err(failed)? == 0 {
            return Err(ProxyCause::Reset);
        }
    }
    match status(&head) {
        Some(200) => Ok(stream),
        Some(407) if !accepts_basic(&head) => Err(ProxyCause::NotBasic),
        Some(status) => Err(ProxyCause::Status(status)),
        None => Err(ProxyCause::NotHttp),
    }
}

/// The status of `HTTP/1.1 200 Connection established`.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let mut words = line.split(|byte| *byte == b' ');
    words.next().filter(|version| version.starts_with(b"HTTP/1."))?;
    let status = words.next().filter(|status| status.len() == 3)?;
    std::str::from_utf8(status).ok()?.parse().ok()
}

/// Whether a proxy's 407 asks for Basic, or for nothing.
fn accepts_basic(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let mut challenges = head
        .lines()
        .filter_map(|line| line.strip_prefix("proxy-authenticate:"))
        .flat_map(|value| value.split(','))
        .peekable();
    challenges.peek().is_none()
        || challenges.any(|challenge| challenge.split_whitespace().next() == Some("basic"))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// What a proxy that sends `answer` and closes does to a client, and what it got.
    async fn through(answer: &'static [u8], authorization: Option<&str>) -> (Option<ProxyCause>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let proxy = async {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut head).await.expect("a request");
            }
            stream.write_all(answer).await.expect("it takes the answer");
            String::from_utf8(head).expect("text")
        };
        let client = async {
            let stream = TcpStream::connect(address).await.expect("the proxy");
            connect(stream, "registry.test:443", authorization).await.err()
        };
        let (head, failure) = tokio::join!(proxy, client);
        (failure, head)
    }

    #[tokio::test]
    async fn connect_is_sent_with_the_login() {
        let (failure, head) =
            through(b"HTTP/1.1 200 Connection established\r\n\r\n", Some("Basic dTpw")).await;
        assert_eq!(failure, None);
        assert_eq!(
            head,
            "CONNECT registry.test:443 HTTP/1.1\r\nHost: registry.test:443\r\nProxy-Authorization: Basic dTpw\r\n\r\n"
        );
        let (failure, head) = through(b"HTTP/1.0 200 OK\r\nVia: x\r\n\r\n", None).await;
        assert_eq!(failure, None);
        assert!(!head.contains("Authorization"), "{head}");
    }

    #[tokio::test]
    async fn proxy_that_does_not_connect_is_reported_with_its_status() {
        for (answer, cause, is_transient) in [
            (
                &b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"[..],
                ProxyCause::Status(407),
                false,
            ),
            (
                b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n",
                ProxyCause::Status(403),
                false,
            ),
            (
                b"HTTP/1.1 407 x\r\nProxy-Authenticate: NTLM\r\nproxy-authenticate:Basic realm=\"x\"\r\n\r\n",
                ProxyCause::Status(407),
                false,
            ),
            (
                b"HTTP/1.1 407 x\r\nProxy-Authenticate: Negotiate, BASIC\r\n\r\n",
                ProxyCause::Status(407),
                false,
            ),
            (
                b"HTTP/1.1 407 x\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n\r\n",
                ProxyCause::NotBasic,
                false,
            ),
            (
                b"HTTP/1.1 407 x\r\nPROXY-AUTHENTICATE: Digest realm=\"basic\", nonce=\"x\"\r\n\r\n",
                ProxyCause::NotBasic,
                false,
            ),
            (b"HTTP/1.1 204 No Content\r\n\r\n", ProxyCause::Status(204), false),
            (
                b"HTTP/1.1 429 Too Many Requests\r\n\r\n",
                ProxyCause::Status(429),
                true,
            ),
            (
                b"HTTP/1.1 501 Not Implemented\r\n\r\n",
                ProxyCause::Status(501),
                false,
            ),
            (b"HTTP/1.1 503 \r\n\r\n", ProxyCause::Status(503), true),
            (b"HTTP/1.1 2000 OK\r\n\r\n", ProxyCause::NotHttp, false),
            (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", ProxyCause::NotHttp, false),
            (b"HTTP/1.1 200 OK\r\n", ProxyCause::Reset, true),
            (b"", ProxyCause::Reset, true),
        ] {
            let (found, _) = through(answer, None).await;
            let name = String::from_utf8_lossy(answer);
            assert_eq!(cause.is_transient(), is_transient, "{name:?}");
            assert_eq!(found, Some(cause), "{name:?}");
        }
    }

    #[test]
    fn each_failure_of_a_proxy_names_it_and_has_its_own_words() {
        const PROXY: &str = "the proxy proxy.test:3128 (HTTPS_PROXY)";
        for (cause, words) in [
            (ProxyCause::Lookup, "the name of PROXY can't be resolved"),
            (ProxyCause::Refused, "PROXY refuses the connection"),
            (ProxyCause::Reset, "PROXY closes the connection"),
            (ProxyCause::NoRoute, "no route to PROXY"),
            (ProxyCause::NoConnection, "no connection to PROXY"),
            (ProxyCause::TimedOut, "no answer of PROXY in time"),
            (ProxyCause::Status(407), "PROXY answers CONNECT with 407"),
            (
                ProxyCause::NotBasic,
                "PROXY answers CONNECT with 407 and does not accept Basic",
            ),
            (
                ProxyCause::Through(Box::new(Failure::Reset)),
                "connection reset, through PROXY",
            ),
            (ProxyCause::NotHttp, "PROXY does not speak HTTP"),
        ] {
            let proxy = PROXY.to_owned();
            let failure = ProxyFailure { proxy, cause };
            assert_eq!(failure.to_string(), words.replace("PROXY", PROXY));
        }
    }
}
