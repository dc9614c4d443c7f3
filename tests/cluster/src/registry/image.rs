//! Tiny images, each with a new digest.

use std::io::Write as _;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::accounts::random_hex;
use crate::listener::background::wait_for;
use crate::listener::upstream::{Upstream, full};

/// The media types of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OCI image specification 1.
    Oci,
    /// Docker image manifest version 2, schema 2.
    Docker,
}

/// An image of one layer, complete in memory.
#[derive(Clone, Debug)]
pub struct Image {
    format: Format,
    config: Bytes,
    layer: Bytes,
    manifest: Bytes,
}

/// A file of an image's layer.
#[derive(Clone, Debug)]
pub struct File {
    path: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Data(Vec<u8>),
    Program(Vec<u8>),
    Link(&'static str),
}

impl File {
    /// A file that everybody may read.
    pub fn data(path: impl Into<String>, content: Vec<u8>) -> Self {
        Self {
            path: path.into(),
            kind: Kind::Data(content),
        }
    }

    /// A file that everybody may run.
    pub fn executable(path: impl Into<String>, content: Vec<u8>) -> Self {
        Self {
            path: path.into(),
            kind: Kind::Program(content),
        }
    }

    /// A symbolic link.
    pub fn link(path: impl Into<String>, target: &'static str) -> Self {
        Self {
            path: path.into(),
            kind: Kind::Link(target),
        }
    }
}

/// Parts of an image.
#[derive(Clone, Debug)]
pub struct Content {
    /// The files of its only layer, without directories: runtimes make those.
    pub files: Vec<File>,
    /// `config` of the OCI image configuration, such as `Entrypoint` and `User`.
    pub config: Value,
}

/// Pushes a new OCI image to a distribution without authentication, as `project/name:tag`; returns its digest
/// (`sha256:...`).
pub fn push_image(store: SocketAddr, reference: &str) -> Result<String> {
    let image = Image::new(Format::Oci)?;
    image.push(store, reference)?;
    Ok(image.digest())
}

impl Format {
    fn manifest(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.manifest.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.v2+json",
        }
    }

    fn config(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.config.v1+json",
            Self::Docker => "application/vnd.docker.container.image.v1+json",
        }
    }

    fn layer(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Docker => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        }
    }
}

impl Image {
    /// An image whose layer has one file with random content.
    pub fn new(format: Format) -> Result<Self> {
        Self::with(
            format,
            Content {
                files: vec![File::data("models/weights", random_hex()?.into_bytes())],
                config: json!({}),
            },
        )
    }

    /// An image of this content, for this machine's processor.
    ///
    /// # Errors
    /// If the layer can't be packed, as with a path that is too long.
    pub fn with(format: Format, content: Content) -> Result<Self> {
        let tar = tar_of(content.files).context("cannot make a layer")?;
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "config": content.config,
            "rootfs": {"type": "layers", "diff_ids": [sha256(&tar)]},
        });
        let config = Bytes::from(config.to_string());
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&tar)?;
        let layer = Bytes::from(gzip.finish()?);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": format.manifest(),
            "config": descriptor(format.config(), &config),
            "layers": [descriptor(format.layer(), &layer)],
        });
        Ok(Self {
            format,
            config,
            layer,
            manifest: Bytes::from(manifest.to_string()),
        })
    }

    /// The digest of its manifest.
    pub fn digest(&self) -> String {
        sha256(&self.manifest)
    }

    /// The digests of its blobs: the configuration and the layer. Who has pulled it has fetched these.
    pub fn blobs(&self) -> [String; 2] {
        [sha256(&self.config), sha256(&self.layer)]
    }

    /// Pushes it to a distribution without authentication, as `project/name:tag`.
    pub fn push(&self, store: SocketAddr, reference: &str) -> Result<()> {
        let (repository, tag) = reference
            .rsplit_once(':')
            .with_context(|| format!("no tag in {reference:?}"))?;
        let store = Upstream::new(&format!("http://{store}"), None, false)?;
        wait_for(async {
            for blob in [&self.config, &self.layer] {
                push_blob(&store, repository, blob).await?;
            }
            let uri = format!("/v2/{repository}/manifests/{tag}");
            let mut request = request(Method::PUT, &uri, self.manifest.clone())?;
            request
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static(self.format.manifest()));
            expect(store.send(request).await?, StatusCode::CREATED)?;
            Ok(())
        })?
        .map_err(|error: anyhow::Error| error.context(format!("cannot push {reference}")))
    }
}

/// Removes a tag from the store: the repository stays, and so does the image by its digest.
pub fn remove_tag(store: SocketAddr, reference: &str) -> Result<()> {
    let (repository, tag) = reference
        .rsplit_once(':')
        .with_context(|| format!("no tag in {reference:?}"))?;
    let store = Upstream::new(&format!("http://{store}"), None, false)?;
    wait_for(async {
        let uri = format!("/v2/{repository}/manifests/{tag}");
        let response = store.send(request(Method::DELETE, &uri, Bytes::new())?).await?;
        expect(response, StatusCode::ACCEPTED)?;
        Ok(())
    })?
    .map_err(|error: anyhow::Error| error.context(format!("cannot remove {reference}")))
}

/// An upload in two steps (distribution spec, "POST then PUT").
async fn push_blob(store: &Upstream, repository: &str, blob: &Bytes) -> Result<()> {
    let uri = format!("/v2/{repository}/blobs/uploads/");
    let response = store.send(request(Method::POST, &uri, Bytes::new())?).await?;
    let location = expect(response, StatusCode::ACCEPTED)?
        .headers()
        .get(LOCATION)
        .context("an upload without Location")?
        .to_str()?
        .parse::<Uri>()?;
    let target = location
        .path_and_query()
        .context("an upload's Location without a path")?;
    let separator = if target.query().is_some() { '&' } else { '?' };
    let uri = format!("{target}{separator}digest={}", sha256(blob));
    expect(
        store.send(request(Method::PUT, &uri, blob.clone())?).await?,
        StatusCode::CREATED,
    )?;
    Ok(())
}

fn request(method: Method, uri: &str, body: Bytes) -> Result<Request<crate::listener::upstream::Body>> {
    let mut request = Request::new(full(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri.parse().with_context(|| format!("not a path: {uri:?}"))?;
    Ok(request)
}

fn expect(response: Response<Incoming>, status: StatusCode) -> Result<Response<Incoming>> {
    ensure!(
        response.status() == status,
        "distribution answered {} instead of {status}",
        response.status()
    );
    Ok(response)
}

fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({"mediaType": media_type, "size": content.len(), "digest": sha256(content)})
}

fn sha256(content: &[u8]) -> String {
    let digest = digest(&SHA256, content);
    let hex = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    format!("sha256:{}", hex.collect::<String>())
}

fn tar_of(files: Vec<File>) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for File { path, kind } in files {
        let mut header = tar::Header::new_gnu();
        let (mode, content) = match kind {
            Kind::Data(content) => (0o644, content),
            Kind::Program(content) => (0o755, content),
            Kind::Link(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                header.set_mode(0o777);
                archive.append_link(&mut header, path, target)?;
                continue;
            }
        };
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        header.set_cksum();
        archive.append_data(&mut header, path, content.as_slice())?;
    }
    archive.into_inner()
}

/// This machine's processor, as images name it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_images_share_no_digest() {
        let (one, other) = (
            Image::new(Format::Oci).expect("an image"),
            Image::new(Format::Oci).expect("another"),
        );
        assert_ne!(one.digest(), other.digest());
        for blob in one.blobs() {
            assert!(!other.blobs().contains(&blob), "{blob}");
        }
    }
}
