//! Runs with a robot account's token file and two registries of a run: a fault at each call, an end at each call, and
//! many runs and other writers at once.

mod races;
mod setting;
mod stage;

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use test_cluster::{
    listener::faulty::{
        ConnectionFault, Cut, Ending, Fault, FaultyProxy, Invented, Place, Plan, RequestFault, Side,
    },
    program::{Outcome, Program},
    server_process::Signal,
};

pub use self::races::ensure_concurrent_runs_end_well;
use self::setting::{DOCUMENT, ensure_reason};
pub use self::{
    setting::{DOWN, Scheme, Setting, Situation},
    stage::Stage,
};
use crate::{all_of::all_of, crashes::Moment, world::Slot};

/// Cases at a time.
const SLOTS: usize = 4;
/// Faults of each call in a sample; they take turns.
const SAMPLE: usize = 3;
/// Time limit for a run to end after SIGTERM.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Fault at one call, and its repetition.
#[derive(Clone, Copy)]
struct Case {
    setting: Setting,
    side: Side,
    number: usize,
    event: Event,
}

#[derive(Clone, Copy)]
enum Event {
    Once(Fault),
    Lasting(Fault),
    Killed(Moment),
    ToldToStop(Moment),
}

/// Faults, the transient ones first.
const TRANSIENT: usize = 5;
const FAULTS: [Fault; 13] = [
    Fault::Request(RequestFault::Reset),
    Fault::Instead(Invented::Status(503)),
    cut(Place::Start, Ending::Close),
    Fault::Instead(Invented::Status(429)),
    Fault::Connection(ConnectionFault::ResetAfterHandshake),
    Fault::Instead(Invented::Status(401)),
    Fault::Instead(Invented::Status(404)),
    Fault::Instead(Invented::Html),
    cut(Place::BodyMiddle, Ending::Reset),
    Fault::Connection(ConnectionFault::UnknownAuthority),
    Fault::Instead(Invented::Redirect),
    Fault::Instead(Invented::Status(400)),
    Fault::Instead(Invented::Garbage),
];

const fn cut(place: Place, ending: Ending) -> Fault {
    Fault::Cut(Cut { place, ending })
}

impl Setting {
    /// The cases of all calls that a run without faults makes.
    async fn cases(self, stage: &Stage, slot: &Slot, is_whole: bool) -> Result<Vec<Case>> {
        let before = self.prepare(stage, slot).await?;
        let (program, [api, registry]) = self.start(stage, slot, |_| Plan::none())?;
        let outcome = program.run().await?;
        ensure_reason(&outcome, self.reason())?;
        self.ensure_kept(stage, slot, before.as_ref()).await?;
        let secret = stage.world.secret(slot).await?.context("the Secret is gone")?;
        let document = secret.data.and_then(|mut data| data.remove(DOCUMENT));
        let document = document.context("a document")?.0;
        stage.world.crane_pulls(document, &self.image(stage)?).await?;
        let mut cases = Vec::new();
        let calls = [
            (Side::ApiServer, api.calls().len()),
            (Side::Registry, registry.calls().len()),
        ];
        for (side, count) in calls {
            ensure!(count > 0, "{self}: no call");
            for number in 1..=count {
                let case = |event| Case {
                    setting: self,
                    side,
                    number,
                    event,
                };
                let mut events: Vec<Event> = FAULTS
                    .iter()
                    .flat_map(|fault| [Event::Once(*fault), Event::Lasting(*fault)])
                    .filter(|event| !self.is_misled_by(side, *event))
                    .collect();
                let (moment, other) = match number % 2 {
                    0 => (Moment::Asked, Moment::Done),
                    _ => (Moment::Done, Moment::Asked),
                };
                let mut ends = vec![Event::Killed(moment), Event::ToldToStop(other)];
                if is_whole {
                    ends.extend([Event::Killed(other), Event::ToldToStop(moment)]);
                } else {
                    // An odd step meets each event in turn.
                    events.rotate_left((number * 7 + self.situation as usize * 5) % FAULTS.len());
                    events = events.into_iter().step_by(9).take(SAMPLE).collect();
                }
                cases.extend(events.into_iter().chain(ends).map(case));
            }
        }
        Ok(cases)
    }

    /// True if the fault is a denial of what the registry allows, and the registry's answer counts. A refused login is asked
    /// once more.
    fn is_misled_by(self, side: Side, event: Event) -> bool {
        let denials: &[u16] = match (self.situation, event) {
            (Situation::Hidden, Event::Once(_)) => &[404],
            (Situation::Anonymous | Situation::Hidden, _) => &[400, 401, 404],
            _ => return false,
        };
        let (Event::Once(fault) | Event::Lasting(fault)) = event else {
            return false;
        };
        side == Side::Registry
            && matches!(fault, Fault::Instead(Invented::Status(status)) if denials.contains(&status))
    }

