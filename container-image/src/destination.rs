//! Where an image is pushed to.

use std::{ffi::OsString, fmt, path::PathBuf};

use anyhow::{Result, bail, ensure};

/// A repository and tag of a registry, and how to get in.
#[derive(Clone, Debug)]
pub struct Destination {
    name: String,
    tag: String,
    tls_verify: bool,
    certificates: Option<PathBuf>,
    credentials: Option<PathBuf>,
    proxy: Option<String>,
}

/// An image in a registry, by its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedImage {
    name: String,
    digest: String,
}

impl Destination {
    /// `host[:port]/repository[:tag]`; without a tag, it is the program's version.
    ///
    /// # Errors
    /// Where it has no registry, has a scheme, or names a digest, which only the push will tell.
    pub fn new(reference: &str) -> Result<Self> {
        let example = "write it as registry.example.com/team/ensure-pull-secret:1.0";
        ensure!(
            !reference.contains("://"),
            "{reference:?} has a scheme, and an image's name has none: {example}"
        );
        ensure!(
            !reference.contains('@'),
            "{reference:?} names a digest, which nobody knows before the push: {example}"
        );
        let Some((host, path)) = reference.split_once('/') else {
            bail!("{reference:?} names no registry: {example}");
        };
        // As docker's reference grammar tells a host from the first part of a path.
        ensure!(
            host.contains(['.', ':']) || host == "localhost",
            "{reference:?} names no registry: {example}"
        );
        let (path, tag) = path.rsplit_once(':').unwrap_or((path, env!("CARGO_PKG_VERSION")));
        ensure!(
            !path.is_empty() && !tag.is_empty(),
            "{reference:?} is not an image's name: {example}"
        );
        Ok(Self {
            name: format!("{host}/{path}"),
            tag: tag.to_owned(),
            tls_verify: true,
            certificates: None,
            credentials: None,
            proxy: None,
        })
    }

    /// Trusts the authorities in this directory (`*.crt`) beside the system's.
    #[must_use]
    pub fn with_certificates(mut self, directory: PathBuf) -> Self {
        self.certificates = Some(directory);
        self
    }

    /// Takes the credentials from this file, a docker config document, instead of the user's own.
    #[must_use]
    pub fn with_credentials(mut self, file: PathBuf) -> Self {
        self.credentials = Some(file);
        self
    }

    /// Reaches the registry through this proxy (`http://host:port`) instead of the one in `HTTPS_PROXY`.
    #[must_use]
    pub fn through_proxy(mut self, url: String) -> Self {
        self.proxy = Some(url);
        self
    }

    /// Does without TLS, or with a certificate that nobody vouches for, where the registry has no better.
    #[must_use]
    pub fn without_verification(mut self) -> Self {
        self.tls_verify = false;
        self
    }

    /// `host[:port]/repository:tag`.
    pub(crate) fn reference(&self) -> String {
        format!("{}:{}", self.name, self.tag)
    }

    /// Options of `manifest push`.
    pub(crate) fn options(&self) -> Vec<OsString> {
        let mut options = vec![OsString::from(format!("--tls-verify={}", self.tls_verify))];
        let files = [
            ("--cert-dir", &self.certificates),
            ("--authfile", &self.credentials),
        ];
        for (option, path) in files {
            if let Some(path) = path {
                options.extend([option.into(), path.into()]);
            }
        }
        options
    }

    /// Variables of the push, beside the caller's.
    pub(crate) fn environment(&self) -> Option<(&'static str, &str)> {
        self.proxy.as_deref().map(|proxy| ("HTTPS_PROXY", proxy))
    }

    /// What is there under this digest now.
    pub(crate) fn pushed(&self, digest: &str) -> Result<PushedImage> {
        ensure!(
            digest.starts_with("sha256:"),
            "the builder gave {digest:?} as the digest of what it pushed to {}",
            self.reference()
        );
        Ok(PushedImage {
            name: self.name.clone(),
            digest: digest.to_owned(),
        })
    }
}

impl PushedImage {
    /// `host[:port]/repository`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `sha256:…` of the list.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// `name@sha256:…`, which pulls it.
impl fmt::Display for PushedImage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.name, self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_split_at_its_tag_and_not_at_its_port() {
        let version = env!("CARGO_PKG_VERSION");
        for (reference, name, tag) in [
            ("quay.io/team/tool:v1", "quay.io/team/tool", "v1"),
            ("quay.io/team/tool", "quay.io/team/tool", version),
            ("registry.test:5000/tool", "registry.test:5000/tool", version),
            ("localhost/tool:v1", "localhost/tool", "v1"),
        ] {
            let destination = Destination::new(reference).expect(reference);
            assert_eq!(destination.reference(), format!("{name}:{tag}"));
            let pushed = destination.pushed("sha256:0").expect("a digest");
            assert_eq!(pushed.to_string(), format!("{name}@sha256:0"));
        }
    }

    #[test]
    fn what_is_no_destination_is_refused_with_an_example_of_one() {
        for reference in [
            "",
            "tool",
            "team/tool:v1",
            "docker://quay.io/team/tool",
            "quay.io/team/tool@sha256:0",
            "quay.io/",
            "quay.io/team/tool:",
        ] {
            let error = Destination::new(reference).expect_err(reference).to_string();
            assert!(error.contains("registry.example.com/team/"), "{error}");
        }
    }

    #[test]
    fn a_push_is_verified_unless_somebody_says_otherwise() {
        let destination = Destination::new("quay.io/team/tool:v1").expect("a destination");
        assert_eq!(destination.options(), ["--tls-verify=true"]);
        let options = destination
            .with_certificates("/c".into())
            .with_credentials("/a".into())
            .without_verification()
            .options();
        assert_eq!(
            options,
            ["--tls-verify=false", "--cert-dir", "/c", "--authfile", "/a"]
        );
    }
}
