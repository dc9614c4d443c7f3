//! docs/benchmarks.md.

use super::{
    figures::{Score, Scores, megabytes},
    node,
};
use crate::markdown;

/// Contenders of a contest, in the order of their scores.
const ON_LOOPBACK: [&str; 3] = ["the program", "its requests alone", "the shell"];
const ON_NODE: [&str; 2] = ["the program", "the shell"];
/// Heads of the table with the scores of a contest.
const HEADS: [&str; 4] = ["state", "contender", "ms", "peak memory"];

fn table(heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    markdown::table(heads, heads.len(), rows)
}

/// All figures.
pub struct Page {
    /// Rounds of each contest.
    pub rounds: u32,
    /// Scores of the contest on loopback.
    pub loopback: Vec<Scores>,
    /// Figures of the contest on a node, or the reason why there are none.
    pub node: Result<node::Figures, String>,
    /// Names and versions.
    pub versions: Vec<[String; 2]>,
}

impl Page {
    /// The whole page.
    pub fn markdown(&self) -> String {
        let goals = table(&["goal", "measured", "reached"], self.goals());
        let loopback = table(&HEADS, rows(&self.loopback, &ON_LOOPBACK));
        let node = match &self.node {
            Ok(figures) => on_node(figures),
            Err(obstacle) => format!("Not measured: {obstacle}.\n"),
        };
        let rounds = self.rounds;
        let versions = table(&["", "version"], self.versions.iter().map(|row| row.to_vec()));
        format!(
            "{INTRODUCTION}\n{goals}\n{ON_LOOPBACK_HEADING}\n{loopback}\n{ON_NODE_HEADING}\n{node}\n{METHOD}\n\
             Each contender runs {rounds} times in each state, after one run that doesn't count.\n\n## Versions\n\n{versions}"
        )
    }

    fn goals(&self) -> Vec<Vec<String>> {
        let mut goals = Vec::new();
        for Scores { state, of } in &self.loopback {
            let [program, requests, shell] = of.as_slice() else {
                continue;
            };
            let state = state.name();
            let (faster, slower) = (shell.ratio_to(program), program.ratio_to(requests));
            goals.push(at_least(
                10.0,
                faster,
                &format!("{state}: {{}} times faster than the shell"),
            ));
            goals.push(goal(
                format!("{state}: at most 1.5 times as long as its requests alone"),
                format!("{slower:.2} times"),
                slower <= 1.5,
            ));
        }
        let memory = peak(&self.loopback, 0);
        goals.push(goal(
            "resident memory below 10 MB".to_owned(),
            megabytes(memory),
            memory < 10_000_000,
        ));
        let Ok(node::Figures { images, runs }) = &self.node else {
            return goals;
        };
        let [program, shell] = images;
        for (name, shell, program) in [
            ("compressed", shell.compressed, program.compressed),
            ("unpacked", shell.unpacked, program.unpacked),
        ] {
            let what = format!("image, {name}: {{}} times smaller than the shell's");
            goals.push(at_least(20.0, ratio(shell, program), &what));
        }
        for Scores { state, of } in &runs.scores {
            if let [program, shell] = of.as_slice() {
                let what = format!(
                    "step on a node, {}: {{}} times shorter than the shell's",
                    state.name()
                );
                goals.push(at_least(5.0, shell.ratio_to(program), &what));
            }
        }
        let limit = runs.memory_limit;
        let what = format!("memory limit in `tekton/` ({limit} MiB): {{}} times the peak of the step");
        goals.push(at_least(2.0, ratio(limit << 20, peak(&runs.scores, 0)), &what));
        goals
    }
}

/// A goal; `what` has `{}` in place of the least value.
fn at_least(least: f64, measured: f64, what: &str) -> Vec<String> {
    let what = what.replace("{}", &format!("at least {least:.0}"));
    goal(what, format!("{measured:.1} times"), measured >= least)
}

fn goal(what: String, measured: String, reached: bool) -> Vec<String> {
    let reached = if reached { "yes" } else { "**no**" };
    vec![what, measured, reached.to_owned()]
}

fn ratio(more: u64, less: u64) -> f64 {
    more as f64 / less as f64
}

/// Peak memory of one contender in all states, in bytes.
fn peak(scores: &[Scores], contender: usize) -> u64 {
    let scores = scores.iter().filter_map(|scores| scores.of.get(contender));
    scores.map(|score| score.memory).max().unwrap_or_default()
}

fn rows(scores: &[Scores], contenders: &[&str]) -> Vec<Vec<String>> {
    let row = |state: &str, contender: &str, score: &Score| {
        vec![
            state.to_owned(),
            contender.to_owned(),
            score.times(),
            megabytes(score.memory),
        ]
    };
    scores
        .iter()
        .flat_map(|scores| {
            contenders
                .iter()
                .zip(&scores.of)
                .map(|(name, score)| row(scores.state.name(), name, score))
        })
        .collect()
}

