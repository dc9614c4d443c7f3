//! The kubelet's choice of credentials: keys of `auths` that cover an image
//! (kubelet `pkg/credentialprovider/keyring.go`, `BasicDockerKeyring`).

use super::glob::glob_matches;
use super::go_url::GoUrl;
use super::{DOCKER_HUB, ImageReference};

/// Key of Docker Hub's credentials, if no other key matches.
const DEFAULT_REGISTRY: &[u8] = b"index.docker.io";

/// Key of `auths` as the kubelet indexes it: without scheme, user and a leading `/v1` or `/v2`, and with `%XX` decoded.
/// Ordered by bytes: greater keys are tried first (`sort.Reverse`), `quay.io/team` before `quay.io`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyringIndex(Vec<u8>);

impl KeyringIndex {
    /// Indexes a key (`Add`). `None` if the kubelet ignores the entry, since the key is no valid URL.
    pub fn new(key: &str) -> Option<Self> {
        let schemeless = key
            .strip_prefix("https://")
            .or_else(|| key.strip_prefix("http://"))
            .unwrap_or(key);
        let url = GoUrl::parse_schemeless(schemeless.as_bytes())?;
        let path = match url.path.get(..4) {
            Some(b"/v1/" | b"/v2/") => url.path.get(3..).unwrap_or_default(),
            _ => url.path.as_slice(),
        };
        Some(Self(if path == b"/" {
            url.host
        } else {
            [url.host.as_slice(), path].concat()
        }))
    }

    /// Whether a key covers the name of `image` (`URLsMatchStr`): equal port, same number of labels in the host, each a
    /// matching shell pattern, and a path that is a prefix of the text (`quay.io/team` covers `quay.io/teamwork/app` too).
    pub fn matcher(image: &ImageReference) -> impl Fn(&Self) -> bool + use<> {
        let url = GoUrl::parse_schemeless(image.name().as_bytes());
        move |key| url.as_ref().is_some_and(|image| key.matches(image))
    }

    /// Whether a key could be tried for one of `images`: its host matches, whatever its path.
    pub fn matcher_of_any(images: &[&ImageReference]) -> impl Fn(&Self) -> bool {
        // Most images have the same host.
        let mut hosts: Vec<GoUrl> = Vec::new();
        for image in images {
            let url = GoUrl::parse_schemeless(image.name().as_bytes());
            hosts.extend(url.filter(|url| !hosts.iter().any(|other| other.host == url.host)));
        }
        move |key| {
            hosts.iter().any(|host| key.path_at(host).is_some())
                || images.iter().any(|image| key.is_default_for(image))
        }
    }

    fn matches(&self, image: &GoUrl) -> bool {
        self.path_at(image)
            .is_some_and(|path| image.path.starts_with(&path))
    }

    /// Path of the key, if it covers the host of `image`.
    fn path_at(&self, image: &GoUrl) -> Option<Vec<u8>> {
        // Most keys of a long document need no parser.
        if self
            .plain_dots()
            .is_some_and(|dots| dots != count_dots(&image.host))
        {
            return None;
        }
        let key = GoUrl::parse_schemeless(&self.0)?;
        let (key_host, key_port) = split_host_port(&key.host);
        let (image_host, image_port) = split_host_port(&image.host);
        let is_host = key_port == image_port
            && count_dots(key_host) == count_dots(image_host)
            && std::iter::zip(key_host.split(|b| *b == b'.'), image_host.split(|b| *b == b'.')).all(
                |(key, image)| {
                    // The labels of an image are ASCII, so a label that isn't UTF-8 can't match.
                    glob_matches(&String::from_utf8_lossy(key), &String::from_utf8_lossy(image))
                },
            );
        is_host.then_some(key.path)
    }

    /// Number of dots in the host, where it is the text before the first slash for certain.
    fn plain_dots(&self) -> Option<usize> {
        let host = self.0.split(|b| *b == b'/').next()?;
        let is_plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'*');
        host.iter().all(is_plain).then(|| count_dots(host))
    }

    /// True if the kubelet falls back to this key for an image of Docker Hub that no key covers.
    pub fn is_default_for(&self, image: &ImageReference) -> bool {
        self.0 == DEFAULT_REGISTRY && is_default_registry(image)
    }
}

/// True if the kubelet would use the entry `key` for `image`, if it was the only entry.
///
/// ```
/// use ensure_pull_secret::image::{ImageReference, key_covers};
///
/// let image = ImageReference::parse("quay.io/team/model:1")?;
/// assert!(key_covers("quay.io", &image));
/// assert!(key_covers("https://*.io/v1/team", &image));
/// assert!(!key_covers("quay.io:443", &image));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn key_covers(key: &str, image: &ImageReference) -> bool {
    let matches = KeyringIndex::matcher(image);
    KeyringIndex::new(key).is_some_and(|index| matches(&index) || index.is_default_for(image))
}

