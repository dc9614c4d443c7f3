//! Others that write to the same Secret: each changes something of its own, again and again, and counts.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::sync::watch;

use crate::world::unmanaged_secret;

/// The pause between two writes of one writer: a run takes several of them.
const PACE: Duration = Duration::from_millis(30);
/// Shortest time between two writes: runs start over as long as another writer is faster.
const MOST: u32 = 50;
/// The label that one counts in.
const LABEL: &str = "round";
/// Prefix of the entry in which another writer counts: the number is the user name.
const ENTRY: &str = r#""writer.test":{"auth":""#;
const DOCUMENT: &str = ".dockerconfigjson";

/// A writer, and what it writes.
#[derive(Clone, Copy, Debug)]
pub enum Writer {
    /// A controller that sets a label: a patch.
    Labels,
    /// Another tool with its own entry in the document: it reads, and replaces the object.
    Entries,
    /// A writer that deletes the Secret and creates it again, without a managed entry.
    Recreates,
}

impl Writer {
    /// Writes until it is stopped, or has written often enough; returns the last number.
    ///
    /// # Errors
    /// If the API server denies a valid request.
    pub async fn write_until(
        self,
        stop: watch::Receiver<bool>,
        api: &Api<Secret>,
        name: &str,
    ) -> Result<u32> {
        let mut number = 0;
        while number < MOST && !*stop.borrow() {
            tokio::time::sleep(PACE).await;
            let wrote = self.tries(api, name, number + 1).await?;
            number += u32::from(wrote);
        }
        Ok(number)
    }

    /// Writes once unless there is a conflict; returns whether it did.
    async fn tries(self, api: &Api<Secret>, name: &str, number: u32) -> Result<bool> {
        Ok(match self {
            Self::Labels => {
                let label = json!({"metadata": {"labels": {LABEL: number.to_string()}}});
                let patched = api
                    .patch(name, &PatchParams::default(), &Patch::Merge(label))
                    .await;
                unless(404, patched)?.is_some()
            }
            Self::Entries => write_entry(api, name, number).await?,
            Self::Recreates => {
                unless(404, api.delete(name, &DeleteParams::default()).await)?;
                let created = api.create(&PostParams::default(), &unmanaged_secret(name)).await;
                unless(409, created)?.is_some()
            }
        })
    }

    /// Writes once.
    ///
    /// # Errors
    /// If the API server denies it.
    pub async fn write(self, api: &Api<Secret>, name: &str, number: u32) -> Result<()> {
        ensure!(self.tries(api, name, number).await?, "{self:?} could not write");
        Ok(())
    }

    /// The label with a number.
    pub fn label(number: u32) -> (String, String) {
        (LABEL.to_owned(), number.to_string())
    }

    /// Prefix of the entry with a number.
    pub fn entry(number: u32) -> String {
        format!("{ENTRY}{}\"", auth(number))
    }

    /// The number in this version; none if there is none yet.
    ///
    /// # Errors
    /// If it is no number.
    pub fn number(self, secret: &Secret) -> Result<Option<u32>> {
        let text = match self {
            Self::Labels => secret
                .metadata
                .labels
                .as_ref()
                .and_then(|labels| labels.get(LABEL))
                .cloned(),
            Self::Entries => {
                let document = text(secret)?;
                let auth = document
                    .split_once(ENTRY)
                    .and_then(|(_, rest)| rest.split_once('"'))
                    .map(|(auth, _)| STANDARD.decode(auth))
                    .transpose()?;
                let user = auth.map(String::from_utf8).transpose()?;
                user.and_then(|pair| pair.split_once(':').map(|(user, _)| user.to_owned()))
            }
            Self::Recreates => None,
        };
        text.map(|text| text.parse().with_context(|| format!("{text} is no number")))
            .transpose()
    }
}

/// Reads, edits and replaces; returns whether there was no conflict.
async fn write_entry(api: &Api<Secret>, name: &str, number: u32) -> Result<bool> {
    let Some(mut secret) = api.get_opt(name).await? else {
        return Ok(false);
    };
    let Some(edited) = with_entry(&text(&secret)?, number) else {
        return Ok(false);
    };
    let data = secret.data.get_or_insert_default();
    data.insert(DOCUMENT.to_owned(), ByteString(edited.into_bytes()));
    let replaced = api.replace(name, &PostParams::default(), &secret).await;
    // Deleted since, or another version by now.
    Ok(match replaced {
        Err(kube::Error::Api(status)) if status.code == 404 => false,
        replaced => unless(409, replaced)?.is_some(),
    })
}

/// The document with this number in the entry, every other byte as it was; none where it has no `auths`.
fn with_entry(document: &str, number: u32) -> Option<String> {
    let auth = auth(number);
    if let Some((before, rest)) = document.split_once(ENTRY) {
        let (_, after) = rest.split_once('"')?;
        return Some(format!("{before}{ENTRY}{auth}\"{after}"));
    }
    let (_, rest) = document.split_once("\"auths\"")?;
    let (_, after) = rest.split_once('{')?;
    let before = document.strip_suffix(after)?;
    let comma = if after.trim_start().starts_with('}') {
        ""
    } else {
        ","
    };
    Some(format!("{before}{ENTRY}{auth}\"}}{comma}{after}"))
}

fn auth(number: u32) -> String {
    STANDARD.encode(format!("{number}:password"))
}

fn text(secret: &Secret) -> Result<String> {
    let document = secret.data.as_ref().and_then(|data| data.get(DOCUMENT));
    Ok(String::from_utf8(
        document.context("there is a document")?.0.clone(),
    )?)
}

/// The answer; none where it is an error of this status.
fn unless<Answer>(status: u16, answer: kube::Result<Answer>) -> Result<Option<Answer>> {
    match answer {
        Err(kube::Error::Api(refused)) if refused.code == status => Ok(None),
        answer => Ok(Some(answer?)),
    }
}

/// A writer's number never decreases: otherwise another writer overwrote a version that it hadn't read.
///
/// # Errors
/// Names the versions.
pub fn ensure_never_back(writer: Writer, versions: &[Secret]) -> Result<()> {
    let mut last = None;
    for secret in versions {
        let number = writer.number(secret)?;
        ensure!(
            number >= last,
            "{writer:?} had written {last:?}, and version {:?} has {number:?}",
            secret.metadata.resource_version
        );
        last = number;
    }
    Ok(())
}
