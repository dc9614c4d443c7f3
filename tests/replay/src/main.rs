//! `replay RECORDING`: sends the requests of a recording again.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use replay::{Recording, client};

fn main() -> Result<()> {
    let path: PathBuf = std::env::args_os()
        .nth(1)
        .context("usage: replay RECORDING")?
        .into();
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let recording: Recording =
        serde_json::from_slice(&bytes).with_context(|| format!("{} is not a recording", path.display()))?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(client::replay(&recording))
}
