//! Invariants of every run, whatever failed in it or ended it: an image that could be pulled before can be pulled
//! after, no unmanaged data is lost, and the report is true.
//!
//! The suite's own client reads stored objects, and an independent client checks pulls: the program's statements are
//! not trusted.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::Secret;

use crate::{clients::Puller, program::Outcome};

const DOCUMENT: &str = ".dockerconfigjson";
const EXPIRES_AT: &str = "ensure-pull-secret/expires-at";
/// State after a first run that ends before it has a credential.
const PLACEHOLDER: &[u8] = br#"{"auths":{}}"#;

/// Unmanaged data of a Secret.
#[derive(Clone, Debug, Default)]
pub struct Unmanaged {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Data beside the document.
    pub data: BTreeMap<String, Vec<u8>>,
    /// Parts of the document in their order, byte for byte.
    pub document: Vec<String>,
}

/// State before a run.
#[derive(Clone, Debug)]
pub struct Before {
    secret: Option<Secret>,
    pulled: bool,
    unmanaged: Unmanaged,
}

/// State after a run.
#[derive(Clone, Copy, Debug)]
pub struct After {
    /// Difference from the state before.
    pub change: Change,
    /// True if it pulls.
    pub pulls: bool,
}

/// Difference between the states before and after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Not at all.
    None,
    /// There is a Secret that wasn't there.
    Created,
    /// The Secret is another version, or another object.
    Changed,
}

impl Unmanaged {
    /// Nothing of this is missing or different in `secret`.
    ///
    /// # Errors
    /// Describes the state.
    pub fn ensure_in(&self, secret: &Secret) -> Result<()> {
        ensure_holds(
            "label",
            secret.metadata.labels.as_ref(),
            &self.labels,
            String::clone,
        )?;
        ensure_holds(
            "annotation",
            secret.metadata.annotations.as_ref(),
            &self.annotations,
            String::clone,
        )?;
        ensure_holds("key", secret.data.as_ref(), &self.data, |value| value.0.clone())?;
        let document = String::from_utf8_lossy(document(secret)).into_owned();
        let mut rest = document.as_str();
        for part in &self.document {
            let (_, after) = rest.split_once(part.as_str()).with_context(|| {
                format!("{part} of others is not in the document any more, or not in its place")
            })?;
            rest = after;
        }
        Ok(())
    }
}

fn ensure_holds<Stored, Value: PartialEq>(
    what: &str,
    stored: Option<&BTreeMap<String, Stored>>,
    wanted: &BTreeMap<String, Value>,
    read: impl Fn(&Stored) -> Value,
) -> Result<()> {
    for (name, value) in wanted {
        let found = stored.and_then(|stored| stored.get(name)).map(&read);
        ensure!(
            found.as_ref() == Some(value),
            "{what} {name} of others is lost or changed"
        );
    }
    Ok(())
}

impl Before {
    /// The stored state, none without a Secret. It must have `foreign`.
    ///
    /// # Errors
    /// If it isn't, or the registry gives no verdict.
    pub async fn new(
        secret: Option<Secret>,
        unmanaged: Unmanaged,
        puller: &Puller,
        image: &str,
    ) -> Result<Self> {
        let pulled = match &secret {
            Some(secret) => {
                unmanaged.ensure_in(secret).context("before the run")?;
                puller.pulls(document(secret), image).await?
            }
            None => false,
        };
        Ok(Self {
            secret,
            pulled,
            unmanaged,
        })
    }

    /// Unmanaged data.
    pub fn unmanaged(&self) -> &Unmanaged {
        &self.unmanaged
    }

    /// True if it pulled.
    pub fn pulled(&self) -> bool {
        self.pulled
    }

    /// Checks that an image that could be pulled before can be pulled after, that no unmanaged data is lost, and that a
    /// changed document is never worse.
    ///
    /// # Errors
    /// Names the promise that is broken.
    pub async fn ensure_not_worse(
        &self,
        after: Option<&Secret>,
        puller: &Puller,
        image: &str,
    ) -> Result<After> {
        let Some(after) = after else {
            ensure!(self.secret.is_none(), "the Secret is gone");
            return Ok(After {
                change: Change::None,
                pulls: false,
            });
        };
        let stored = document(after);
        let pulls = puller.pulls(stored, image).await?;
        let Some(before) = &self.secret else {
            if stored == PLACEHOLDER {
                let named =
                    |names: Option<&BTreeMap<String, String>>| names.is_some_and(|names| !names.is_empty());
                let (labels, annotations) = (&after.metadata.labels, &after.metadata.annotations);
                ensure!(
                    !named(labels.as_ref()) && !named(annotations.as_ref()),
                    "a placeholder has labels or annotations: dashboards would offer it"
                );
            } else {
                ensure!(pulls, "what a first run wrote does not pull");
            }
            return Ok(After {
                change: Change::Created,
                pulls,
            });
        };
        ensure!(
            after.metadata.uid == before.metadata.uid,
            "the Secret was deleted and made again"
        );
        self.unmanaged.ensure_in(after)?;
        ensure!(
            pulls || !self.pulled,
            "it pulled before the run and does not any more"
        );
        ensure!(
            pulls || stored == document(before),
            "the document was changed and does not pull"
        );
        let change = if after.metadata.resource_version == before.metadata.resource_version {
            Change::None
        } else {
            Change::Changed
        };
        Ok(After { change, pulls })
    }
}

