//! A control plane that ends in the middle of runs, at each of their calls, and comes back.

use std::{fmt, time::Duration};

use anyhow::{Context as _, Result, ensure};
use test_cluster::{
    control_plane::{Cluster, Options},
    listener::faulty::{Plan, Side},
    program::RunningProgram,
};

use crate::{
    all_of::all_of,
    case::Step,
    crashes::Moment,
    endings::Ending,
    oracle,
    promises::{ensure_next_ends_well, ensure_nothing_lost},
    proxies::Proxies,
    situation::Setting,
    slots::Taken,
    steps,
    world::{Prepared, Slots, World},
};

/// Secrets, and so runs at the same time: more than there are cases.
const SLOTS: usize = 60;
/// Cases at work at the same time, but for those that wait for the control plane.
const BUSY: usize = 4;
/// Time limit for all runs to reach their calls.
const PATIENCE: Duration = Duration::from_secs(60);

/// Server that ends.
#[derive(Clone, Copy, Debug)]
pub enum Ends {
    /// The API server.
    ApiServer,
    /// The API server and its store.
    ControlPlane,
}

/// A run that is held at one of its calls.
struct Held<'a> {
    setting: Setting,
    step: Step,
    moment: Moment,
    slot: Taken<'a>,
    prepared: Prepared,
    proxies: Proxies,
}

impl<'a> Held<'a> {
    async fn all(world: &World, slots: &'a Slots, steps: &[(Setting, Step)]) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        let asked = steps.iter().filter(|(_, step)| step.side == Side::ApiServer);
        for (setting, step) in asked {
            for moment in [Moment::Asked, Moment::Done] {
                let slot = slots.take().await;
                let prepared = world.prepare(&slot, setting.situation).await?;
                let plan = Plan::none().once(step.number, moment.held());
                all.push(Self {
                    setting: *setting,
                    step: step.clone(),
                    moment,
                    proxies: Proxies::start(world, *setting, Some((step.side, plan)), &prepared)?,
                    slot,
                    prepared,
                });
            }
        }
        Ok(all)
    }

    fn start(&self, world: &World) -> Result<RunningProgram> {
        let program = world.program(&self.slot, self.setting.situation);
        self.proxies.lead(program).spawn()
    }

    async fn ensure_ends_well(&self, world: &World, running: RunningProgram) -> Result<()> {
        let outcome = running.wait().await?;
        ensure_nothing_lost(
            world,
            &self.slot,
            &self.prepared,
            &outcome,
            &self.proxies.calls(),
            self.moment.loses_answer(),
        )
        .await?;
        let (ending, expected) = (Ending::of(&outcome), oracle::without_faults(self.setting));
        ensure!(ending == expected, "it ended with {ending}\n{outcome}");
        ensure_next_ends_well(world, &self.slot, self.setting.situation, &self.prepared).await
    }
}

impl fmt::Display for Held<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            setting,
            step,
            moment,
            ..
        } = self;
        write!(formatter, "{setting}/{}/{moment:?}", step.kind)
    }
}

/// Runs of each setting get to each of their calls of the API server; the control plane is killed, and started again.
/// Gives how many runs there were.
///
/// # Errors
/// Names the runs that broke a promise, and which.
pub async fn ensure_outlived(ends: Ends) -> Result<usize> {
    let mut cluster = Cluster::start(Options::new().registries()).await?;
    let (world, slots) = World::within(cluster.access(), SLOTS).await?;
    let steps = steps::of_all_settings(&world, &*slots.take().await).await?;
    let all = Held::all(&world, &slots, &steps).await?;
    let mut running = Vec::new();
    for held in &all {
        running.push(held.start(&world)?);
    }
    for held in &all {
        let occurred = held.proxies.occurred(held.step.side, held.moment.held());
        tokio::time::timeout(PATIENCE, occurred)
            .await
            .with_context(|| format!("{held} did not get to the call"))?;
    }
    match ends {
        Ends::ApiServer => cluster.kill_api_server(),
        Ends::ControlPlane => cluster.kill(),
    }
    for held in &all {
        held.proxies.let_go();
    }
    cluster.restart().await?;
    let named = all.iter().zip(running).map(|pair| (pair.0.to_string(), pair));
    all_of(
        BUSY,
        named,
        async |(held, running): (&Held<'_>, RunningProgram)| held.ensure_ends_well(&world, running).await,
    )
    .await?;
    Ok(all.len())
}
