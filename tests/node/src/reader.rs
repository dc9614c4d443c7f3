//! A reader who types the marked blocks of pages, with values of their own.

use std::{
    fs,
    path::Path,
    process::{Output, Stdio},
};

use anyhow::{Context as _, Result, bail};
use test_cluster::{
    access::ClusterAccess,
    node::platform::{Namespaces, Platform},
};

use crate::{
    Block, World, blocks,
    pushed_image::program_image,
    script,
    world::{copy, manifests},
};

/// The values of the pages that each reader replaces.
const IMAGE: &str = "registry.example.com/ensure-pull-secret";
const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
const NAMESPACE: &str = "my-models";
const ROBOT_REGISTRY: &str = "quay.io/team";
const ROBOT: &str = "team+robot";
const ROBOT_TOKEN_FILE: &str = "robot-token.txt";
/// Image in the samples that stands for a user's own.
const STAND_IN: &str = "registry.access.redhat.com/ubi9/ubi-minimal:9.6";

/// The marked blocks of a page below `docs/`.
///
/// # Errors
/// If the page can't be read or has no such block.
pub fn blocks_of(page: &str) -> Result<Vec<Block>> {
    let path = manifests().join("../docs").join(page);
    let markdown = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    blocks(&markdown).with_context(|| page.to_owned())
}

/// A reader with a clone, a namespace and an image.
pub struct Reader {
    namespace: String,
    values: Vec<(String, String)>,
    files: Vec<(String, String)>,
    _platform: Platform,
}

impl Reader {
    /// A reader in a namespace that need not exist yet.
    ///
    /// # Errors
    /// If the image can't be pushed, or the platform's services don't start.
    pub async fn new(namespace: &str) -> Result<Self> {
        let access = ClusterAccess::shared();
        let image = program_image().await?;
        let values = [
            (IMAGE, image.name.as_str()),
            // Of the image; a Pipeline's sample has it for an image that is not built.
            (&format!("digest: {DIGEST}"), &format!("digest: {}", image.digest)),
            (NAMESPACE, namespace),
            (STAND_IN, &access.node()?.images.busybox),
        ];
        Ok(Self {
            namespace: namespace.to_owned(),
            values: values
                .map(|(page, own)| (page.to_owned(), own.to_owned()))
                .to_vec(),
            files: Vec::new(),
            _platform: Platform::stand_in(access, Namespaces::One(namespace)).await?,
        })
    }

    /// Has another value than the pages.
    #[must_use]
    pub fn with_value(mut self, page: &str, own: &str) -> Self {
        self.values.push((page.to_owned(), own.to_owned()));
        self
    }

    /// Has a file at the top of the clone.
    #[must_use]
    pub fn with_file(mut self, name: &str, content: &str) -> Self {
        self.files.push((name.to_owned(), content.to_owned()));
        self
    }

    /// Has a robot account at a registry.
    ///
    /// # Errors
    /// If the test cluster has none.
    pub fn with_robot(self) -> Result<Self> {
        let registry = &ClusterAccess::shared().registries()?.basic;
        let robot = registry.account("robot").context("the registry has a robot")?;
        Ok(self
            .with_value(ROBOT_REGISTRY, &registry.host.name)
            .with_value(ROBOT, &robot.name)
            .with_file(ROBOT_TOKEN_FILE, &robot.password))
    }

    /// Types the blocks in one shell at the top of a clone; returns the output.
    ///
    /// # Errors
    /// If a command fails.
    pub async fn type_blocks(&self, blocks: &[Block]) -> Result<String> {
        let clone = tempfile::tempdir()?;
        copy(&manifests(), &clone.path().join("tekton"))?;
        self.edit_samples(&clone.path().join("tekton/samples"))?;
        for (name, content) in &self.files {
            fs::write(clone.path().join(name), content).with_context(|| format!("cannot write {name}"))?;
        }
        let Output {
            status,
            stdout,
            stderr,
        } = World::command_with_kubectl("bash")?
            .args(["-c", &self.own(&script(blocks))])
            .current_dir(clone.path())
            .stdin(Stdio::null())
            .output()
            .await
            .context("cannot run bash")?;
        let printed = String::from_utf8_lossy(&stdout).into_owned();
        if !status.success() {
            let stderr = String::from_utf8_lossy(&stderr).into_owned();
            bail!("{status}\n{printed}\n{stderr}\n{}", self.events().await?);
        }
        Ok(printed)
    }

    /// A text with this reader's values.
    pub fn own(&self, text: &str) -> String {
        self.values
            .iter()
            .fold(text.to_owned(), |text, (page, own)| text.replace(page, own))
    }

    fn edit_samples(&self, directory: &Path) -> Result<()> {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() {
                self.edit_samples(&path)?;
            } else {
                fs::write(&path, self.own(&fs::read_to_string(&path)?))?;
            }
        }
        Ok(())
    }

    /// Events of the namespace.
    async fn events(&self) -> Result<String> {
        let output = World::command_with_kubectl("kubectl")?
            .args(["events", "--namespace", &self.namespace])
            .output()
            .await
            .context("cannot run kubectl")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