/// Checks the report of a run of `ensure` or `verify` against the state after it.
///
/// `answers_were_lost`: a write may have been done without a response to the program. Then it reports less than was
/// done.
///
/// # Errors
/// Names what isn't true.
pub fn ensure_true(
    outcome: &Outcome,
    after: After,
    secret: Option<&Secret>,
    answers_were_lost: bool,
) -> Result<()> {
    let After { change, pulls } = after;
    match (outcome.result("ACTION"), change) {
        ("none" | "unchanged", Change::None)
        | ("created", Change::Created)
        | ("refreshed" | "repaired", Change::Changed) => {}
        // The placeholder of another run looks like one whose response was lost.
        ("refreshed" | "none", Change::Created) | ("none" | "unchanged", Change::Changed)
            if answers_were_lost => {}
        // The program could not read the Secret again.
        ("unknown", _) if answers_were_lost => {}
        (action, change) => bail!("ACTION is {action}, but the stored Secret is {change:?}"),
    }
    if outcome.result("STATUS") == "SUCCESS" {
        ensure!(pulls, "SUCCESS, and it does not pull");
        let annotations = secret.and_then(|secret| secret.metadata.annotations.as_ref());
        let stored = annotations.and_then(|annotations| annotations.get(EXPIRES_AT));
        ensure!(
            stored.map(String::as_str) == Some(outcome.result("EXPIRES_AT")),
            "EXPIRES_AT is not what is stored"
        );
    }
    if matches!(outcome.result("VERIFIED"), "pull" | "login" | "review") {
        ensure!(
            pulls,
            "VERIFIED is {}, but it can't pull",
            outcome.result("VERIFIED")
        );
    }
    ensure!(
        outcome.output.exit != 70 && !outcome.output.stderr.contains("panicked"),
        "a defect of the program"
    );
    Ok(())
}

fn document(secret: &Secret) -> &[u8] {
    let data = secret.data.as_ref().and_then(|data| data.get(DOCUMENT));
    data.map_or(&[], |document| document.0.as_slice())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret(document: &str) -> Secret {
        let mut secret: Secret = serde_json::from_value(json!({
            "metadata": {"labels": {"team": "blue"}, "annotations": {"note": "kept"}},
        }))
        .expect("a Secret");
        let data = [(DOCUMENT, document.as_bytes()), ("extra", b"\x00\xff".as_slice())];
        secret.data = Some(
            data.map(|(key, value)| (key.to_owned(), k8s_openapi::ByteString(value.to_vec())))
                .into(),
        );
        secret
    }

    #[test]
    fn each_kind_of_loss_is_reported() {
        let unmanaged = Unmanaged {
            labels: [("team".to_owned(), "blue".to_owned())].into(),
            annotations: [("note".to_owned(), "kept".to_owned())].into(),
            data: [("extra".to_owned(), b"\x00\xff".to_vec())].into(),
            document: vec!["\"a\" :1".to_owned(), "\"b\":2.50".to_owned()],
        };
        let whole = secret("{\"a\" :1,\"ours\":{},\"b\":2.50}");
        unmanaged.ensure_in(&whole).expect("all is there");
        let mut cases: Vec<(Secret, &str)> = [
            "{\"a\":1,\"b\":2.50}",
            "{\"a\" :1,\"b\":2.5}",
            "{\"b\":2.50,\"a\" :1}",
        ]
        .map(|document| (secret(document), "of others is not in the document"))
        .into();
        let mut without = whole.clone();
        without.metadata.labels = None;
        cases.push((without, "label team"));
        let mut changed = whole.clone();
        changed.metadata.annotations = Some([("note".to_owned(), "lost".to_owned())].into());
        cases.push((changed, "annotation note"));
        let mut without = whole;
        if let Some(data) = &mut without.data {
            data.remove("extra");
        }
        cases.push((without, "key extra"));
        for (secret, named) in cases {
            let error = unmanaged.ensure_in(&secret).expect_err(named);
            assert!(error.to_string().contains(named), "{error}");
        }
    }
}
