//! docs/benchmarks.md.

use std::fmt::Write as _;

use super::{
    contest::{Score, Scores, TURNS},
    machine::Machine,
    markdown::{megabytes, table, times, yes_or_no},
    node::Figures,
    node_section,
    symbols::Sizes,
};

/// The program is to be at least so many times faster than the shell.
const SHELL_GOAL: f64 = 10.0;
/// It is to take at most so many times as long as its requests alone.
const LIMIT_GOAL: f64 = 1.5;
/// It is to have less resident memory, in bytes.
const MEMORY_GOAL: u64 = 10_000_000;
/// Parts of the binary that are smaller are summed up, in bytes.
const WORTH_A_LINE: u64 = 20_000;

/// All that was measured.
pub struct Page {
    /// How often the shell ran in each state.
    pub rounds: u32,
    /// The contest.
    pub scores: Vec<Scores>,
    /// The binary's parts.
    pub sizes: Sizes,
    /// What it was measured with.
    pub machine: Machine,
    /// What was measured on a node, or why nothing was.
    pub node: Result<Figures, String>,
}

impl Page {
    /// The page.
    pub fn markdown(&self) -> String {
        [
            INTRODUCTION.to_owned(),
            self.goals(),
            self.time(),
            self.calls(),
            self.memory(),
            self.size(),
            node_section::section(&self.node),
            self.method(),
            table(
                &["", "version"],
                self.machine
                    .rows
                    .iter()
                    .map(|(name, value)| vec![name.clone(), value.clone()]),
            ),
        ]
        .join("\n")
    }

    fn goals(&self) -> String {
        let mut rows = Vec::new();
        for scores in &self.scores {
            let state = scores.state.name();
            let faster = scores.shell.time.ratio_to(&scores.program.time);
            rows.push(vec![
                format!("{state}: at least {SHELL_GOAL:.0} times faster than the shell"),
                format!("{faster:.1} times"),
                yes_or_no(faster >= SHELL_GOAL),
            ]);
            let slower = scores.program.time.ratio_to(&scores.limit.time);
            rows.push(vec![
                format!("{state}: at most {LIMIT_GOAL} times as long as its requests alone"),
                format!("{slower:.2} times"),
                yes_or_no(slower <= LIMIT_GOAL),
            ]);
        }
        let memory = self.peak(|scores| &scores.program);
        rows.push(vec![
            "resident memory below 10 MB".to_owned(),
            megabytes(memory),
            yes_or_no(memory < MEMORY_GOAL),
        ]);
        rows.extend(self.node.iter().flat_map(node_section::goals));
        table(&["goal", "measured", "reached"], rows)
    }

    fn time(&self) -> String {
        let row = |name: &str, cell: &dyn Fn(&Scores) -> String| {
            std::iter::once(name.to_owned())
                .chain(self.scores.iter().map(cell))
                .collect()
        };
        let rows: Vec<Vec<String>> = vec![
            row("the program", &|scores| times(&scores.program.time)),
            row("its requests alone", &|scores| times(&scores.limit.time)),
            row("the shell", &|scores| times(&scores.shell.time)),
            row("a single `kubectl get secret`", &|scores| {
                scores.single_get.as_ref().map_or_else(|| "–".to_owned(), times)
            }),
            row("**shell / program**", &|scores| {
                format!("**{:.1}**", scores.shell.time.ratio_to(&scores.program.time))
            }),
            row("**program / requests alone**", &|scores| {
                format!("**{:.2}**", scores.program.time.ratio_to(&scores.limit.time))
            }),
            row("program − requests alone, ms", &|scores| {
                // Either may be the longer one by chance.
                let [program, limit] =
                    [&scores.program, &scores.limit].map(|score| score.time.median().as_secs_f64());
                format!("{:.1}", (program - limit) * 1000.0)
            }),
            row("single get / program", &|scores| {
                scores.single_get.as_ref().map_or_else(
                    || "–".to_owned(),
                    |get| format!("{:.1}", get.ratio_to(&scores.program.time)),
                )
            }),
        ];
        let states = self.scores.iter().map(|scores| scores.state.name());
        let heads: Vec<&str> = std::iter::once("").chain(states).collect();
        format!(
            "## Time\n\nMedian and, in brackets, lower quartile, in milliseconds.\n\n{}",
            table(&heads, rows)
        )
    }

    fn calls(&self) -> String {
        let rows = self.scores.iter().flat_map(|scores| {
            [
                ("the program", &scores.program),
                ("its requests alone", &scores.limit),
                ("the shell", &scores.shell),
            ]
            .map(|(name, score)| {
                let Score { calls, traffic, .. } = score;
                vec![
                    format!("{}: {name}", scores.state.name()),
                    calls.len().to_string(),
                    traffic.connections.to_string(),
                    traffic.sent.to_string(),
                    traffic.received.to_string(),
                ]
            })
        });
        let mut text = "## Calls and bytes\n\nTo the API server, by its audit log; and what went over the wire to and \
                        from the API server and the registry, TLS\nhandshakes included, below TLS and above TCP. The \
                        shell asks no registry.\n\n"
            .to_owned();
        text += &table(
            &["", "API calls", "connections", "bytes sent", "bytes received"],
            rows,
        );
        text += "\nThe program's calls:\n\n";
        for scores in &self.scores {
            // Writing to a String can't fail.
            let _ = writeln!(
                text,
                "- {}: {}",
                scores.state.name(),
                scores.program.calls.join(", ")
            );
        }
        text
    }

