//! Waiting for a condition that a real cluster brings about in its own time.

use std::{future::Future, time::Duration};

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// The longest that anything here may take: a kubelet's second back-off, twice, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Interval between checks.
const POLL: Duration = Duration::from_millis(200);

/// Calls `look` until it returns a value; fails with the last error of `look`.
///
/// # Errors
/// If [`PATIENCE`] is over, or `look` fails.
pub async fn eventually<T, Look, Looked>(what: &str, mut look: Look) -> Result<T>
where
    Look: FnMut() -> Looked,
    Looked: Future<Output = Result<std::result::Result<T, String>>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look().await? {
            Ok(seen) => return Ok(seen),
            Err(instead) if Instant::now() >= deadline => {
                bail!("{what}: not within {} s; instead: {instead}", PATIENCE.as_secs())
            }
            Err(_) => sleep(POLL).await,
        }
    }
}
