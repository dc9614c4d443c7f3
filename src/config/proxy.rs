//! Proxies for registries: `HTTPS_PROXY` or `ALL_PROXY`, and the hosts that `NO_PROXY` excludes.

use std::collections::BTreeMap;
use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use core::net::Ipv6Addr;
use secrecy::{ExposeSecret, SecretString};

use super::no_proxy::NoProxy;
use super::problem::{Problem, may_be_credential};
use crate::image::RegistryHost;

/// Proxies for registries, unparsed. Their URLs may contain a password.
#[derive(Clone, Debug, Default)]
pub struct Proxy {
    /// `HTTPS_PROXY` or `https_proxy`.
    pub https: Option<ProxyVariable>,
    /// `ALL_PROXY` or `all_proxy`.
    pub all: Option<ProxyVariable>,
    /// `NO_PROXY` or `no_proxy`.
    pub no: Option<String>,
}

/// Value of a proxy variable.
#[derive(Clone, Debug)]
pub struct ProxyVariable {
    /// Name of the variable, as it is set.
    pub name: &'static str,
    /// Its value.
    pub value: SecretString,
}

/// Way to a host.
#[derive(Clone, Debug)]
pub enum Route {
    /// Without a proxy.
    Direct,
    /// Through a proxy, by CONNECT.
    Through(HttpProxy),
    /// Nowhere: the proxy for this host can't be used.
    Unusable(UnusableProxy),
}

/// A proxy that is set and can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnusableProxy {
    /// Name of the variable.
    pub variable: &'static str,
    /// What is wrong with its value.
    pub error: ProxyError,
}

/// Proxy that takes CONNECT requests over plain TCP.
#[derive(Clone, Debug)]
pub struct HttpProxy {
    variable: &'static str,
    host: String,
    port: u16,
    /// Value of `Proxy-Authorization`.
    pub authorization: Option<SecretString>,
}

/// Error of a proxy URL. Messages never contain it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Another scheme: CONNECT and the proxy's password are sent in plain text.
    #[error("must be an http:// proxy; registries are reached through it with CONNECT")]
    Scheme,
    /// White space, a line end or another control character.
    #[error("has white space or a line end; write http://[user:password@]host[:port]")]
    WhiteSpace,
    /// A character in user name or password that must be percent-encoded.
    #[error("has a user name or password with a character that must be percent-encoded, such as %40 for @")]
    UserInfo,
    /// A path, query or fragment.
    #[error("has more than a host and a port; write http://[user:password@]host[:port]")]
    Path,
    /// No host, or not one of a URL.
    #[error("has no valid host; write http://[user:password@]host[:port], an IPv6 address in brackets")]
    Host,
    /// The port isn't a number from 1 to 65535.
    #[error("has no valid port; write a number from 1 to 65535")]
    Port,
}

impl Proxy {
    /// Way to the host of an https URL, where an IPv6 address has brackets. `HTTPS_PROXY` takes precedence, as in curl.
    pub fn route(&self, host: &str, port: u16) -> Route {
        let Some(variable) = self.https.as_ref().or(self.all.as_ref()) else {
            return Route::Direct;
        };
        if NoProxy::parse(self.no.as_deref().unwrap_or_default()).excludes(host, port) {
            return Route::Direct;
        }
        match HttpProxy::parse(variable) {
            Ok(proxy) => Route::Through(proxy),
            Err(error) => Route::Unusable(UnusableProxy {
                variable: variable.name,
                error,
            }),
        }
    }
}

impl HttpProxy {
    /// Port of `http`, as in Go.
    const DEFAULT_PORT: u16 = 80;

    fn parse(variable: &ProxyVariable) -> Result<Self, ProxyError> {
        let text = variable.value.expose_secret();
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(ProxyError::WhiteSpace);
        }
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(ProxyError::Scheme),
            None => text,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let (user_info, address) = match authority.rsplit_once('@') {
            Some((user_info, address)) => (Some(user_info), address),
            None => (None, authority),
        };
        let authorization = user_info
            .filter(|user_info| !user_info.is_empty())
            .map(|user_info| authorization(user_info).ok_or(ProxyError::UserInfo))
            .transpose()?;
        if !matches!(path, "" | "/") {
            return Err(ProxyError::Path);
        }
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (address, None),
        };
        if !is_host(host) {
            return Err(ProxyError::Host);
        }
        let port = match port {
            None => Self::DEFAULT_PORT,
            Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => port
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or(ProxyError::Port)?,
            Some(_) => return Err(ProxyError::Port),
        };
        Ok(Self {
            variable: variable.name,
            host: host.to_owned(),
            port,
            authorization,
        })
    }

    /// `host:port`, an IPv6 address in brackets.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// Name for messages: the address, and the variable that has it.
