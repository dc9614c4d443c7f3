//! Results of the cases, for docs/development/reliability.md and for debugging.

use std::{collections::BTreeMap, fmt, fs, path::Path};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use crate::{
    case::{Case, Course},
    oracle,
    runner::Seen,
};

/// Number of failed cases that are printed whole.
const SHOWN: usize = 12;

/// All cases of a run.
#[derive(Serialize)]
pub struct Record {
    seed: u64,
    cases: Vec<Ran>,
}

/// A case and its result.
#[derive(Serialize)]
pub struct Ran {
    name: String,
    setting: String,
    reviewed: bool,
    call: String,
    fault: String,
    course: &'static str,
    expected: Vec<String>,
    ended: Option<String>,
    tries: usize,
    again: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<String>,
}

impl Ran {
    /// A case and what was seen of it, or which promise was broken; `again`: with nothing beside it, since there was doubt.
    pub fn new(case: &Case, ran: Result<Seen>, again: bool) -> Self {
        let (ended, tries, broken) = match ran {
            Ok(seen) => (Some(seen.ending.to_string()), seen.tries, seen.broken),
            Err(error) => (None, 0, Some(format!("{error:#}"))),
        };
        Self {
            name: case.name(),
            setting: case.setting.situation.to_string(),
            reviewed: case.setting.reviewed,
            call: case.step.kind.to_string(),
            fault: case.fault.to_string(),
            course: match case.course {
                Course::Once => "once",
                Course::Lasting => "lasting",
                Course::Then(_) => "pair",
            },
            expected: oracle::endings(case).iter().map(ToString::to_string).collect(),
            ended,
            tries,
            again,
            broken,
        }
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ended = self
            .ended
            .as_deref()
            .or(self.broken.as_deref())
            .unwrap_or_default();
        write!(formatter, "{}: {ended}", self.name)
    }
}

impl Record {
    /// The record of a run with this seed.
    pub fn new(seed: u64, cases: Vec<Ran>) -> Self {
        Self { seed, cases }
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        fs::write(path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Every case kept every promise.
    ///
    /// # Errors
    /// Names those that didn't, and shows the first of them.
    pub fn ensure_kept(&self) -> Result<()> {
        let mut endings: BTreeMap<&str, usize> = BTreeMap::new();
        for ended in self.cases.iter().filter_map(|case| case.ended.as_deref()) {
            *endings.entry(ended).or_default() += 1;
        }
        for (ended, count) in endings {
            println!("{count:6} {ended}");
        }
        let broken: Vec<_> = self
            .cases
            .iter()
            .filter_map(|case| Some((case.name.as_str(), case.broken.as_deref()?)))
            .collect();
        if broken.is_empty() {
            return Ok(());
        }
        for (name, why) in broken.iter().take(SHOWN) {
            println!("\n{name}\n{why}");
        }
        bail!(
            "{} of {} cases broke a promise (one of them again: `cargo xtask reliability --case NAME`):\n{}",
            broken.len(),
            self.cases.len(),
            broken
                .iter()
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
                .join("\n")
        )
    }
}
