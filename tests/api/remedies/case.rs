//! Cases of the test: `cases.yaml`.

use anyhow::{Context as _, Result};
use serde::Deserialize;
use test_cluster::manifest::documents;

use super::stand_ins::ApiServer;

/// Cause of a failure, and what ends it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Reason that the first run ends with.
    pub reason: String,
    /// Words of MESSAGE that are followed. Without them, the line is the page's, the page's first command confirms the
    /// cause, and its second one is the fix.
    pub words: Option<String>,
    /// Overlay below `tekton/overlays`.
    #[serde(default = "openshift")]
    pub overlay: String,
    /// True if the program was installed, ran, and ended with `ok` before the cause.
    #[serde(default)]
    pub installed: bool,
    /// Commands that install the program and cause the failure.
    #[serde(default)]
    pub cause: String,
    /// `PULL_SECRET_MODE` of the first run.
    #[serde(default = "ensure")]
    pub mode: String,
    /// The API server of the first run.
    #[serde(default)]
    pub api: ApiServer,
    /// Limit of open files of the first run.
    pub files: Option<u32>,
    /// True if a webhook puts back the stored document in the first run.
    #[serde(default)]
    pub webhook: bool,
    /// True if nobody listens at quay.io in the first run.
    #[serde(default)]
    pub registry_down: bool,
    /// Text in the output of the page's first command.
    #[serde(default)]
    pub shows: Vec<String>,
    /// Text that is missing there.
    pub lacks: Option<String>,
    /// Commands before the fix.
    #[serde(default)]
    pub before: String,
    /// The fix, if it is not the page's.
    pub fix: Option<String>,
    /// Reason that the run after the fix ends with.
    #[serde(default = "ok")]
    pub after: String,
}

impl Case {
    /// All cases.
    pub fn all() -> Result<Vec<Self>> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/remedies/cases.yaml");
        let text = std::fs::read_to_string(path).with_context(|| path.to_owned())?;
        let cases = documents(&text)?.into_iter();
        cases
            .map(|case| {
                let name = case.to_string();
                serde_json::from_value(case).with_context(|| name)
            })
            .collect()
    }

    /// Its name in an error.
    pub fn name(&self) -> String {
        match &self.words {
            Some(words) => format!("{} ({words})", self.reason),
            None => self.reason.clone(),
        }
    }
}

fn openshift() -> String {
    "openshift-cronjob".to_owned()
}

fn ensure() -> String {
    "ensure".to_owned()
}

fn ok() -> String {
    "ok".to_owned()
}
