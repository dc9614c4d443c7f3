//! `cargo xtask image`: the image of all platforms, from this commit to a registry.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::{ArgAction, Args};
use container_image::{BuildContext, Builder, BuiltImage, Destination, Labels, Platform, PushedImage};
use xshell::cmd;

use crate::{interrupt, project, source_image, static_binary};

/// Labels for the commit and its date (OCI image specification, "Pre-Defined Annotation Keys").
const REVISION: &str = "org.opencontainers.image.revision";
const CREATED: &str = "org.opencontainers.image.created";

/// Platforms of the image, and its destination.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Pushes it there: registry.example.com/team/ensure-pull-secret[:tag]; the version is the tag where none is given.
    /// Credentials are those that buildah and podman use: of `buildah login`, or in $REGISTRY_AUTH_FILE.
    #[arg(long, value_name = "REFERENCE")]
    push: Option<String>,
    /// Only for these platforms, a comma between them.
    #[arg(long, value_delimiter = ',', default_values_t = Platform::ALL)]
    platform: Vec<Platform>,
    /// A directory with the registry's CA as *.crt, beside what the system trusts.
    #[arg(long, value_name = "DIRECTORY", requires = "push")]
    cert_dir: Option<PathBuf>,
    /// `false`: pushes without TLS, or to an untrusted certificate.
    #[arg(long, value_name = "BOOL", requires = "push", default_value_t = true, action = ArgAction::Set)]
    tls_verify: bool,
    /// Leaves dist/ and builds no image: for a cluster that builds it, as tekton/build/openshift.yaml does.
    #[arg(long, conflicts_with = "push")]
    dist_only: bool,
    /// Instead, builds the Containerfile at the top without network, with this machine's toolchain, and compares its binary
    /// with the released one; for this machine's platform if none is given. Needs buildah and root.
    #[arg(long, value_name = "PLATFORM", num_args = 0..=1, require_equals = true, exclusive = true)]
    from_source: Option<Option<Platform>>,
}

/// Builds the binaries, fills dist/ with what an image is built from, builds the image and pushes it.
///
/// # Errors
/// Where a compiler or a builder is missing, something can't be built, the image has too much beside its binary, or the
/// registry doesn't take it.
pub fn image(arguments: &Arguments) -> Result<ExitCode> {
    if let Some(platform) = arguments.from_source {
        source_image::check(platform.map_or_else(Platform::native, Ok)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    // Errors of the arguments and a missing builder come first: the build takes minutes.
    let destination = arguments.destination()?;
    let builder = if arguments.dist_only {
        None
    } else {
        Some(Builder::installed()?)
    };
    let labels = labels()?;
    let binaries = arguments
        .platform
        .iter()
        .map(|platform| Ok((*platform, static_binary::build_for(*platform)?)))
        .collect::<Result<Vec<_>>>()?;
    let context = BuildContext::write(&project::file("dist"), &binaries)?;
    eprintln!("xtask: dist/ has the files of the image");
    match builder {
        None => Ok(ExitCode::SUCCESS),
        Some(builder) => interrupt::run(build(builder, context, labels, destination)),
    }
}

async fn build(
    builder: Builder,
    context: BuildContext,
    labels: Labels,
    destination: Option<Destination>,
) -> Result<ExitCode> {
    let image = BuiltImage::build(&builder, &context, &labels).await?;
    for size in image.sizes() {
        eprintln!(
            "xtask: the image for {} is {} bytes, its binary and {} more",
            size.platform,
            size.image,
            size.metadata()
        );
    }
    if let Some(destination) = destination {
        let pushed = image.push(&destination).await?;
        println!("{pushed}\n\n{}", kustomize_images(&pushed));
    }
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn destination(&self) -> Result<Option<Destination>> {
        let Some(reference) = &self.push else {
            return Ok(None);
        };
        let mut destination = Destination::new(reference)?;
        if let Some(directory) = &self.cert_dir {
            destination = destination.with_certificates(directory.clone());
        }
        if !self.tls_verify {
            destination = destination.without_verification();
        }
        Ok(Some(destination))
    }
}

/// Labels for the commit and its date; none where files differ from it.
fn labels() -> Result<Labels> {
    let shell = project::shell()?;
    // `format-local` is UTC then.
    let git = |arguments: &[&str]| {
        cmd!(shell, "git {arguments...}")
            .env("TZ", "UTC")
            .quiet()
            .ignore_stderr()
            .read()
    };
    let Ok(commit) = git(&["rev-parse", "HEAD"]) else {
        eprintln!("xtask: this is no clone: the image has no labels for its commit");
        return Ok(Labels::new());
    };
    let changes =
        git(&["status", "--porcelain"]).context("cannot list the files that differ from the commit")?;
    if !changes.is_empty() {
        eprintln!("xtask: files differ from the commit: the image has no labels for it");
        return Ok(Labels::new());
    }
    let date = git(&[
        "show",
        "--no-patch",
        "--format=%cd",
        "--date=format-local:%Y-%m-%dT%H:%M:%SZ",
    ]);
    let date = date.context("cannot read the commit's date")?;
    Ok(Labels::from([
        (REVISION.to_owned(), commit),
        (CREATED.to_owned(), date),
    ]))
}

/// The block for a kustomization that sets this image.
fn kustomize_images(image: &PushedImage) -> String {
    format!(
        "images:\n- name: {}\n  newName: {}\n  digest: {}",
        container_image::project::image(),
        image.name(),
        image.digest()
    )
}
