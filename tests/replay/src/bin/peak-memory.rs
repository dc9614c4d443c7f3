//! `peak-memory COMMAND [ARGUMENT...]`: runs it, and prints the most resident memory that it, or a process that it waited
//! for, ever had, in KiB (getrusage, `ru_maxrss`).
//!
//! A separate program because Linux counts the parent's memory at the start: the parent must be small.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments
        .next()
        .context("usage: peak-memory COMMAND [ARGUMENT...]")?;
    let status = Command::new(&program)
        .args(arguments)
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(status.success(), "{} ended with {status}", program.display());
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("cannot ask for the memory used")?;
    println!("{}", usage.max_rss());
    Ok(())
}
