//! The fault matrix: every call of every situation with every possible fault, against the real API server and a
//! registry with OpenShift's rules. Run with `cargo xtask reliability`.

mod all_of;
mod case;
mod catalogue;
mod crashes;
mod crowd;
mod endings;
mod history;
mod model;
mod oracle;
mod promises;
mod proxies;
mod record;
mod restarts;
mod robots;
mod runner;
mod sample;
mod situation;
mod slots;
mod steps;
mod world;
mod writers;

use anyhow::{Context as _, Result, ensure};
use proptest::prelude::ProptestConfig;
use proptest_state_machine::prop_state_machine;

use tokio::sync::Mutex;

use test_cluster::{
    access::ClusterAccess,
    control_plane::{Cluster, Options},
};

use crate::{
    model::System, record::Record, restarts::Ends, runner::Matrix, situation::Situation, writers::Writer,
};

/// Path of the record of the matrix.
const RECORD: &str = "FAULT_MATRIX_RECORD";
/// Prefix of the names of the cases to run.
const CASE: &str = "FAULT_MATRIX_CASE";
/// Set to anything, it runs every case. By default a sample runs.
const WHOLE: &str = "FAULT_MATRIX_WHOLE";
/// Seed of the pairs, of one place in the answers and of the sample.
const SEED: &str = "FAULT_MATRIX_SEED";
/// The default of [`SEED`].
const USUAL_SEED: u64 = 1;

/// The situations in which a run may write.
const WRITTEN_TO: [Situation; 4] = [
    Situation::FirstRun,
    Situation::Refresh,
    Situation::Repair,
    Situation::Steady,
];
/// One after the other: each keeps the machine busy, and measures time.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_at_every_call_leaves_a_credential_that_pulls() -> Result<()> {
    let _alone = ALONE.lock().await;
    let seed = match std::env::var(SEED) {
        Ok(seed) => seed.parse().with_context(|| format!("{SEED} is not a number"))?,
        Err(_) => USUAL_SEED,
    };
    let only = std::env::var(CASE).ok();
    let matrix = Matrix::new(seed).await?;
    let mut cases = matrix.cases().await?;
    let all = cases.len();
    if let Some(only) = &only {
        cases.retain(|case| case.name().starts_with(only.as_str()));
        ensure!(!cases.is_empty(), "no case is called {only}…");
    } else {
        ensure!(all > 1000, "only {all} cases were made");
        if std::env::var_os(WHOLE).is_none() {
            cases = sample::choose(cases, seed);
            println!("a sample of {} of {all} cases, with seed {seed}", cases.len());
        }
    }
    let record = Record::new(seed, matrix.run(cases, only.is_some()).await?);
    if let Some(path) = std::env::var_os(RECORD) {
        record.write(path.as_ref())?;
    }
    record.ensure_kept()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_or_terminated_run_leaves_a_credential_that_pulls() -> Result<()> {
    let _alone = ALONE.lock().await;
    let count = crashes::ensure_all_survived().await?;
    ensure!(count > 100, "only {count} runs were ended");
    println!("{count} runs were ended");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_robots_usable_password_outlives_every_fault_and_kill() -> Result<()> {
    let _alone = ALONE.lock().await;
    let count = robots::ensure_all_kept(std::env::var_os(WHOLE).is_some()).await?;
    ensure!(count > 200, "only {count} cases were made");
    println!("{count} runs of robots");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_concurrent_runs_of_a_robot_end_well() -> Result<()> {
    let _alone = ALONE.lock().await;
    robots::ensure_concurrent_runs_end_well().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_survive_a_restart_of_the_control_plane() -> Result<()> {
    let _alone = ALONE.lock().await;
    for ends in [Ends::ApiServer, Ends::ControlPlane] {
        let count = restarts::ensure_outlived(ends)
            .await
            .with_context(|| format!("{ends:?}"))?;
        ensure!(count > 20, "only {count} runs were under way");
        println!("{count} runs outlived the {ends:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_concurrent_runs_and_other_writers_lose_no_data() -> Result<()> {
    let _alone = ALONE.lock().await;
    let api_servers = [ClusterAccess::shared().clone()];
    crowd::ensure_all_well(&api_servers, &WRITTEN_TO, &[Writer::Labels, Writer::Entries]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_concurrent_runs_end_well_while_the_secret_is_recreated() -> Result<()> {
    let _alone = ALONE.lock().await;
    let api_servers = [ClusterAccess::shared().clone()];
    let situations = [Situation::FirstRun, Situation::Refresh];
    crowd::ensure_all_well(&api_servers, &situations, &[Writer::Recreates, Writer::Labels]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_and_writers_at_two_api_servers_lose_no_data() -> Result<()> {
    let _alone = ALONE.lock().await;
    let mut cluster = Cluster::start(Options::new().registries()).await?;
    let another = cluster.another_api_server().await?;
    let api_servers = [cluster.access().clone(), another];
    crowd::ensure_all_well(&api_servers, &WRITTEN_TO, &[Writer::Labels, Writer::Entries]).await
}

prop_state_machine! {
    #![proptest_config(ProptestConfig {
        // A case takes a few seconds; more of them by PROPTEST_CASES.
        cases: if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 16 },
        max_shrink_iters: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_sequence_of_events_ends_as_the_contract_requires(sequential 1..20 => System);
}
