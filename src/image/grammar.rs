//! Grammar of distribution/reference (`regexp.go`), without a regular expression engine, which would be the largest part
//! of the binary.

use core::net::Ipv6Addr;

/// Length of a SHA-256 in hexadecimal digits.
const SHA256_HEX: usize = 64;
/// Longest tag, in characters.
const MAX_TAG_LENGTH: usize = 128;

/// `domainAndPort`: a domain name, an IPv4 address or a bracketed IPv6 address, optionally with a port.
pub(crate) fn is_domain(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    if port.is_some_and(|port| port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit())) {
        return false;
    }
    match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']').is_some_and(is_ipv6),
        None => host.split('.').all(is_domain_component),
    }
}

/// IPv6 address in brackets. The reference grammar has no zones and no embedded IPv4 address, and accepts any hexadecimal
/// digits and colons; an invalid address is rejected here.
fn is_ipv6(address: &str) -> bool {
    address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') && address.parse::<Ipv6Addr>().is_ok()
}

/// `domainNameComponent`: letters, digits and dashes, with a letter or digit at both ends.
fn is_domain_component(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// True if the part before the first `/` is a registry rather than a namespace on Docker Hub
/// (distribution/reference `normalize.go`, `splitDockerDomain`).
pub(crate) fn is_registry_domain(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.bytes().any(|b| b.is_ascii_uppercase())
}

/// `remoteName`: lower-case path components, separated by `/`.
pub(crate) fn is_repository(text: &str) -> bool {
    text.split('/').all(is_path_component)
}

/// `pathComponent`: runs of `a-z0-9`, joined by `.`, `_`, `__` or any number of dashes.
fn is_path_component(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && text.split(alphanumeric).all(|separator| {
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-')
        })
}

/// `tag`: up to 128 word characters, dots and dashes, with a word character first.
pub(super) fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= MAX_TAG_LENGTH
        && text.starts_with(word)
        && text.chars().all(|c| word(c) || matches!(c, '.' | '-'))
}

/// True for a digest that go-digest accepts (`algorithm.go`): a known algorithm and its number of lower-case
/// hexadecimal digits.
pub(super) fn is_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else {
        return false;
    };
    let length = match algorithm {
        "sha256" => SHA256_HEX,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == length && is_lower_hex(hex)
}

/// `identifier`: 64 hexadecimal digits, which Docker uses for local images.
pub(super) fn is_identifier(text: &str) -> bool {
    text.len() == SHA256_HEX && is_lower_hex(text)
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
}
