//! The calls of runs in which nothing fails: what every case is made from.

use anyhow::{Context as _, Result, ensure};
use test_cluster::listener::faulty::Side;

use crate::{
    case::{Kind, Step},
    endings::Ending,
    oracle,
    proxies::Proxies,
    situation::Setting,
    world::{Slot, World},
};

/// Every setting with the calls that are its own: those of the others are the same ones.
///
/// # Errors
/// If a run without faults does not end as expected.
pub async fn of_all_settings(world: &World, slot: &Slot) -> Result<Vec<(Setting, Step)>> {
    let mut all = Vec::new();
    for setting in Setting::all() {
        let steps = of(world, slot, setting)
            .await
            .with_context(|| format!("{setting}, without faults"))?;
        let own = steps.into_iter().filter(|step| step.belongs_to(setting));
        all.extend(own.map(|step| (setting, step)));
    }
    Ok(all)
}

async fn of(world: &World, slot: &Slot, setting: Setting) -> Result<Vec<Step>> {
    let prepared = world.prepare(slot, setting.situation).await?;
    let proxies = Proxies::start(world, setting, None, &prepared)?;
    let outcome = proxies.lead(world.program(slot, setting.situation)).run().await?;
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
    world.clear(slot).await?;
    Ok(steps)
}
