//! An image in a storage of its own.

use std::{collections::BTreeMap, ffi::OsString, fs, path::Path};

use anyhow::{Context as _, Result, bail};

use crate::{
    build_context::BuildContext,
    builder::Builder,
    destination::{Destination, PushedImage},
    platform::Platform,
    size::Size,
    storage::Storage,
};

/// Labels beside those of the `Containerfile`, by their name.
pub type Labels = BTreeMap<String, String>;

/// What the list of images is called in its storage, where nothing else is.
const LIST: &str = "image";

/// An image that was built. It is gone when this is dropped.
#[derive(Debug)]
pub struct BuiltImage {
    builder: Builder,
    storage: Storage,
    sizes: Vec<Size>,
}

impl BuiltImage {
    /// Builds a list of images, one for each platform of the context.
    ///
    /// # Errors
    /// Where the builder fails, or an image has more than [`Size::METADATA`] bytes beside its binary.
    pub async fn build(builder: &Builder, context: &BuildContext, labels: &Labels) -> Result<Self> {
        let image = Self::of(builder, context.directory(), context.binaries(), labels).await?;
        image.sizes.iter().try_for_each(Size::check)?;
        Ok(image)
    }

    /// Builds another image than the program's, for this machine's platform alone, from a directory with a
    /// `Containerfile`: what is compared with the program's is built and compressed in the same way. It may be of any
    /// size, and no binary of it is known.
    ///
    /// # Errors
    /// Where the builder fails.
    pub async fn build_other(builder: &Builder, directory: &Path) -> Result<Self> {
        Self::of(builder, directory, &[(Platform::native()?, 0)], &Labels::new()).await
    }

    async fn of(
        builder: &Builder,
        directory: &Path,
        binaries: &[(Platform, u64)],
        labels: &Labels,
    ) -> Result<Self> {
        let storage = Storage::new()?;
        // One after the other: side by side, the list would have them in the order in which they are ready.
        for (platform, _) in binaries {
            builder
                .run(&storage, build_arguments(directory, *platform, labels), None)
                .await
                .with_context(|| {
                    format!(
                        "cannot build the image for {platform} from {}",
                        directory.display()
                    )
                })?;
        }
        let layout = storage.path("layout");
        let mut destination = OsString::from("dir:");
        destination.push(&layout);
        let arguments = push_arguments([LIST.into(), destination]);
        builder
            .run(&storage, arguments, None)
            .await
            .context("cannot write the image to a directory, to measure it")?;
        let sizes = Size::of_layout(&layout, binaries)?;
        Ok(Self {
            builder: builder.clone(),
            storage,
            sizes,
        })
    }

    /// How large it is, for each platform.
    pub fn sizes(&self) -> &[Size] {
        &self.sizes
    }

    /// Writes the list and all of its images into a directory, as an OCI image layout: for `crane push` or
    /// `skopeo copy --all`, where no builder is at hand.
    ///
    /// # Errors
    /// Where the directory can't be written.
    pub async fn write_layout(&self, directory: &Path) -> Result<()> {
        let mut destination = OsString::from("oci:");
        destination.push(directory);
        self.builder
            .run(&self.storage, push_arguments([LIST.into(), destination]), None)
            .await
            .with_context(|| format!("cannot write the image to {}", directory.display()))
    }

    /// Pushes the list and all of its images.
    ///
    /// # Errors
    /// Where the registry can't be reached, isn't trusted, or refuses it.
    pub async fn push(&self, destination: &Destination) -> Result<PushedImage> {
        let failure = || format!("cannot push the image to {}", destination.reference());
        let digest_file = self.storage.path("digest");
        self.push_with(destination, &["--digestfile".into(), (&digest_file).into()])
            .await
            .with_context(failure)?;
        let digest = fs::read_to_string(&digest_file).unwrap_or_default();
        if digest.is_empty() {
            // buildah 1.28 forgets that a push has failed where it writes a digest. Without, it says why.
            self.push_with(destination, &[]).await.with_context(failure)?;
            bail!("{}, only at the second try: try again", failure());
        }
        destination.pushed(digest.trim())
    }

    async fn push_with(&self, destination: &Destination, options: &[OsString]) -> Result<()> {
        let mut arguments = options.to_vec();
        arguments.extend(destination.options());
        arguments.push(LIST.into());
        arguments.push(format!("docker://{}", destination.reference()).into());
        self.builder
            .run(
                &self.storage,
                push_arguments(arguments),
                destination.environment(),
            )
            .await
    }
}

/// Pushes the list with all of its images.
fn push_arguments(rest: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let push = ["manifest", "push", "--all"].map(OsString::from);
    push.into_iter().chain(rest).collect()
}

fn build_arguments(directory: &Path, platform: Platform, labels: &Labels) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = [
        "build",
        "--format=oci",
        // Nothing is run, so nothing has to be isolated; the others ask for rights that a container hasn't got.
        "--isolation=chroot",
        "--layers=false",
        // The same files shall give the same digest: no time, no builder's version, no account of the build.
        "--timestamp=0",
        "--identity-label=false",
        "--omit-history",
        "--manifest",
        LIST,
        "--platform",
    ]
    .map(Into::into)
    .into();
    arguments.push(platform.to_string().into());
    for (name, value) in labels {
        arguments.extend(["--label".into(), format!("{name}={value}").into()]);
    }
    arguments.push(directory.into());
    arguments
}
