//! The images that a node needs before it has any: pushed to the registry that allows anonymous access, and pulled from it.

use std::{net::SocketAddr, path::Path};

use anyhow::{Context as _, Result};
use requirements::BUSYBOX;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::registry::{
    Registries,
    image::{Content, File, Format, Image},
};

/// References that the node can pull.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Images {
    /// Does nothing, and so holds a pod's namespaces.
    pub pause: String,
    /// A shell with the usual commands, for steps in place of a user's.
    pub busybox: String,
    /// Tekton's entrypoint.
    pub entrypoint: String,
}

impl Images {
    /// Makes and pushes them.
    ///
    /// # Errors
    /// If a program is missing or the registry refuses an image.
    pub fn push(registries: &Registries, entrypoint: &Path) -> Result<Self> {
        let push = |reference: &str, content: Content| -> Result<String> {
            push_to(registries.store, reference, content)?;
            Ok(format!("{}/{reference}", registries.open.host.name))
        };
        Ok(Self {
            pause: push("node/pause:1", busybox(&["sleep", "2147483647"])?)?,
            busybox: push("node/busybox:1", busybox(&["sh"])?)?,
            entrypoint: push("node/tekton-entrypoint:1", tekton_entrypoint(entrypoint)?)?,
        })
    }
}

fn push_to(store: SocketAddr, reference: &str, content: Content) -> Result<()> {
    Image::with(Format::Oci, content)?.push(store, reference)
}

/// An image of busybox that runs one of its commands as a user without rights.
///
/// # Errors
/// If busybox isn't installed.
pub fn busybox(command: &[&str]) -> Result<Content> {
    let program = std::fs::read(BUSYBOX).context("busybox is not installed")?;
    let mut files = vec![File::executable("bin/busybox", program)];
    // Commands that scripts of the suite use.
    for name in [
        "sh", "cat", "echo", "sleep", "test", "printf", "true", "false", "env", "id", "wc",
    ] {
        files.push(File::link(format!("bin/{name}"), "/bin/busybox"));
    }
    let mut entrypoint = vec!["/bin/busybox"];
    entrypoint.extend(command);
    Ok(Content {
        files,
        config: json!({ "Entrypoint": entrypoint, "Env": ["PATH=/bin"], "User": "65532:65532" }),
    })
}

/// Tekton's own: it copies itself from where its controller expects it (pkg/pod/pod.go, `entrypointInitContainer`).
fn tekton_entrypoint(program: &Path) -> Result<Content> {
    let program = std::fs::read(program).context("cannot read Tekton's entrypoint")?;
    Ok(Content {
        files: vec![File::executable("ko-app/entrypoint", program)],
        config: json!({ "Entrypoint": ["/ko-app/entrypoint"], "User": "65532:65532" }),
    })
}