impl fmt::Display for HttpProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address();
        if may_be_credential(&address) {
            write!(f, "the proxy in {}", self.variable)
        } else {
            write!(f, "the proxy {address} ({})", self.variable)
        }
    }
}

/// Name for messages; the value may hold a password.
impl fmt::Display for UnusableProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the proxy in {} can't be used: it {}",
            self.variable, self.error
        )
    }
}

/// Proxies of the environment. Upper case takes precedence, as in curl.
pub(super) fn proxy(platform: &BTreeMap<String, String>) -> Proxy {
    let first = |names: [&'static str; 2]| {
        let mut names = names.into_iter();
        names.find_map(|name| Some((name, platform.get(name)?)))
    };
    let variable = |names| {
        first(names).map(|(name, value)| ProxyVariable {
            name,
            value: value.as_str().into(),
        })
    };
    Proxy {
        https: variable(["HTTPS_PROXY", "https_proxy"]),
        all: variable(["ALL_PROXY", "all_proxy"]),
        no: first(["NO_PROXY", "no_proxy"]).map(|(_, value)| value.clone()),
    }
}

/// Rejects a proxy that a registry would be reached through and that can't be used: a direct connection instead would
/// bypass it.
pub(super) fn check_proxy(proxy: &Proxy, registries: &[RegistryHost], problems: &mut Vec<Problem>) {
    let unusable = registries.iter().find_map(|registry| {
        let dial = registry.dial();
        match proxy.route(dial.host(), dial.port()) {
            Route::Unusable(unusable) => Some(unusable),
            Route::Direct | Route::Through(_) => None,
        }
    });
    if let Some(UnusableProxy { variable, error }) = unusable {
        let example = Some("http://proxy.example.com:3128");
        problems.push(Problem::for_name(variable, None, error.to_string(), example));
    }
}

/// `Basic` credentials of the user part of a URL; `None` if it isn't valid (Go `net/url`, `validUserinfo`).
fn authorization(user_info: &str) -> Option<SecretString> {
    let is_valid = |b: &u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(b);
    if !user_info.as_bytes().iter().all(is_valid) {
        return None;
    }
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let mut pair = percent_decoded(user)?;
    pair.push(b':');
    pair.extend(percent_decoded(password)?);
    Some(format!("Basic {}", STANDARD.encode(pair)).into())
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        // from_str_radix takes a sign.
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        decoded.push(u8::from_str_radix(digits, 16).ok()?);
        decoded.extend_from_slice(rest.as_bytes());
    }
    Some(decoded)
}

