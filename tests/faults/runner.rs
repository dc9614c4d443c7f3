//! Runs cases, many at the same time, and holds each to every promise.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use test_cluster::listener::faulty::Side;
use tokio::sync::Semaphore;

use crate::{
    case::{Case, Course, Kind, Second, Step},
    catalogue::hangs,
    endings::Ending,
    oracle,
    promises::{ensure_kept, ensure_next_ends_well, may_have_been_spared},
    proxies::Proxies,
    record::Ran,
    situation::{Setting, Situation},
    world::{Slot, World},
};

/// Cases at the same time. Most of the time most of them wait for a deadline.
const SLOTS: usize = 40;
/// Of those, how many may be at work.
const BUSY: u32 = 5;
/// The time that a run has where it takes all of it.
const SHORT: Duration = Duration::from_secs(3);
/// The exit code of what another try may help.
const TRY_AGAIN: i32 = 75;
/// The time that a run has where it takes no more than a moment of it.
const LONG: Duration = Duration::from_secs(20);
/// By how much a run may outlast its time.
const GRACE: Duration = Duration::from_secs(1);
/// Of how many runs one is shown to crane.
const SAMPLE: usize = 40;

/// Everything that cases share.
pub struct Matrix {
    world: World,
    slots: Mutex<Vec<Slot>>,
    seed: u64,
}

impl Matrix {
    /// Makes what cases share.
    pub async fn new(seed: u64) -> Result<Self> {
        let (world, slots) = World::new(SLOTS).await?;
        Ok(Self {
            world,
            slots: Mutex::new(slots),
            seed,
        })
    }

    /// All cases: each setting is run once without faults, and its calls are what they are made from.
    pub async fn cases(&self) -> Result<Vec<Case>> {
        let mut cases = Vec::new();
        for situation in Situation::ALL {
            for reviewed in [false, true] {
                let setting = Setting { situation, reviewed };
                let steps = self
                    .steps(setting)
                    .await
                    .with_context(|| format!("{setting}, without faults"))?;
                cases.extend(Case::all(setting, &steps, self.seed));
            }
        }
        Ok(cases)
    }

    async fn steps(&self, setting: Setting) -> Result<Vec<Step>> {
        let slot = self.slot().context("all slots are free")?;
        let prepared = self.world.prepare(&slot, setting.situation).await?;
        let proxies = Proxies::start(&self.world, setting, None, &prepared)?;
        let outcome = proxies
            .lead(self.world.program(&slot, setting.situation))
            .run()
            .await?;
        let ending = Ending::of(&outcome);
        ensure!(
            oracle::without_faults(setting) == ending,
            "it ended with {ending}\n{outcome}"
        );
        let mut steps = Vec::new();
        let calls = proxies.calls();
        for (side, calls) in [(Side::ApiServer, calls.api), (Side::Registry, calls.registry)] {
            if side == Side::Registry && setting.reviewed {
                continue;
            }
            for (index, (call, kind)) in calls.iter().zip(Kind::of(&calls)).enumerate() {
                steps.push(Step {
                    side,
                    number: index + 1,
                    kind,
                    has_body: call.has_body,
                    answer_has_body: kind != Kind::Manifest && !call.answered.is_empty(),
                });
            }
        }
        self.world.clear(&slot).await?;
        self.give_back(slot);
        Ok(steps)
    }

    /// Runs them all. `chatty`: says how each ended.
    pub async fn run(self, cases: Vec<Case>, chatty: bool) -> Result<Vec<Ran>> {
        let matrix = Arc::new(self);
        let slots = Arc::new(Semaphore::new(SLOTS));
        let busy = Arc::new(Semaphore::new(BUSY as usize));
        let (begun, done) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
        let count = cases.len();
        let mut running = Vec::new();
        for (index, case) in cases.into_iter().enumerate() {
            let (matrix, slots, busy, done) = (
                Arc::clone(&matrix),
                Arc::clone(&slots),
                Arc::clone(&busy),
                Arc::clone(&done),
            );
            running.push(tokio::spawn(async move {
                let _free = slots.acquire().await?;
                let slot = matrix.slot().context("as many slots as permits")?;
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
                matrix.give_back(slot);
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
        let proxies = Proxies::start(world, case.setting, Some(case), &prepared)?;
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
            ensure_next_ends_well(world, slot, case, &prepared).await
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

    fn slot(&self) -> Option<Slot> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give_back(&self, slot: Slot) {
        self.slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(slot);
    }
}

/// What was seen of a case.
#[derive(Debug)]
pub struct Seen {
    /// How it ended.
    pub ending: Ending,
    /// How often one server was asked, at most.
    pub tries: usize,
    /// Whether something else than the program may be why it broke one. Run again alone, it is the program.
    pub is_doubtful: bool,
    /// Which promise it broke, and all that it put out.
    pub broken: Option<String>,
}

/// Whether a run with these faults takes the time that it has.
fn waits(case: &Case) -> bool {
    let second = match case.course {
        Course::Then(Second(second)) => hangs(second),
        Course::Lasting => true,
        Course::Once => false,
    };
    second || hangs(case.fault)
}
