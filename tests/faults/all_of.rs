//! Many cases, some at a time.

use anyhow::{Result, bail};
use futures_util::{StreamExt as _, stream};

/// Tries each case, which has a name, `at_once` at a time.
///
/// # Errors
/// Names every case that failed, and why.
pub async fn all_of<Case>(
    at_once: usize,
    cases: impl IntoIterator<Item = (String, Case)>,
    ensure: impl AsyncFn(Case) -> Result<()>,
) -> Result<()> {
    let ensure = &ensure;
    let failed: Vec<String> = stream::iter(cases)
        .map(|(name, case)| async move { ensure(case).await.err().map(|error| format!("{name}: {error:#}")) })
        .buffer_unordered(at_once)
        .filter_map(std::future::ready)
        .collect()
        .await;
    if !failed.is_empty() {
        bail!("{} failed:\n{}", failed.len(), failed.join("\n\n"));
    }
    Ok(())
}