    async fn ensure_kept(self, stage: &Stage, slot: &Slot, before: Option<&Secret>) -> Result<()> {
        let after = stage.world.secret(slot).await?;
        self.ensure_not_worse(stage, after.as_ref(), before).await?;
        let data = |secret: Option<&Secret>| secret.and_then(|secret| secret.data.clone());
        ensure!(
            !self.is_kept() || data(before) == data(after.as_ref()),
            "the document was changed"
        );
        Ok(())
    }
}

impl Case {
    async fn ensure_kept(self, stage: &Stage, slot: &Slot) -> Result<()> {
        let setting = self.setting;
        let before = setting.prepare(stage, slot).await?;
        match self.event {
            Event::Once(fault) => {
                let plan = Plan::none().once(self.number, fault);
                let is_transient = FAULTS[..TRANSIENT].contains(&fault);
                self.fail(stage, slot, plan, is_transient).await?;
            }
            Event::Lasting(fault) => {
                let plan = Plan::none().lasting(self.number, fault);
                self.fail(stage, slot, plan, false).await?;
            }
            Event::Killed(moment) => self.end(stage, slot, moment, false).await?,
            Event::ToldToStop(moment) => self.end(stage, slot, moment, true).await?,
        }
        setting.ensure_kept(stage, slot, before.as_ref()).await?;
        let next = setting.program(stage, slot)?.run().await?;
        ensure_reason(&next, setting.reason()).context("the next run")?;
        setting.ensure_kept(stage, slot, before.as_ref()).await?;
        stage.world.clear(slot).await
    }

    async fn fail(self, stage: &Stage, slot: &Slot, plan: Plan, is_transient: bool) -> Result<()> {
        let (program, _proxies) = self.start(stage, slot, plan)?;
        let outcome = program.run().await?;
        if is_transient && self.setting.situation != Situation::OneIsDown {
            ensure_reason(&outcome, self.setting.reason())?;
        }
        self.ensure_true(&outcome)
    }

    /// Ends the run at the call, by SIGKILL or by SIGTERM; a run that makes fewer calls ends by itself.
    async fn end(self, stage: &Stage, slot: &Slot, moment: Moment, is_told: bool) -> Result<()> {
        let plan = Plan::none().once(self.number, moment.held());
        let (program, [api, registry]) = self.start(stage, slot, plan)?;
        let proxy = match self.side {
            Side::ApiServer => api,
            Side::Registry => registry,
        };
        let mut running = program.spawn()?;
        tokio::select! {
            () = proxy.after(move |call| call.fault == Some(moment.held())) => {}
            () = running.ended() => return self.ensure_true(&running.wait().await?),
        }
        if !is_told {
            return self.setting.ensure_nothing_given_away(&running.kill().await?);
        }
        let begun = Instant::now();
        running.signal(Signal::TERM)?;
        let outcome = running.wait().await?;
        let took = begun.elapsed();
        ensure!(took <= AT_ONCE, "it took {took:?} to stop\n{outcome}");
        ensure!(outcome.output.exit == 75, "it was told to stop\n{outcome}");
        self.ensure_true(&outcome)
    }

    fn start(self, stage: &Stage, slot: &Slot, plan: Plan) -> Result<(Program, [FaultyProxy; 2])> {
        let of_side = |side| {
            if side == self.side {
                plan.clone()
            } else {
                Plan::none()
            }
        };
        self.setting.start(stage, slot, of_side)
    }

    fn ensure_true(self, outcome: &Outcome) -> Result<()> {
        ensure!(outcome.output.exit != 70, "a defect of the program\n{outcome}");
        let is_true = outcome.result("STATUS") != "SUCCESS" || self.setting.reason() == "ok";
        ensure!(is_true, "SUCCESS\n{outcome}");
        Ok(())
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{:?} {}/", self.setting, self.side, self.number)?;
        match self.event {
            Event::Once(fault) => write!(formatter, "{fault}/once"),
            Event::Lasting(fault) => write!(formatter, "{fault}/from-then-on"),
            Event::Killed(moment) => write!(formatter, "killed {moment:?}"),
            Event::ToldToStop(moment) => write!(formatter, "told to stop {moment:?}"),
        }
    }
}

/// Tries a sample of the faults, or all of them, and both signals at each call; returns the number of runs.
///
/// # Errors
/// Names the cases that broke a promise, and which.
pub async fn ensure_all_kept(is_whole: bool) -> Result<usize> {
    let (stage, slots) = Stage::new(SLOTS).await?;
    let mut cases = Vec::new();
    for setting in Setting::all() {
        let of_setting = setting.cases(&stage, &*slots.take().await, is_whole).await;
        cases.extend(of_setting.with_context(|| setting.to_string())?);
    }
    let count = cases.len();
    let named = cases.into_iter().map(|case| (case.to_string(), case));
    all_of(SLOTS, named, async |case: Case| {
        let slot = slots.take().await;
        case.ensure_kept(&stage, &slot).await
    })
    .await?;
    Ok(count)
}
