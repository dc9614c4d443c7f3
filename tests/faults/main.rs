//! The fault matrix: every call of every situation, and every fault that can befall it, against the real API server and a
//! registry with OpenShift's rules. Run with `cargo xtask reliability`.

mod case;
mod catalogue;
mod endings;
mod oracle;
mod promises;
mod proxies;
mod record;
mod runner;
mod situation;
mod world;

use anyhow::{Context as _, Result, ensure};

use crate::{record::Record, runner::Matrix};

/// Where the record of the matrix is to be written.
const RECORD: &str = "FAULT_MATRIX_RECORD";
/// Only cases whose name begins with this are run.
const CASE: &str = "FAULT_MATRIX_CASE";
/// Another seed than the usual one.
const SEED: &str = "FAULT_MATRIX_SEED";
/// What pairs and places are drawn with, unless told otherwise.
const USUAL_SEED: u64 = 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes ten minutes and more: `cargo xtask reliability`"]
async fn whatever_fails_at_whatever_call_what_pulled_before_pulls_after() -> Result<()> {
    let seed = match std::env::var(SEED) {
        Ok(seed) => seed.parse().with_context(|| format!("{SEED} is not a number"))?,
        Err(_) => USUAL_SEED,
    };
    let only = std::env::var(CASE).ok();
    let matrix = Matrix::new(seed).await?;
    let mut cases = matrix.cases().await?;
    if let Some(only) = &only {
        cases.retain(|case| case.name().starts_with(only.as_str()));
        ensure!(!cases.is_empty(), "no case is called {only}…");
    } else {
        ensure!(cases.len() > 1000, "only {} cases were made", cases.len());
    }
    let record = Record::new(seed, matrix.run(cases, only.is_some()).await?);
    if let Some(path) = std::env::var_os(RECORD) {
        record.write(path.as_ref())?;
    }
    record.ensure_kept()
}
