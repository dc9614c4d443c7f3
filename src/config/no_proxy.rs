//! `NO_PROXY` by the rules of Go's `golang.org/x/net/http/httpproxy`, which every Go client uses.
//!
//! One difference: a name outside ASCII is not converted to Punycode, so it excludes no host.

use core::net::IpAddr;

/// Hosts that are reached without a proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoProxy(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    All,
    Network(Network),
    Address {
        bits: u128,
        port: String,
    },
    Domain {
        suffix: String,
        also_itself: bool,
        port: String,
    },
}

/// Network in CIDR notation. IPv4 addresses are mapped to IPv6 (RFC 4291 section 2.5.5.2), as in Go's `net.IP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    first: u128,
    mask: u128,
}

impl NoProxy {
    /// Parses a comma-separated list. Invalid items have no effect, as in Go.
    pub fn parse(text: &str) -> Self {
        let mut rules = Vec::new();
        for item in text.split(',') {
            let item = item.trim().to_lowercase();
            if item == "*" {
                return Self(vec![Rule::All]);
            }
            rules.extend(Rule::parse(&item));
        }
        Self(rules)
    }

    /// True if the host of an https URL is reached without a proxy. Loopback hosts always are.
    pub fn excludes(&self, host: &str, port: u16) -> bool {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return true;
        }
        let host = host.trim().to_lowercase();
        let port = port.to_string();
        let has_port = |wanted: &str| wanted.is_empty() || wanted == port;
        self.0.iter().any(|rule| match (rule, address.map(bits)) {
            (Rule::All, _) => true,
            (Rule::Network(network), Some(address)) => network.contains(address),
            (Rule::Address { bits, port }, Some(address)) => *bits == address && has_port(port),
            (
                Rule::Domain {
                    suffix,
                    also_itself,
                    port,
                },
                None,
            ) => {
                let is_itself = || *also_itself && suffix.strip_prefix('.') == Some(host.as_str());
                (host.ends_with(suffix.as_str()) || is_itself()) && has_port(port)
            }
            (Rule::Network(_) | Rule::Address { .. }, None) | (Rule::Domain { .. }, Some(_)) => false,
        })
    }
}

impl Rule {
    fn parse(item: &str) -> Option<Self> {
        if let Some(network) = Network::parse(item) {
            return Some(Self::Network(network));
        }
        let (host, port) = split_host_port(item).unwrap_or((item, ""));
        let port = port.to_owned();
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Self::Address {
                bits: bits(address),
                port,
            });
        }
        let host = match host.strip_prefix("*.") {
            Some(rest) => format!(".{rest}"),
            None => host.to_owned(),
        };
        if host.is_empty() {
            return None;
        }
        let also_itself = !host.starts_with('.');
        let suffix = if also_itself { format!(".{host}") } else { host };
        Some(Self::Domain {
            suffix,
            also_itself,
            port,
        })
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        // Leading zeros are accepted, a sign is not.
        let length = prefix
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| prefix.parse::<u32>().ok())??;
        let most: u32 = if address.is_ipv4() { 32 } else { 128 };
        let host_bits = most.checked_sub(length)?;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Some(Self {
            first: bits(address) & mask,
            mask,
        })
    }

    fn contains(self, address: u128) -> bool {
        is_ipv4(address) == is_ipv4(self.first) && address & self.mask == self.first
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// True for a mapped IPv4 address.
fn is_ipv4(bits: u128) -> bool {
    bits >> 32 == 0xffff
}

/// Go's `net.SplitHostPort`; `None` where it returns an error.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let (before, port) = text.rsplit_once(':')?;
    let host = match before.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if before.contains(':') => return None,
        None => before,
    };
    (![host, port].concat().contains(['[', ']'])).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excludes(no_proxy: &str, host: &str, port: u16) -> bool {
        NoProxy::parse(no_proxy).excludes(host, port)
    }

    #[test]
    fn r7_no_proxy_is_read_as_go_reads_it() {
        for (no_proxy, host, is_direct) in [
            ("*.svc", "reg.svc", true),
            ("*.apps.svc", "reg.apps.svc", true),
            ("*.apps.svc", "apps.svc", false),
            ("reg.apps.svc:5000", "reg.apps.svc", true),
            ("reg.apps.svc:5001", "reg.apps.svc", false),
            ("reg.apps.svc:05000", "reg.apps.svc", false),
            ("reg.apps.svc:", "reg.apps.svc", true),
            ("*.svc:5000", "a.svc", true),
            (".svc", "a.svc", true),
            (".svc", "svc", false),
            ("svc", "a.svc", true),
            ("svc", "asvc", false),
            ("svc", "svc", true),
            ("SVC", "a.Svc", true),
            (" a.test ,\tb.test\n", "b.test", true),
            ("a.test b.test", "b.test", false),
            ("*", "a.test", true),
            ("b.test, * ", "a.test", true),
            ("*test", "a.test", false),
            ("a.*", "a.test", false),
            ("https://a.test", "a.test", false),
            ("a.test/", "a.test", false),
            ("", "a.test", false),
            (",, ,", "a.test", false),
            (":5000", "a.test", false),
            (".", "a.test", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/08", "10.1.2.3", true),
            ("10.0.0.0/+8", "10.1.2.3", false),
            ("10.0.0.0/33", "10.1.2.3", false),
            ("10.0.0.0/", "10.1.2.3", false),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10.0.0.0/8", "[::ffff:10.1.2.3]", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("10.9.9.9/8", "10.1.2.3", true),
            ("0.0.0.0/0", "10.1.2.3", true),
            ("0.0.0.0/0", "[fd00::1]", false),
            ("::/0", "[fd00::1]", true),
            ("::/0", "10.1.2.3", false),
            ("fd00::/8", "[fd00::1]", true),
            ("fd00::1", "[fd00::1]", true),
            ("[fd00::1]", "[fd00::1]", false),
            ("[fd00::1]:5000", "[fd00::1]", true),
            ("[fd00::1]:5001", "[fd00::1]", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3:5000", "10.1.2.3", true),
            ("10.1.2.3:443", "10.1.2.3", false),
            ("10.1.2", "10.1.2.3", false),
            (".3", "10.1.2.3", false),
            ("", "localhost", true),
            ("", "127.8.8.8", true),
            ("", "[::1]", true),
            ("", "localhost.localdomain", false),
        ] {
            assert_eq!(excludes(no_proxy, host, 5000), is_direct, "{no_proxy:?} {host}");
        }
    }
}
