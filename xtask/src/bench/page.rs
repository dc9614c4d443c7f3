//! The tables of docs/development/benchmarks.md.

use super::{
    figures::{Scores, megabytes},
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
    /// Scores of the contest on loopback.
    pub loopback: Vec<Scores>,
    /// Figures of the contest on a node, or the reason why there are none.
    pub node: Result<node::Figures, String>,
    /// Names and versions.
    pub versions: Vec<[String; 2]>,
}

impl Page {
    /// The generated parts of the page, by name.
    pub fn parts(&self) -> [(&'static str, String); 4] {
        let node = match &self.node {
            Ok(figures) => on_node(figures),
            Err(obstacle) => format!("Not measured: {obstacle}.\n"),
        };
        let versions = self.versions.iter().map(|row| row.to_vec());
        [
            ("goals", table(&["goal", "measured", "reached"], self.goals())),
            ("loopback", table(&HEADS, rows(&self.loopback, &ON_LOOPBACK))),
            ("node", node),
            ("versions", table(&["", "version"], versions)),
        ]
    }

    fn goals(&self) -> Vec<Vec<String>> {
        let mut goals = Vec::new();
        for Scores { state, of } in &self.loopback {
            let [program, requests, shell] = of.as_slice() else {
                continue;
            };
            let state = state.name();
            let what = format!("{state}: {{}} times faster than the shell");
            goals.push(at_least(10, shell.ratio_to(program), &what));
            let slower = program.ratio_to(requests);
            let what = format!("{state}: at most 1.5 times as long as its requests alone");
            goals.push(goal(what, format!("{slower:.2} times"), slower <= 1.5));
        }
        let memory = peak(&self.loopback, 0);
        let what = "resident memory below 10 MB".to_owned();
        goals.push(goal(what, megabytes(memory), memory < 10_000_000));
        let Ok(node::Figures { images, runs }) = &self.node else {
            return goals;
        };
        let [program, shell] = images;
        for (name, shell, program) in [
            ("compressed", shell.compressed, program.compressed),
            ("unpacked", shell.unpacked, program.unpacked),
        ] {
            let what = format!("image, {name}: {{}} times smaller than the shell's");
            goals.push(at_least(20, ratio(shell, program), &what));
        }
        for Scores { state, of } in &runs.scores {
            if let [program, shell] = of.as_slice() {
                let what = format!(
                    "step on a node, {}: {{}} times shorter than the shell's",
                    state.name()
                );
                goals.push(at_least(5, shell.ratio_to(program), &what));
            }
        }
        let limit = runs.memory_limit;
        let what = format!("memory limit in `tekton/` ({limit} MiB): {{}} times the peak of the step");
        goals.push(at_least(2, ratio(limit << 20, peak(&runs.scores, 0)), &what));
        goals
    }
}

/// A goal; `what` has `{}` in place of the least value.
fn at_least(least: u32, measured: f64, what: &str) -> Vec<String> {
    let what = what.replace("{}", &format!("at least {least}"));
    goal(what, format!("{measured:.1} times"), measured >= f64::from(least))
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
    let mut rows = Vec::new();
    for Scores { state, of } in scores {
        let of = contenders.iter().zip(of);
        rows.extend(of.map(|(name, score)| {
            let names = [state.name(), *name].map(str::to_owned);
            [&names[..], &[score.times(), megabytes(score.memory)]].concat()
        }));
    }
    rows
}

fn on_node(node::Figures { images, runs }: &node::Figures) -> String {
    let images = ON_NODE.iter().zip(images).map(|(name, image)| {
        let sizes = [image.compressed, image.unpacked].map(megabytes);
        [&[(*name).to_owned()], &sizes[..]].concat()
    });
    format!(
        "{}\n{}",
        table(&HEADS, rows(&runs.scores, &ON_NODE)),
        table(&["image", "compressed", "unpacked"], images),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::{
        figures::{Score, State},
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
        let [(_, goals), (_, loopback), (_, node), _] = page(30, 150, 9_900_000).parts();
        let goal = "| steady state: at least 10 times faster than the shell | 10.0 times | yes |\n";
        assert!(goals.contains(goal), "{goals}");
        assert!(loopback.contains("| steady state | its requests alone | 20.0 (20.0) | 9.9 MB |\n"));
        assert!(node.contains("| steady state | the shell | 150.0 (150.0) | 9.9 MB |\n"));
    }

    #[test]
    fn the_page_has_a_place_for_each_part() {
        let text = include_str!("../../../docs/development/benchmarks.md");
        for (name, _) in page(30, 150, 9_900_000).parts() {
            assert!(text.contains(&format!("<!-- {name}: written by `cargo xtask bench` -->")));
        }
    }

    #[test]
    fn a_page_without_a_node_has_the_reason_and_no_goals_of_a_node() {
        let mut page = page(30, 150, 9_900_000);
        page.node = Err("a node needs root".to_owned());
        assert_eq!(reached(&page), ["yes"; 3]);
        let [.., (_, node), _] = page.parts();
        assert_eq!(node, "Not measured: a node needs root.\n");
    }
}
