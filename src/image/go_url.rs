//! URLs by the rules of Go's `net/url`, with which the kubelet parses a key of `auths`.
//!
//! Only host and path of `url.Parse` for a text that starts with `https://` or `http://`, both with `%XX` decoded (Go
//! 1.26 `net/url/url.go`). Bytes, since a path may contain `%FF`.

use core::net::Ipv6Addr;

/// Host (with port) and path of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GoUrl {
    /// `host[:port]`, an IPv6 address in brackets; a zone may contain any bytes.
    pub(super) host: Vec<u8>,
    /// Empty, or with a leading `/`.
    pub(super) path: Vec<u8>,
}

/// Part of a URL with a `%XX` (`encodeHost`, `encodeZone`, `encodePath`, ...): hosts allow fewer of them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UrlPart {
    Host,
    Zone,
    Elsewhere,
}

impl GoUrl {
    /// Parses `authority[/path][?query][#fragment]`, the text after the scheme. `None` if Go returns an error.
    pub(super) fn parse_schemeless(text: &[u8]) -> Option<Self> {
        let (text, fragment) = cut(text, b'#');
        unescape(fragment.unwrap_or_default(), UrlPart::Elsewhere)?;
        if text.iter().any(|b| *b < b' ' || *b == 0x7f) {
            return None;
        }
        let (text, _query) = cut(text, b'?');
        let path_start = text.iter().position(|b| *b == b'/').unwrap_or(text.len());
        let (authority, path) = text.split_at_checked(path_start)?;
        let host = match authority.iter().rposition(|b| *b == b'@') {
            Some(at) => {
                let (user, host) = authority.split_at_checked(at)?;
                is_userinfo(user).then_some(())?;
                host.get(1..)?
            }
            None => authority,
        };
        Some(Self {
            host: parse_host(host)?,
            path: unescape(path, UrlPart::Elsewhere)?,
        })
    }
}

fn cut(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    let mut parts = text.splitn(2, |b| *b == separator);
    (parts.next().unwrap_or_default(), parts.next())
}

/// `validUserinfo`, with the escapes. Go unescapes each half separately, which is the same: no escape can span the colon.
fn is_userinfo(text: &[u8]) -> bool {
    text.iter()
        .all(|b| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(b))
        && text
            .split(|b| *b == b':')
            .all(|part| unescape(part, UrlPart::Elsewhere).is_some())
}

/// `parseHost`, with strict colons, the default since Go 1.26.
fn parse_host(host: &[u8]) -> Option<Vec<u8>> {
    match host.iter().rposition(|b| *b == b'[') {
        Some(0) => {
            let close = host.iter().rposition(|b| *b == b']')?;
            let port = host.get(close.checked_add(1)?..)?;
            is_optional_port(port).then_some(())?;
            let literal = host.get(1..close)?;
            let zone = literal
                .windows(3)
                .position(|w| w == b"%25")
                .unwrap_or(literal.len());
            let (address, zone) = literal.split_at_checked(zone)?;
            let mut address = unescape(address, UrlPart::Host)?;
            address.extend(unescape(zone, UrlPart::Zone)?);
            is_ipv6_with_zone(&address).then_some(())?;
            Some([b"[", address.as_slice(), b"]", port].concat())
        }
        Some(_) => None,
        None => {
            let colon = host.iter().position(|b| *b == b':').unwrap_or(host.len());
            is_optional_port(host.get(colon..)?).then_some(())?;
            unescape(host, UrlPart::Host)
        }
    }
}

fn is_optional_port(text: &[u8]) -> bool {
    match text.split_first() {
        None => true,
        Some((colon, digits)) => *colon == b':' && digits.iter().all(u8::is_ascii_digit),
    }
}

/// `netip.ParseAddr` without IPv4: an address, optionally with `%` and a zone that isn't empty.
fn is_ipv6_with_zone(text: &[u8]) -> bool {
    let (address, zone) = cut(text, b'%');
    zone.is_none_or(|zone| !zone.is_empty())
        && std::str::from_utf8(address).is_ok_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

/// `unescape`: decodes `%XX`; `None` if Go rejects it in this part.
fn unescape(text: &[u8], part: UrlPart) -> Option<Vec<u8>> {
    let mut resolved = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        if *first != b'%' {
            let plain = part == UrlPart::Elsewhere || !first.is_ascii() || is_host_byte(*first);
            plain.then(|| resolved.push(*first))?;
            rest = tail;
            continue;
        }
        let (digits, tail) = tail.split_at_checked(2)?;
        let byte = digits
            .iter()
            .all(u8::is_ascii_hexdigit)
            .then(|| std::str::from_utf8(digits).ok())??;
        let byte = u8::from_str_radix(byte, 16).ok()?;
        let allowed = match part {
            UrlPart::Host => !byte.is_ascii() || byte == b'%',
            UrlPart::Zone => byte == b'%' || byte == b' ' || is_host_byte(byte),
            UrlPart::Elsewhere => true,
        };
        allowed.then(|| resolved.push(byte))?;
        rest = tail;
    }
    Some(resolved)
}

/// ASCII bytes that a host may contain unescaped (`encoding_table.go`, `encodeHost`).
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<(String, String)> {
        let url = GoUrl::parse_schemeless(text.as_bytes())?;
        Some((
            String::from_utf8_lossy(&url.host).into_owned(),
            String::from_utf8_lossy(&url.path).into_owned(),
        ))
    }

    #[test]
    fn hosts_and_paths_are_split_as_in_go() {
        for (text, host, path) in [
            ("quay.io", "quay.io", ""),
            ("quay.io:443/team?q#f", "quay.io:443", "/team"),
            ("user:pa%3Ass@quay.io/team", "quay.io", "/team"),
            ("*.quay.io/a%2Fb", "*.quay.io", "/a/b"),
            ("quay.io:/x", "quay.io:", "/x"),
            ("[::1]:5000/x", "[::1]:5000", "/x"),
            ("[fe80::1%25en0]", "[fe80::1%en0]", ""),
            ("[fe80::1%25%41%20%25]", "[fe80::1%A %]", ""),
            ("[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]", ""),
            ("a/b c", "a", "/b c"),
            ("b%C3%BCcher.example", "b\u{fc}cher.example", ""),
            ("", "", ""),
            ("/path", "", "/path"),
        ] {
            assert_eq!(parse(text), Some((host.to_owned(), path.to_owned())), "{text}");
        }
    }

    #[test]
    fn urls_that_go_rejects_are_rejected() {
        for text in [
            "quay.io:port",
            "a:1:2",
            "a b",
            "a%41",
            "a%zz",
            "a%4",
            "/x%zz",
            "a\n",
            "a^b",
            "x[::1]",
            "[::1",
            "[::1]x",
            "[1.2.3.4]",
            "[::1%25]",
            "[::1%25%5E]",
            "[%3A:1]",
            "a/\u{1f}",
            "a/\u{7f}",
            "u ser@quay.io",
            "u%zz@quay.io",
            "a#%zz",
            "a\\b",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
