//! Runs cases, many at the same time, and holds each to every promise.

use std::{
    sync::Arc,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use tokio::sync::Semaphore;

use crate::{
    case::{Case, Course, Second},
    catalogue::hangs,
    endings::Ending,
    promises::{ensure_kept, ensure_next_ends_well, may_have_been_spared},
    proxies::Proxies,
    record::Ran,
    steps,
    world::{Slot, Slots, World},
};

/// Cases at the same time. Most of the time most of them wait for a deadline.
const SLOTS: usize = 40;
/// Number of cases that may work at the same time.
const BUSY: u32 = 5;
/// The time that a run has where it takes all of it.
const SHORT: Duration = Duration::from_secs(3);
/// The exit code of what another try may help.
const TRY_AGAIN: i32 = 75;
/// The time that a run has where it takes no more than a moment of it.
const LONG: Duration = Duration::from_secs(20);
/// By how much a run may outlast its time.
const GRACE: Duration = Duration::from_secs(1);
/// One run in this number is checked with crane.
const SAMPLE: usize = 40;

/// Everything that cases share.
pub struct Matrix {
    world: World,
    slots: Slots,
    seed: u64,
}

impl Matrix {
    /// Makes what cases share.
    pub async fn new(seed: u64) -> Result<Self> {
        let (world, slots) = World::new(SLOTS).await?;
        Ok(Self { world, slots, seed })
    }

    /// All cases: each setting runs once without faults, and its calls are the base of the cases.
    pub async fn cases(&self) -> Result<Vec<Case>> {
        let steps = steps::of_all_settings(&self.world, &*self.slots.take().await).await?;
        let cases = steps
            .iter()
            .flat_map(|(setting, step)| Case::all(*setting, step, self.seed));
        Ok(cases.collect())
    }

    /// Runs them all. `chatty`: prints how each ended.
    pub async fn run(self, cases: Vec<Case>, chatty: bool) -> Result<Vec<Ran>> {
        let matrix = Arc::new(self);
        let busy = Arc::new(Semaphore::new(BUSY as usize));
        let (begun, done) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
        let count = cases.len();
        let mut running = Vec::new();
        for (index, case) in cases.into_iter().enumerate() {
            let (matrix, busy, done) = (Arc::clone(&matrix), Arc::clone(&busy), Arc::clone(&done));
            running.push(tokio::spawn(async move {
                let slot = matrix.slots.take().await;
                let mut again = false;
                let mut ran = matrix.case(&slot, &case, &busy, index % SAMPLE == 0).await;
                matrix.world.clear(&slot).await?;
                if ran
                    .as_ref()
                    .is_ok_and(|seen| seen.broken.is_some() && seen.is_doubtful)
                {
                    let _alone = busy.acquire_many(BUSY).await?;
                    again = true;
                    ran = matrix.case(&slot, &case, &Semaphore::new(1), false).await;
                    matrix.world.clear(&slot).await?;
                }
                let ran = Ran::new(&case, ran, again);
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                if chatty {
                    println!("{ran}");
                } else if done.is_multiple_of(250) {
                    println!(
                        "{done} of {count} cases in {:.0} s",
                        begun.elapsed().as_secs_f64()
                    );
                }
                anyhow::Ok(ran)
            }));
        }
        let mut all = Vec::new();
        for case in running {
            all.push(case.await??);
        }
        println!("{count} cases in {:.0} s", begun.elapsed().as_secs_f64());
        Ok(all)
    }

    async fn case(&self, slot: &Slot, case: &Case, busy: &Semaphore, show_to_crane: bool) -> Result<Seen> {
        let (world, situation) = (&self.world, case.setting.situation);
        let mut at_work = Some(busy.acquire().await?);
        let prepared = world.prepare(slot, situation).await?;
        let proxies = Proxies::start(
            world,
            case.setting,
            Some((case.step.side, case.plan())),
            &prepared,
        )?;
        let waits = waits(case);
        let time = if waits { SHORT } else { LONG };
        let program = proxies
            .lead(world.program(slot, situation))
            .env("PULL_SECRET_TIMEOUT", format!("{}s", time.as_secs()))
            .timeout(time + LONG);
        let begun = Instant::now();
        let running = program.spawn()?;
        if waits {
            // Another one may work meanwhile.
            at_work = None;
        }
        let outcome = running.wait().await?;
        let took = begun.elapsed();
        if at_work.is_none() {
            at_work = Some(busy.acquire().await?);
        }
        let calls = proxies.calls();
        drop(proxies);
        let kept = async {
            ensure!(took <= time + GRACE, "it took {took:?} of {time:?}");
            ensure_kept(world, slot, case, &prepared, &outcome, &calls, show_to_crane).await?;
            ensure_next_ends_well(world, slot, situation, &prepared).await
        };
        let kept = kept.await;
        drop(at_work);
        Ok(Seen {
            ending: Ending::of(&outcome),
            tries: calls.api.len().max(calls.registry.len()),
            // A busy machine takes its time, and a short one is soon over.
            is_doubtful: took > time + GRACE
                || (waits && outcome.output.exit == TRY_AGAIN)
                || may_have_been_spared(case, &Ending::of(&outcome)),
            broken: kept.err().map(|error| format!("{error:#}\n{outcome}")),
        })
    }
}

/// Result of a case.
#[derive(Debug)]
pub struct Seen {
    /// End of the run.
    pub ending: Ending,
    /// Highest number of requests to one server.
    pub tries: usize,
    /// True if the load of the machine may be the cause of a broken promise. Such a case runs again, alone; then the
    /// program is the cause.
    pub is_doubtful: bool,
    /// Broken promise and all outputs.
    pub broken: Option<String>,
}

/// True if a run with these faults takes all its time.
fn waits(case: &Case) -> bool {
    let second = match case.course {
        Course::Then(Second(second)) => hangs(second),
        Course::Lasting => true,
        Course::Once => false,
    };
    second || hangs(case.fault)
}
