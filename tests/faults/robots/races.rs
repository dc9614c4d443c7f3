//! Many runs with a token file at one Secret, and others that write to it meanwhile.

use anyhow::{Context as _, Result, ensure};
use futures_util::future::{join_all, try_join_all};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use tokio::sync::watch;

use super::{
    setting::{Setting, Situation, ensure_reason},
    stage::Stage,
};
use crate::{
    history::Watched,
    world::Slot,
    writers::{Writer, ensure_never_back},
};

/// Runs at once.
const RUNS: usize = 20;
const WRITERS: [Writer; 2] = [Writer::Labels, Writer::Entries];

/// Lets many runs and two other writers loose at one Secret, in each setting.
///
/// # Errors
/// Names the setting and the promise that is broken.
pub async fn ensure_concurrent_runs_end_well() -> Result<()> {
    let (stage, slots) = Stage::new(1).await?;
    let slot = slots.take().await;
    for setting in Setting::all().filter(|setting| setting.situation != Situation::OneIsDown) {
        let ended = setting.race(&stage, &slot).await;
        ended.with_context(|| setting.to_string())?;
    }
    stage.world.clear(&slot).await
}

impl Setting {
    async fn race(self, stage: &Stage, slot: &Slot) -> Result<()> {
        let before = self.prepare(stage, slot).await?;
        let program = self.program(stage, slot)?.env("PULL_SECRET_TIMEOUT", "1m");
        let api: Api<Secret> = stage.world.namespace().api();
        let watched = Watched::begin(api.clone(), &slot.secret).await?;
        let (stop, stopped) = watch::channel(false);
        let runs = async {
            let outcomes = join_all((0..RUNS).map(|_| program.run())).await;
            stop.send_replace(true);
            outcomes
        };
        let writers = WRITERS.map(|writer| writer.write_until(stopped.clone(), &api, &slot.secret));
        let (outcomes, written) = tokio::join!(runs, try_join_all(writers));
        for outcome in outcomes {
            ensure_reason(&outcome?, self.reason())?;
        }
        let versions = watched.end().await?;
        for (writer, last) in WRITERS.iter().zip(written?) {
            ensure_never_back(*writer, &versions)?;
            let stored = versions.last().map(|secret| writer.number(secret)).transpose()?;
            let stored = stored.flatten().unwrap_or_default();
            ensure!(stored == last, "{writer:?} wrote {last}, and {stored} is stored");
        }
        self.ensure_pulled_throughout(stage, &versions, before.as_ref())
            .await
    }

    /// Once a version pulls, every later one does.
    async fn ensure_pulled_throughout(
        self,
        stage: &Stage,
        versions: &[Secret],
        before: Option<&Secret>,
    ) -> Result<()> {
        let mut pulled = before.is_some();
        for secret in versions {
            let version = || format!("version {:?}", secret.metadata.resource_version);
            let kept = self.ensure_not_worse(stage, Some(secret), before).await;
            kept.with_context(version)?;
            let pulls = self.pulls(stage, secret).await?.is_some();
            ensure!(
                pulls || !pulled,
                "{} does not pull, and one before it did",
                version()
            );
            pulled = pulls;
        }
        ensure!(pulled, "the last version does not pull");
        Ok(())
    }
}