/// A DNS name (underscores are usual among containers), an IPv4 address, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(value: &str) -> ProxyVariable {
        ProxyVariable {
            name: "HTTPS_PROXY",
            value: value.into(),
        }
    }

    fn parse(value: &str) -> Result<(String, Option<String>), ProxyError> {
        HttpProxy::parse(&variable(value)).map(|proxy| {
            let authorization = proxy.authorization.as_ref();
            let authorization = authorization.map(|value| value.expose_secret().to_owned());
            (proxy.address(), authorization)
        })
    }

    #[test]
    fn proxy_has_a_host_a_port_and_a_login() {
        for (value, address, login) in [
            ("http://proxy:3128", "proxy:3128", None),
            ("HTTP://proxy:3128/", "proxy:3128", None),
            ("proxy:3128", "proxy:3128", None),
            ("http://proxy", "proxy:80", None),
            ("http://my_proxy.:1", "my_proxy.:1", None),
            ("http://127.0.0.1:65535", "127.0.0.1:65535", None),
            ("http://[::1]:3128", "[::1]:3128", None),
            ("http://[fd00::1]", "[fd00::1]:80", None),
            ("http://@proxy", "proxy:80", None),
            ("http://u:p@proxy:1", "proxy:1", Some("u:p")),
            ("http://u@proxy:1", "proxy:1", Some("u:")),
            // As Go sends it.
            ("http://:pw@proxy", "proxy:80", Some(":pw")),
            ("http://:@proxy", "proxy:80", Some(":")),
            ("u:p@proxy:1", "proxy:1", Some("u:p")),
            ("http://u:p:q@proxy", "proxy:80", Some("u:p:q")),
            ("http://u%40x:p%3Aq%25@proxy", "proxy:80", Some("u@x:p:q%")),
            ("http://u@x:p@proxy", "proxy:80", Some("u@x:p")),
        ] {
            let login = login.map(|login| format!("Basic {}", STANDARD.encode(login)));
            assert_eq!(parse(value), Ok((address.to_owned(), login)), "{value}");
        }
    }

    #[test]
    fn r9_proxy_that_cannot_be_parsed_has_its_cause() {
        for (value, error) in [
            ("http://127.0.0.1:3128 ", ProxyError::WhiteSpace),
            (" http://proxy", ProxyError::WhiteSpace),
            ("http://proxy:3128\n", ProxyError::WhiteSpace),
            (" ", ProxyError::WhiteSpace),
            ("http://pro xy", ProxyError::WhiteSpace),
            ("https://proxy:3128", ProxyError::Scheme),
            ("socks5://proxy:1080", ProxyError::Scheme),
            ("socks5h://u:p@proxy:1080", ProxyError::Scheme),
            ("htp://proxy", ProxyError::Scheme),
            ("://proxy", ProxyError::Scheme),
            ("http://user:p^ss@proxy:3128", ProxyError::UserInfo),
            ("http://user:p%zz@proxy:3128", ProxyError::UserInfo),
            ("http://user:p%+1@proxy:3128", ProxyError::UserInfo),
            ("http://user:p%4@proxy:3128", ProxyError::UserInfo),
            ("http://us\"er:p@proxy:3128", ProxyError::UserInfo),
            ("http://pr\u{f6}xy:p\u{e4}ss@proxy", ProxyError::UserInfo),
            ("http:/x", ProxyError::Path),
            ("http://proxy:3128/path", ProxyError::Path),
            ("http://proxy?x", ProxyError::Path),
            ("http://proxy#x", ProxyError::Path),
            // The password's slash ends the authority.
            ("http://user:p/ss@proxy:3128", ProxyError::Path),
            ("http://", ProxyError::Host),
            ("http://:3128", ProxyError::Host),
            ("http://user:pass@", ProxyError::Host),
            ("http://[::1", ProxyError::Host),
            ("http://[::1]x", ProxyError::Host),
            ("http://::1:3128", ProxyError::Host),
            ("http://[1.2.3.4]:1", ProxyError::Host),
            ("http://pr\u{f6}xy", ProxyError::Host),
            ("http://proxy,other", ProxyError::Host),
            ("http://proxy:", ProxyError::Port),
            ("http://proxy:0", ProxyError::Port),
            ("http://proxy:65536", ProxyError::Port),
            ("http://proxy:+1", ProxyError::Port),
            ("http://proxy:http", ProxyError::Port),
        ] {
            assert_eq!(parse(value), Err(error), "{value:?}");
        }
    }

    #[test]
    fn proxy_is_named_without_its_login() {
        let proxy = |value| HttpProxy::parse(&variable(value)).map(|proxy| proxy.to_string());
        assert_eq!(
            proxy("http://u:secret@proxy.test:3128").as_deref(),
            Ok("the proxy proxy.test:3128 (HTTPS_PROXY)")
        );
        assert_eq!(
            proxy("http://AbCdEfGh1234567890:80").as_deref(),
            Ok("the proxy in HTTPS_PROXY")
        );
    }

    #[test]
    fn r8_proxy_is_used_only_for_hosts_that_no_proxy_lets_through() {
        let proxy = |https: Option<&str>, all: Option<&str>, no: &str| Proxy {
            https: https.map(variable),
            all: all.map(|value| ProxyVariable {
                name: "all_proxy",
                value: value.into(),
            }),
            no: Some(no.to_owned()),
        };
        let direct = |proxy: Proxy| matches!(proxy.route("registry.test", 5000), Route::Direct);
        assert!(direct(Proxy::default()));
        assert!(direct(proxy(Some("socks5://x"), None, ".test")));
        assert!(direct(proxy(None, Some("https://x"), "registry.test:5000")));
        let unusable = |proxy: Proxy| match proxy.route("registry.test", 5000) {
            Route::Unusable(unusable) => Some(unusable.variable),
            Route::Direct | Route::Through(_) => None,
        };
        assert_eq!(
            unusable(proxy(None, Some("socks5://x"), ".svc")),
            Some("all_proxy")
        );
        assert_eq!(
            unusable(proxy(Some("https://x"), Some("http://y"), "")),
            Some("HTTPS_PROXY")
        );
        // The other one is never used.
        let used = proxy(Some("http://x"), Some("socks5://y"), "").route("registry.test", 5000);
        assert!(matches!(used, Route::Through(proxy) if proxy.address() == "x:80"));
    }
}