    fn memory(&self) -> String {
        let rows = [
            ("the program", self.peak(|scores| &scores.program)),
            ("its requests alone", self.peak(|scores| &scores.limit)),
            (
                "the largest `kubectl` of the shell",
                self.peak(|scores| &scores.shell),
            ),
        ]
        .map(|(name, memory)| vec![name.to_owned(), megabytes(memory)]);
        format!(
            "## Memory\n\nThe most resident memory that a process ever had (`ru_maxrss`), the most of all states.\n\n{}",
            table(&["", "resident"], rows)
        )
    }

    fn size(&self) -> String {
        let Sizes {
            total,
            sections,
            crates,
        } = &self.sizes;
        let code = sections
            .iter()
            .find(|(name, _)| name == ".text")
            .map_or(0, |(_, size)| *size);
        format!(
            "## Size\n\nThe binary as it is shipped, {total} bytes, by section:\n\n{}\nIts code (`.text`) by crate, from \
             the symbols of a build that differs in nothing but keeping them. A generic function counts\nfor the crate \
             that has it; what was inlined counts where it went.\n\n{}",
            table(&["section", "bytes", "share"], parts(sections, *total)),
            table(&["crate", "bytes", "share"], parts(crates, code)),
        )
    }

    fn method(&self) -> String {
        let (rounds, runs) = (self.rounds, self.rounds * TURNS);
        format!(
            "{METHOD}\nAfter one round to warm up, {rounds} runs of the shell in each state, and {runs} of the other \
             two.\n\n## Versions\n"
        )
    }

    fn peak(&self, of: impl Fn(&Scores) -> &Score) -> u64 {
        self.scores
            .iter()
            .map(|scores| of(scores).memory)
            .max()
            .unwrap_or(0)
    }
}

const INTRODUCTION: &str = "\
# Benchmarks

Written by `cargo xtask bench`, which builds and starts all it needs. The ratios are what counts: the times are those of
one machine, on loopback, where a round trip costs nothing.
";

const METHOD: &str = "\
## Method

One API server with etcd, and one registry that decides as OpenShift's does (each credential by two reviews at the API
server), on loopback. Three contenders, each in a namespace of its own with the same accounts, rights and image:

- **the program**, as it is shipped, as a pod has it: it mints a token bound to the Secret, proves at the registry that it
  pulls the image, writes, and reads again. After each run its results are checked.
- **its requests alone**, the limit: what the program sent in this state, recorded by proxies that it takes for the
  servers, sent again by a client with the same TLS and HTTP crates (rustls with ring, hyper), the same profile and target,
  one connection a server. uid, resourceVersion and the minted token are taken from the answers, every answer must have
  the recorded status; nothing else is done, decided, logged or reported.
- **the shell**, `xtask/src/bench/shell.sh`: `kubectl create token`, `create secret`, `apply`, `label`, `annotate`, `get`.
  It does less: it asks no registry, and it doesn't know whether a refresh is due, so that it does the same in the steady
  state. kubectl's discovery cache is warm. A single `kubectl get secret` is what a script that does know would take
  at the very least.

First run: no Secret. Refresh: a Secret whose token ends before the next run. Steady state: a Secret that is right. The
contenders take turns; before each turn the Secret is put back, outside of the time. A time is that of a process, from its
start to its end. The registry's door is a build without optimisation, so every contender that asks it waits a little
longer than it would.
";

/// The parts of `whole` that are worth a line, and the rest.
fn parts(parts: &[(String, u64)], whole: u64) -> Vec<Vec<String>> {
    let large = parts.iter().filter(|(_, size)| *size >= WORTH_A_LINE);
    let rest = whole.saturating_sub(large.clone().map(|(_, size)| size).sum());
    let row = |name: String, size: u64| {
        let share = (size * 100 + whole / 2).checked_div(whole).unwrap_or(0);
        vec![name, size.to_string(), format!("{share} %")]
    };
    large
        .map(|(name, size)| row(format!("`{name}`"), *size))
        .chain(std::iter::once(row("the rest".to_owned(), rest)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_parts_are_summed_up_and_all_of_it_is_there() {
        let all = [("hyper".to_owned(), 60_000), ("http".to_owned(), 10_000)];
        assert_eq!(
            parts(&all, 80_000),
            [["`hyper`", "60000", "75 %"], ["the rest", "20000", "25 %"]]
        );
    }
}
