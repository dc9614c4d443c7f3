//! The decision of what runs: a pure function of what is installed.

use std::collections::BTreeSet;

use crate::{
    need::{Machine, Need, list},
    part::Part,
};

/// The parts that run on a machine, and those that don't, with what is missing.
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
    pub fn of(parts: &[Part], machine: &impl Machine, ci: bool) -> Self {
        let mut verdict = Self::default();
        for part in parts {
            let (mut targets, mut others) = (Vec::new(), Vec::new());
            for need in part.needs(ci).into_iter().filter(|need| !machine.has(*need)) {
                match need {
                    Need::Target(target) => targets.push(target),
                    _ => others.push(need),
                }
            }
            // Without root, Linux or unshare, no namespace can be made: one cause, one message.
            let is_cause =
                |need: &Need| matches!(need, Need::Root | Need::Linux | Need::Program("unshare", _));
            if others.iter().any(is_cause) {
                others.retain(|need| *need != Need::Namespaces);
            }
            if others.is_empty() {
                verdict.runnable.push(*part);
                targets.retain(|target| !verdict.targets.contains(target));
                verdict.targets.extend(targets);
            } else {
                verdict.skipped.push((*part, others));
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
        let needs = self.skipped.iter().flat_map(|(_, needs)| needs);
        needs.flat_map(|need| need.packages()).collect()
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
    pub fn explanation(&self, machine: &impl Machine) -> Vec<String> {
        let skipped = self.skipped.iter();
        let lines =
            skipped.map(|(part, needs)| format!("not run: {}: needs {}", part.name(), list(needs, machine)));
        let command = self.command(machine.has(Need::Root));
        lines
            .chain(command.map(|command| format!("install the packages (Debian, Ubuntu): {command}")))
            .collect()
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