fn on_node(node::Figures { images, runs }: &node::Figures) -> String {
    let images: Vec<_> = ON_NODE
        .iter()
        .zip(images)
        .map(|(name, image)| {
            vec![
                (*name).to_owned(),
                megabytes(image.compressed),
                megabytes(image.unpacked),
            ]
        })
        .collect();
    format!(
        "{}\n{}",
        table(&HEADS, rows(&runs.scores, &ON_NODE)),
        table(&["image", "compressed", "unpacked"], images),
    )
}

const INTRODUCTION: &str = "\
# Benchmarks

Written by `cargo xtask bench`, which builds and starts everything it needs. Compare the ratios: the times are those of one
machine, on loopback, where a round trip takes no time.
";

const ON_LOOPBACK_HEADING: &str = "\
## On loopback

Times are the median and, in brackets, the lower quartile, in milliseconds. Memory is the peak of resident memory
(`ru_maxrss`); that of the shell is its largest `kubectl`.
";

const ON_NODE_HEADING: &str = "\
## On a node

Both are a step of a Tekton Task on one node, with one pod for each run. Times are those of the step's container.
";

const METHOD: &str = "\
## Method

The contest on loopback has one API server with etcd and one registry that decides as OpenShift's registry does: for each
credential, it sends two reviews to the API server. Each contender has its own namespace with the same ServiceAccounts,
permissions and image:

- **the program**: the release binary with the configuration of a pod. It requests a token bound to the Secret, verifies at the
  registry that the image can be pulled with it, writes the Secret and reads it again. After each run its results are checked.
- **its requests alone**: the lower bound. Proxies record the requests of the program in this state. A client with the same TLS
  and HTTP crates, the same profile and target, and one connection for each server sends them again. It takes uid,
  resourceVersion and token from the responses, and every response must have the recorded status.
- **the shell**, `xtask/src/bench/shell.sh`: `kubectl create token`, `create secret`, `apply`, `label`, `annotate`, `get`.
  It does less: it verifies nothing at the registry, and it does the same in the steady state because it can't tell whether a
  refresh is due. The discovery cache of kubectl is warm.

First run: there is no Secret. Refresh: the token in the Secret expires before the next run. Steady state: the Secret needs no
change. The contenders take turns, and the Secret is put into the state before each run. The time is that of the process, from
start to end. The registry's token check is a build without optimisation, so contenders that use the registry wait longer.

On a node, the program's Task is the shipped one, installed with the user's kustomization. The shell's Task has the same kind
of step, and its image has nothing but kubectl, busybox and the script. The time is from containerd's event `/tasks/start` to
`/tasks/exit` and includes Tekton's entrypoint. kubectl's discovery cache is cold, and the registry's token check is optimised.
Memory is the peak of the step's control group in a run of its own, read every millisecond. After each run its TaskRun and pod
are deleted before the next run starts.
";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::{
        figures::State,
        node::{Figures, ImageSize, Runs},
    };

    fn page(program: u64, shell: u64, memory: u64) -> Page {
        let score = |milliseconds| {
            let mut score = Score::default();
            score.add(Duration::from_millis(milliseconds));
            score.memory = memory;
            score
        };
        let scores = |of: &[u64]| {
            vec![Scores {
                state: State::Steady,
                of: of.iter().map(|time| score(*time)).collect(),
            }]
        };
        let size = |bytes| ImageSize {
            compressed: bytes,
            unpacked: bytes,
        };
        Page {
            rounds: 3,
            loopback: scores(&[program, 20, 2 * shell]),
            node: Ok(Figures {
                images: [size(1_000_000), size(20_000_000)],
                runs: Runs {
                    scores: scores(&[program, shell]),
                    memory_limit: 19,
                },
            }),
            versions: vec![["program".to_owned(), "0.1.0".to_owned()]],
        }
    }

    fn reached(page: &Page) -> Vec<String> {
        let goals = page.goals().into_iter();
        goals.filter_map(|mut goal| goal.pop()).collect()
    }

    #[test]
    fn a_goal_at_its_limit_is_reached_and_beyond_it_is_missed() {
        assert_eq!(reached(&page(30, 150, 9_900_000)), ["yes"; 7]);
        let missed = reached(&page(31, 154, 10_000_000));
        assert_eq!(
            missed,
            ["**no**", "**no**", "**no**", "yes", "yes", "**no**", "**no**"]
        );
    }

    #[test]
    fn each_contender_has_a_row_in_each_state() {
        let page = page(30, 150, 9_900_000).markdown();
        for row in [
            "| steady state | its requests alone | 20.0 (20.0) | 9.9 MB |\n",
            "| steady state | the shell | 150.0 (150.0) | 9.9 MB |\n",
            "| steady state: at least 10 times faster than the shell | 10.0 times | yes |\n",
        ] {
            assert!(page.contains(row), "{page}");
        }
    }

    #[test]
    fn a_page_without_a_node_has_the_reason_and_no_goals_of_a_node() {
        let mut page = page(30, 150, 9_900_000);
        page.node = Err("a node needs root".to_owned());
        assert_eq!(reached(&page), ["yes"; 3]);
        let text = page.markdown();
        assert!(text.contains("\nNot measured: a node needs root.\n"), "{text}");
    }
}
