//! Runs that get SIGKILL or SIGTERM at each call.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use test_cluster::{
    listener::faulty::{Cut, Ending as CutEnding, Fault, Place, Plan, RequestFault},
    server_process::Signal,
};

use crate::{
    all_of::all_of,
    case::Step,
    endings::Ending,
    promises::{ensure_next_ends_well, ensure_nothing_given_away, ensure_nothing_lost},
    proxies::Proxies,
    situation::Setting,
    steps,
    world::{Slot, World},
};

/// Runs at the same time.
const SLOTS: usize = 4;
/// Time limit for a run to reach the call at which it is ended.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time limit for a run to end after SIGTERM.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A run, and the place and kind of its end.
struct Crash {
    setting: Setting,
    step: Step,
    moment: Moment,
    end: End,
}

/// When, at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The call is on its way, and its server does not have it.
    Asked,
    /// The server has done its work, and its answer is on its way.
    Done,
    /// Half of the answer has arrived.
    HalfAnswered,
}

#[derive(Clone, Copy, Debug)]
enum End {
    /// SIGKILL: out of memory, a node that fails, a grace period that is over.
    Killed,
    /// SIGTERM: a pod that is deleted, a Task that is cancelled.
    ToldToStop,
}

impl Moment {
    /// The fault that holds a run there.
    pub fn held(self) -> Fault {
        let cut = |place| {
            Fault::Cut(Cut {
                place,
                ending: CutEnding::Hang,
            })
        };
        match self {
            Self::Asked => Fault::Request(RequestFault::Hang),
            Self::Done => cut(Place::Start),
            Self::HalfAnswered => cut(Place::BodyMiddle),
        }
    }

    /// True if the server may have done its work without a response to the program.
    pub fn loses_answer(self) -> bool {
        self != Self::Asked
    }
}

impl Crash {
    fn all(steps: &[(Setting, Step)]) -> Vec<Self> {
        let mut all = Vec::new();
        for (setting, step) in steps {
            let moments = [Moment::Asked, Moment::Done, Moment::HalfAnswered];
            let of_this = |moment: &Moment| *moment != Moment::HalfAnswered || step.answer_has_body;
            for moment in moments.into_iter().filter(of_this) {
                all.extend([End::Killed, End::ToldToStop].map(|end| Self {
                    setting: *setting,
                    step: step.clone(),
                    moment,
                    end,
                }));
            }
        }
        all
    }

    async fn ensure_survived(&self, world: &World, slot: &Slot) -> Result<()> {
        let (situation, side) = (self.setting.situation, self.step.side);
        let fault = self.moment.held();
        let prepared = world.prepare(slot, situation).await?;
        let plan = Plan::none().once(self.step.number, fault);
        let proxies = Proxies::start(world, self.setting, Some((side, plan)), &prepared)?;
        let program = proxies.lead(world.program(slot, situation));
        let running = program.spawn()?;
        tokio::time::timeout(PATIENCE, proxies.occurred(side, fault))
            .await
            .context("it did not get to the call")?;
        match self.end {
            End::Killed => {
                let put_out = running.kill().await?;
                ensure_nothing_given_away(&put_out, &prepared, &proxies.calls())?;
                let secret = world.secret(slot).await?;
                prepared
                    .before
                    .ensure_not_worse(secret.as_ref(), world.puller(), world.image())
                    .await?;
            }
            End::ToldToStop => {
                let begun = Instant::now();
                running.signal(Signal::TERM)?;
                let outcome = running.wait().await?;
                let took = begun.elapsed();
                ensure!(took <= AT_ONCE, "it took {took:?} to stop");
                let (ending, expected) = (Ending::of(&outcome), Ending::new("deadline", "ERROR", 75));
                ensure!(ending == expected, "it ended with {ending}\n{outcome}");
                let (calls, is_lost) = (proxies.calls(), self.moment.loses_answer());
                ensure_nothing_lost(world, slot, &prepared, &outcome, &calls, is_lost).await?;
            }
        }
        ensure_next_ends_well(world, slot, situation, &prepared).await?;
        world.clear(slot).await
    }
}

impl fmt::Display for Crash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            setting,
            step,
            moment,
            end,
        } = self;
        write!(formatter, "{setting}/{}/{moment:?}/{end:?}", step.kind)
    }
}

/// Ends a run of each setting at each of its calls, in each way, and checks its promises; returns the number of runs.
///
/// # Errors
/// Names the runs that broke a promise, and which.
pub async fn ensure_all_survived() -> Result<usize> {
    let (world, slots) = World::new(SLOTS).await?;
    let steps = steps::of_all_settings(&world, &*slots.take().await).await?;
    let crashes = Crash::all(&steps);
    let named = crashes.iter().map(|crash| (crash.to_string(), crash));
    all_of(SLOTS, named, async |crash: &Crash| {
        let slot = slots.take().await;
        crash.ensure_survived(&world, &slot).await
    })
    .await?;
    Ok(crashes.len())
}
