//! The decision of what runs: a pure function of what is installed.

use std::collections::BTreeSet;

use crate::{
    need::{Lookup, Need, Remedy, list},
    part::Part,
};

/// What runs on a machine, what doesn't, and what would change that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The parts that run, once `targets` are installed.
    pub runnable: Vec<Part>,
    /// The parts that don't run, each with what is missing.
    pub skipped: Vec<(Part, Vec<Need>)>,
    /// The Rust targets that the runnable parts need and the machine lacks.
    pub targets: Vec<&'static str>,
}

impl Verdict {
    /// Judges each part. A missing Rust target alone is no reason to skip a part, since rustup can add it.
    pub fn of(parts: &[Part], machine: &impl Lookup, ci: bool) -> Self {
        let mut verdict = Self::default();
        for part in parts {
            let missing: Vec<Need> = part
                .needs(ci)
                .into_iter()
                .filter(|need| !need.is_met(machine))
                .collect();
            let targets: Vec<&'static str> = missing.iter().filter_map(target).collect();
            let mut others: Vec<Need> = missing
                .into_iter()
                .filter(|need| target(need).is_none())
                .collect();
            // Whether it may make namespaces says nothing where root is missing: one cause, one message.
            if others
                .iter()
                .any(|need| matches!(need, Need::Root | Need::Linux | Need::Program("unshare", _)))
            {
                others.retain(|need| *need != Need::Namespaces);
            }
            if !others.is_empty() {
                verdict.skipped.push((*part, others));
                continue;
            }
            verdict.runnable.push(*part);
            for target in targets {
                if !verdict.targets.contains(&target) {
                    verdict.targets.push(target);
                }
            }
        }
        verdict
    }

    /// Whether a part runs.
    pub fn runs(&self, part: Part) -> bool {
        self.runnable.contains(&part)
    }

    /// The Debian packages that are missing.
    pub fn packages(&self) -> BTreeSet<&'static str> {
        self.skipped
            .iter()
            .flat_map(|(_, needs)| needs)
            .flat_map(|need| match need.remedy() {
                Remedy::Packages(packages) => packages.to_vec(),
                Remedy::Package(package) => vec![package],
                Remedy::Target(_) | Remedy::CargoTool(_) | Remedy::Other => Vec::new(),
            })
            .collect()
    }

    /// The command that installs the missing packages on Debian and Ubuntu; `None` where none is missing.
    pub fn command(&self, root: bool) -> Option<String> {
        let packages: Vec<&str> = self.packages().into_iter().collect();
        let sudo = if root { "" } else { "sudo " };
        (!packages.is_empty()).then(|| {
            format!(
                "{sudo}apt-get update && {sudo}apt-get install --yes --no-install-recommends {}",
                packages.join(" ")
            )
        })
    }

    /// The parts that don't run, and how to change that, a line each; empty where all run.
    pub fn explanation(&self, machine: &impl Lookup) -> Vec<String> {
        let mut lines: Vec<String> = self
            .skipped
            .iter()
            .map(|(part, needs)| format!("not run: {}: needs {}", part.name(), list(needs, machine)))
            .collect();
        if let Some(command) = self.command(machine.root()) {
            lines.push(format!("install the packages (Debian, Ubuntu): {command}"));
        }
        lines
    }
}

fn target(need: &Need) -> Option<&'static str> {
    match need {
        Need::Target(target) => Some(target),
        _ => None,
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
