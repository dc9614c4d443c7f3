//! The program's image: built by buildah or podman from its `Containerfile`, measured, pushed.
//!
//! What is built is always a list of images, one for each platform, even where that is a single one: who pulls it never
//! has to care. The same files give the same digest, whenever and wherever they are built with the same release of the
//! builder: timestamps are zero, and nothing of the builder is written into the image.
//!
//! Nothing of the user's is touched: the builder works in a storage of its own, which disappears with the
//! [`BuiltImage`].
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use container_image::{Destination, build_and_push};
//!
//! let destination = Destination::new("registry.example.com:5000/team/ensure-pull-secret:test")?
//!     .with_certificates("/certificates".into())
//!     .with_credentials("/auth.json".into());
//! let image = build_and_push("target/ensure-pull-secret".as_ref(), &destination).await?;
//! println!("{image}"); // registry.example.com:5000/team/ensure-pull-secret@sha256:…
//! # Ok(())
//! # }
//! ```

mod build_context;
mod builder;
mod built_image;
mod bundle;
mod destination;
mod oci;
mod platform;
pub mod project;
mod size;
mod storage;

use std::path::Path;

use anyhow::{Context as _, Result};

pub use build_context::BuildContext;
pub use builder::Builder;
pub use built_image::{BuiltImage, Labels};
pub use bundle::{BundleObject, write_bundle};
pub use destination::{Destination, PushedImage};
pub use oci::{layout_digest, sha256};
pub use platform::Platform;
pub use size::{Size, pulled};

/// Builds the image for this machine's platform alone, from a static binary of it.
///
/// # Errors
/// Where neither buildah nor podman is installed, or the image can't be built or is too large.
pub async fn build(binary: &Path) -> Result<BuiltImage> {
    let builder = Builder::installed()?;
    let directory = tempfile::tempdir().context("cannot create a directory for the build's context")?;
    let context = BuildContext::write(directory.path(), &[(Platform::native()?, binary.to_owned())])?;
    BuiltImage::build(&builder, &context, &Labels::new()).await
}

/// Builds it as [`build`] does, pushes it, and gives the name that pulls it, `name@sha256:…`.
///
/// # Errors
/// As of [`build`], and where the registry doesn't take it.
pub async fn build_and_push(binary: &Path, destination: &Destination) -> Result<PushedImage> {
    build(binary).await?.push(destination).await
}
