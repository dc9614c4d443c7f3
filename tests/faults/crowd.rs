//! Many runs at once, and others that write to the same Secret meanwhile.

use anyhow::{Context as _, Result, ensure};
use futures_util::future::{join_all, try_join_all};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use test_cluster::{
    access::ClusterAccess,
    invariants::{Before, Unmanaged},
    program::Outcome,
};
use tokio::sync::watch;

use crate::{
    endings::Ending,
    history::Watched,
    promises::ensure_next_ends_well,
    situation::Situation,
    world::{Prepared, Slot, World},
    writers::{Writer, ensure_never_back},
};

/// Runs at the same time.
const RUNS: usize = 20;

/// Setup of concurrent runs.
struct Crowd<'a> {
    /// State before the runs.
    situation: Situation,
    /// Concurrent writers.
    writers: &'a [Writer],
    /// The API servers; runs and writers take turns with them.
    api_servers: &'a [ClusterAccess],
}

/// Result of the runs.
struct Seen {
    /// The versions that the Secret had.
    versions: usize,
    /// Last value of each writer.
    written: Vec<u32>,
}

/// Lets a crowd loose in each situation, one after the other. The API servers share one store.
///
/// # Errors
/// Names the situation and the promise that is broken.
pub async fn ensure_all_well(
    api_servers: &[ClusterAccess],
    situations: &[Situation],
    writers: &[Writer],
) -> Result<()> {
    let first = api_servers.first().context("an API server")?;
    let (world, slots) = World::within(first, 1).await?;
    let slot = slots.take().await;
    for situation in situations {
        let crowd = Crowd {
            situation: *situation,
            writers,
            api_servers,
        };
        let seen = crowd
            .ensure_well(&world, &slot)
            .await
            .with_context(|| situation.to_string())?;
        println!(
            "{situation}: {} versions, others wrote {:?}",
            seen.versions, seen.written
        );
    }
    Ok(())
}

impl Crowd<'_> {
    /// Starts all of them, and checks the promises of every run and every version.
    ///
    /// # Errors
    /// Names the promise that is broken.
    async fn ensure_well(&self, world: &World, slot: &Slot) -> Result<Seen> {
        let prepared = world.prepare(slot, self.situation).await?;
        let first = self.api_servers.first().context("an API server")?;
        let watched = Watched::begin(self.api(first, world).await?, &slot.secret).await?;
        let (stop, stopped) = watch::channel(false);
        let runs = async {
            let outcomes = self.runs(world, slot).await;
            stop.send_replace(true);
            outcomes
        };
        let writers = self.writers.iter().zip(self.api_servers.iter().cycle());
        let written = try_join_all(writers.map(async |(writer, server)| {
            let api = self.api(server, world).await?;
            let written = writer.write_until(stopped.clone(), &api, &slot.secret).await;
            written.with_context(|| format!("{writer:?}"))
        }));
        let (outcomes, written) = tokio::join!(runs, written);
        let (outcomes, written) = (outcomes?, written?);
        let versions = watched.end().await?;
        for outcome in &outcomes {
            ensure!(
                Ending::of(outcome) == Ending::new("ok", "SUCCESS", 0),
                "a run did not end well\n{outcome}"
            );
        }
        for (writer, last) in self.writers.iter().zip(&written) {
            ensure_never_back(*writer, &of_last_object(&versions))?;
            let stored = versions
                .last()
                .map(|secret| writer.number(secret))
                .transpose()?
                .flatten();
            ensure!(
                self.recreates() || stored == Some(*last),
                "{writer:?} wrote {last}, and {stored:?} is stored"
            );
        }
        self.ensure_pulled_throughout(world, &prepared, &versions).await?;
        self.ensure_next_ends_well(world, slot, &prepared).await?;
        world.clear(slot).await?;
        Ok(Seen {
            versions: versions.len(),
            written,
        })
    }

    fn recreates(&self) -> bool {
        self.writers
            .iter()
            .any(|writer| matches!(writer, Writer::Recreates))
    }

    async fn api(&self, server: &ClusterAccess, world: &World) -> Result<Api<Secret>> {
        Ok(Api::namespaced(server.client().await?, world.namespace().name()))
    }

    async fn runs(&self, world: &World, slot: &Slot) -> Result<Vec<Outcome>> {
        let running = (0..RUNS)
            .zip(self.api_servers.iter().cycle())
            .map(|(number, server)| {
                world
                    .program(slot, self.situation)
                    .env("KUBERNETES_SERVICE_PORT", server.api_server.port().to_string())
                    .env("PULL_SECRET_DESCRIPTION", format!("run {}", number % 3))
                    .spawn()
            })
            .collect::<Result<Vec<_>>>()?;
        join_all(running.into_iter().map(|run| run.wait()))
            .await
            .into_iter()
            .collect()
    }

    /// Once a version pulls, every later one of the same object does; and nothing of others is lost in any of them.
    async fn ensure_pulled_throughout(
        &self,
        world: &World,
        prepared: &Prepared,
        versions: &[Secret],
    ) -> Result<()> {
        let unmanaged = prepared.before.unmanaged();
        let mut pulled = false;
        for secret in of_last_object(versions) {
            let version = secret.metadata.resource_version.clone();
            let seen = Before::new(Some(secret), unmanaged.clone(), world.puller(), world.image())
                .await
                .with_context(|| format!("version {version:?}"))?;
            ensure!(
                seen.pulled() || !pulled,
                "version {version:?} does not pull, and one before it did"
            );
            pulled = seen.pulled();
        }
        ensure!(pulled || self.recreates(), "the last version does not pull");
        Ok(())
    }

    async fn ensure_next_ends_well(&self, world: &World, slot: &Slot, prepared: &Prepared) -> Result<()> {
        if !self.recreates() {
            return ensure_next_ends_well(world, slot, self.situation, prepared).await;
        }
        // The Secret is another object by now, so the old state is no measure.
        let secret = world.secret(slot).await?;
        let before = Before::new(secret, Unmanaged::default(), world.puller(), world.image()).await?;
        let other = Prepared {
            before,
            earlier: prepared.earlier.clone(),
            token: None,
        };
        ensure_next_ends_well(world, slot, self.situation, &other).await
    }
}

/// The versions of the last object: a token is invalid once the object that it is bound to is deleted.
fn of_last_object(versions: &[Secret]) -> Vec<Secret> {
    let uid = versions.last().and_then(|secret| secret.metadata.uid.clone());
    let same = versions.iter().filter(|secret| secret.metadata.uid == uid);
    same.cloned().collect()
}
