//! Image references: `host[:port]/path[:tag][@digest]`.
//!
//! The grammar is that of distribution/reference (`ParseNormalizedNamed`, `regexp.go`), which the kubelet and containerd
//! use, with four intended differences:
//! - white space and a leading `oci://`, `oci+native://`, `oci+fetch://` or `docker://` are removed, since references come
//!   from files, results and `storageUri`s;
//! - the whole name is limited to 255 characters, as in containers/image, and not only the path: CRI-O couldn't pull a
//!   longer one;
//! - a host that isn't a domain, such as `my_host.example/app`, is an error. distribution/reference takes it for a path
//!   without a host, which can't be pulled;
//! - the text in brackets must be an IPv6 address, which distribution/reference doesn't check.

use std::fmt;

use crate::text::clip_name;

#[cfg(test)]
mod tests;

use super::grammar;
pub(crate) use super::grammar::{is_domain, is_registry_domain, is_repository};

/// Docker Hub's name in image references.
pub(crate) const DOCKER_HUB: &str = "docker.io";
/// Docker Hub's former name in image references, the same as `docker.io`.
const DOCKER_HUB_LEGACY: &str = "index.docker.io";
/// Namespace of Docker Hub for images whose name has one part.
const OFFICIAL_NAMESPACE: &str = "library/";
/// Default tag, without tag and digest.
const DEFAULT_TAG: &str = "latest";
/// Number of digits of a shortened digest.
const SHOWN_DIGITS: usize = 12;
/// Longest name (`host/path`), in bytes (containers/image `docker/reference/reference.go`).
const MAX_NAME_LENGTH: usize = 255;
/// Prefixes that other programs use (KServe's `storageUri`, skopeo's transport).
const SCHEMES: [&str; 4] = ["oci://", "oci+native://", "oci+fetch://", "docker://"];

/// Example of an image reference; ends most messages.
const EXAMPLE: &str = "write host[:port]/path[:tag][@digest], such as quay.io/team/model:1.0";

/// Error of an invalid image reference. Messages never contain the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImageReferenceError {
    /// Empty, or only white space and a scheme.
    #[error("the image reference is empty; {EXAMPLE}")]
    Empty,
    /// A trailing `@`: a build's result was used before it had a value.
    #[error(
        "the image reference ends with @: the build returned no digest; check the result that it comes from"
    )]
    NoDigest,
    /// `http://`, `s3://` and the like.
    #[error(
        "the image reference has a scheme that isn't oci://, oci+native://, oci+fetch:// or docker://; {EXAMPLE}"
    )]
    Scheme,
    /// 64 hexadecimal digits are an image's identifier, not its name.
    #[error("the image reference is a bare identifier of 64 hexadecimal digits; {EXAMPLE}")]
    Identifier,
    /// Upper case in the repository.
    #[error("the repository of the image reference has capital letters; repositories are lower case")]
    Uppercase,
    /// Invalid host.
    #[error("the host of the image reference is not a host name with an optional port; {EXAMPLE}")]
    Host,
    /// Invalid repository.
    #[error(
        "the repository of the image reference is malformed: parts of a-z and 0-9, joined by single `.`, `_`, `__` \
         or dashes, separated by `/`; {EXAMPLE}"
    )]
    Repository,
    /// Invalid tag.
    #[error(
        "the tag of the image reference is malformed: up to 128 of A-Z, a-z, 0-9, `_`, `.` and `-`, not starting with `.` or `-`"
    )]
    Tag,
    /// Invalid digest.
    #[error("the digest of the image reference is malformed: write sha256: and 64 digits of 0-9 and a-f")]
    Digest,
    /// Longer than 255 characters, without tag and digest.
    #[error("the image reference is longer than 255 characters, tag and digest not counted")]
    TooLong,
}

