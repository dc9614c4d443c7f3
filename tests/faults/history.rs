//! Every version that a Secret ever had, by a watch.

use anyhow::{Context as _, Result, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{ListParams, WatchEvent, WatchParams},
};
use tokio::{sync::oneshot, task::JoinHandle};

/// A watch of one Secret.
pub struct Watched {
    api: Api<Secret>,
    name: String,
    last: oneshot::Sender<String>,
    versions: JoinHandle<Result<Vec<Secret>>>,
}

impl Watched {
    /// Starts a watch; it sees every write from now on.
    ///
    /// # Errors
    /// If the API server doesn't respond.
    pub async fn begin(api: Api<Secret>, name: &str) -> Result<Self> {
        let fields = format!("metadata.name={name}");
        let listed = api.list(&ListParams::default().fields(&fields)).await?;
        let from = listed.metadata.resource_version.context("a list has a version")?;
        let events = api
            .watch(&WatchParams::default().fields(&fields), &from)
            .await?
            .boxed();
        let (last, until) = oneshot::channel::<String>();
        let versions = tokio::spawn(async move {
            let mut events = events;
            let mut until = Some(until);
            let (mut versions, mut last) = (listed.items, None);
            loop {
                let seen = versions
                    .last()
                    .and_then(|secret| secret.metadata.resource_version.clone());
                if last.is_some() && last == seen {
                    return Ok(versions);
                }
                tokio::select! {
                    end = async { until.as_mut().expect("asked for once").await }, if until.is_some() => {
                        last = Some(end.context("the receiver of the versions is gone")?);
                        until = None;
                    }
                    event = events.try_next() => match event?.context("the watch has ended")? {
                        WatchEvent::Added(secret) | WatchEvent::Modified(secret) => versions.push(secret),
                        WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => {}
                        WatchEvent::Error(error) => anyhow::bail!("the watch failed: {}", error.message),
                    },
                }
            }
        });
        Ok(Self {
            api,
            name: name.to_owned(),
            last,
            versions,
        })
    }

    /// All versions from the first one to the current one. No writer may be active.
    ///
    /// # Errors
    /// If there is no Secret now, or the watch broke.
    pub async fn end(self) -> Result<Vec<Secret>> {
        let now = self.api.get(&self.name).await?;
        let version = now.metadata.resource_version.context("an object has a version")?;
        ensure!(self.last.send(version).is_ok(), "the watch has ended");
        self.versions.await?
    }
}