fn count_dots(host: &[u8]) -> usize {
    host.iter().filter(|b| **b == b'.').count()
}

/// `isDefaultRegistryMatch`, for a name that always has a host.
fn is_default_registry(image: &ImageReference) -> bool {
    image.host() == DOCKER_HUB || !image.host().contains(['.', ':'])
}

/// `SplitURL`: host and port, or the whole text as the host if `net.SplitHostPort` fails. So an IPv6 address without a
/// port keeps its brackets, which are a pattern.
fn split_host_port(host: &[u8]) -> (&[u8], &[u8]) {
    let whole = (host, [].as_slice());
    let Some(colon) = host.iter().rposition(|b| *b == b':') else {
        return whole;
    };
    let (Some(before), Some(port)) = (host.get(..colon), host.get(colon.saturating_add(1)..)) else {
        return whole;
    };
    let name = match before.strip_prefix(b"[") {
        Some(bracketed) => bracketed.strip_suffix(b"]"),
        None => Some(before).filter(|name| !name.contains(&b':')),
    };
    let is_bracket = |b: &u8| matches!(b, b'[' | b']');
    match name {
        Some(name) if !name.iter().any(is_bracket) && !port.iter().any(is_bracket) => (name, port),
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o10_a_key_with_another_number_of_labels_is_not_parsed() {
        let dots = |key: &str| KeyringIndex::new(key).and_then(|index| index.plain_dots());
        assert_eq!(dots("00001"), Some(0));
        assert_eq!(dots("https://*.quay.io:443/v2/a.b/c"), Some(2));
        for key in ["[fe80::1%25en.0]:5000", "a.%e2%82%ac.b", "q[a.z]ay.io"] {
            assert_eq!(dots(key), None, "{key}");
        }
    }

    #[test]
    fn keys_match_images_as_in_the_kubelet() {
        for (key, image, expected) in [
            ("quay.io", "quay.io/team/model", true),
            ("https://quay.io", "quay.io/team/model", true),
            ("http://quay.io/", "quay.io/team/model", true),
            ("quay.io/v2/", "quay.io/team/model", true),
            ("quay.io/v2", "quay.io/team/model", false),
            ("quay.io/team", "quay.io/team/model", true),
            ("quay.io/team", "quay.io/teamwork/model", true),
            ("quay.io/team/", "quay.io/teamwork/model", false),
            ("quay.io/other", "quay.io/team/model", false),
            ("Quay.io", "quay.io/team/model", false),
            ("quay.io:443", "quay.io/team/model", false),
            ("quay.io", "quay.io:443/team/model", false),
            ("quay.io:", "quay.io/team/model", true),
            ("quay.io]:443", "quay.io:443/team/model", false),
            ("*]:", "[::1]/model", false),
            ("[::1%25]]:5000", "[::1]:5000/model", false),
            ("registry.svc:5000", "registry.svc:5000/ns/model", true),
            ("*.io", "quay.io/team/model", true),
            ("*", "quay.io/team/model", false),
            ("*.example.com", "a.b.example.com/model", false),
            ("*.*.example.com", "a.b.example.com/model", true),
            ("q*y.io", "quay.io/model", true),
            ("[::1]:5000", "[::1]:5000/model", true),
            ("[::1]", "[::1]/model", false),
            ("user@quay.io", "quay.io/model", true),
            ("quay.io\n", "quay.io/model", false),
            ("", "quay.io/model", false),
            ("https://index.docker.io/v1/", "ubuntu", true),
            ("index.docker.io", "team/model", true),
            ("https://index.docker.io/v1/team", "docker.io/team/model", false),
            ("docker.io", "ubuntu", true),
            ("docker.io/team", "docker.io/team/model", true),
            ("registry-1.docker.io", "ubuntu", false),
            ("https://index.docker.io/v1/", "quay.io/model", false),
            ("index.docker.io", "localhost/model", true),
        ] {
            let image = ImageReference::parse(image).unwrap();
            assert_eq!(key_covers(key, &image), expected, "{key} {image}");
        }
    }

    #[test]
    fn more_specific_key_is_tried_first() {
        assert!(KeyringIndex::new("quay.io/team").unwrap() > KeyringIndex::new("https://quay.io").unwrap());
    }

    #[test]
    fn spellings_of_one_registry_share_an_index() {
        for key in ["https://quay.io", "http://quay.io/", "quay.io/v1/", "u:p@quay.io"] {
            assert_eq!(KeyringIndex::new(key), KeyringIndex::new("quay.io"), "{key}");
        }
    }
}