/// Image reference in canonical form: host, repository, and tag or digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageReference {
    host: String,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl ImageReference {
    /// Parses an image reference.
    ///
    /// White space and line breaks, around and inside, are removed. The default host is Docker Hub, the default tag
    /// `latest`.
    ///
    /// # Errors
    /// The text isn't an image reference; the message names the invalid part.
    pub fn parse(text: &str) -> Result<Self, ImageReferenceError> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let name = SCHEMES
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme))
            .unwrap_or(&text);
        if name.is_empty() {
            return Err(ImageReferenceError::Empty);
        }
        if name.ends_with('@') {
            return Err(ImageReferenceError::NoDigest);
        }
        if name.contains("://") {
            return Err(ImageReferenceError::Scheme);
        }
        if grammar::is_identifier(name) {
            return Err(ImageReferenceError::Identifier);
        }
        let (host, remainder) = split_host(name);
        let (tagged, digest) = match remainder.split_once('@') {
            Some((tagged, digest)) => (tagged, Some(digest)),
            None => (remainder.as_str(), None),
        };
        let (repository, tag) = match tagged.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (tagged, None),
        };
        if !grammar::is_domain(host) {
            return Err(ImageReferenceError::Host);
        }
        if repository.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(ImageReferenceError::Uppercase);
        }
        if !grammar::is_repository(repository) {
            return Err(ImageReferenceError::Repository);
        }
        if host.len().saturating_add(repository.len()) >= MAX_NAME_LENGTH {
            return Err(ImageReferenceError::TooLong);
        }
        if tag.is_some_and(|tag| !grammar::is_tag(tag)) {
            return Err(ImageReferenceError::Tag);
        }
        if digest.is_some_and(|digest| !grammar::is_digest(digest)) {
            return Err(ImageReferenceError::Digest);
        }
        Ok(Self {
            host: host.to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// `host[:port]` of the registry as written; `docker.io` for Docker Hub.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Path in the registry, after `/v2/` (distribution spec, "name").
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// `<reference>` in `/v2/<repository>/manifests/<reference>`: the digest if there is one, else the tag, else `latest`.
    pub fn reference(&self) -> &str {
        self.digest
            .as_deref()
            .or(self.tag.as_deref())
            .unwrap_or(DEFAULT_TAG)
    }

    /// Digest, `sha256:…`, if there is one.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// `host/path`, without tag and digest, with which the kubelet and containers/image look up credentials (kubelet `pkg/util/parsers/parsers.go`, containers/image `reference.Named.Name`).
    pub fn name(&self) -> String {
        format!("{}/{}", self.host, self.repository)
    }

    /// Reference for a message, at most `max` characters long. The digest of a longer one is shortened to twelve digits, as
    /// in `docker images`: the repository matters more.
    pub fn clipped(&self, max: usize) -> String {
        let whole = self.to_string();
        match self.digest().and_then(|digest| digest.split_once(':')) {
            Some((algorithm, digits)) if whole.chars().count() > max => {
                let digits: String = digits.chars().take(SHOWN_DIGITS).collect();
                let end = format!("@{algorithm}:{digits}…");
                let room = max.saturating_sub(end.chars().count());
                format!("{}{end}", clip_name(&self.name(), room))
            }
            _ => clip_name(&whole, max),
        }
    }
}

/// Canonical reference: `host/path:tag` or `host/path@digest`, made of `A-Za-z0-9._:/@-` and the brackets of an IPv6
/// host only.
impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.digest.is_some() { '@' } else { ':' };
        write!(
            f,
            "{}/{}{separator}{}",
            self.host,
            self.repository,
            self.reference()
        )
    }
}

/// Splits off the registry's host, and adds Docker Hub's defaults
/// (distribution/reference `normalize.go`, `splitDockerDomain`).
fn split_host(name: &str) -> (&str, String) {
    let (host, remainder) = match name.split_once('/') {
        Some((first, remainder)) if first == DOCKER_HUB_LEGACY => (DOCKER_HUB, remainder),
        Some((first, remainder)) if is_registry_domain(first) => (first, remainder),
        _ => (DOCKER_HUB, name),
    };
    if host == DOCKER_HUB && !remainder.contains('/') {
        (host, format!("{OFFICIAL_NAMESPACE}{remainder}"))
    } else {
        (host, remainder.to_owned())
    }
}
