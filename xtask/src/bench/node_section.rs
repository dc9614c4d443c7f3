//! What docs/benchmarks.md says of steps on a node.

use super::{
    markdown::{megabytes, table, times, yes_or_no},
    node::{Figures, ImageSize, InState, Pair, Times},
    samples::Samples,
};

/// The shell's image is to be at least so many times as large as the program's.
const IMAGE_GOAL: f64 = 20.0;
/// The shell's step is to take at least so many times as long.
const STEP_GOAL: f64 = 5.0;
/// The memory limit is to be at least so many times the peak.
const LIMIT_GOAL: f64 = 2.0;

/// The section's place among the page's goals.
pub fn goals(figures: &Figures) -> Vec<Vec<String>> {
    let Figures { images, runs } = figures;
    let at_least = |goal: String, measured: f64, least: f64| {
        vec![goal, format!("{measured:.1} times"), yes_or_no(measured >= least)]
    };
    let mut rows: Vec<Vec<String>> = IMAGE_SIZES
        .iter()
        .map(|(name, size)| {
            at_least(
                format!("image, {name}: at least {IMAGE_GOAL:.0} times smaller than the shell's"),
                ratio(size(&images.shell), size(&images.program)),
                IMAGE_GOAL,
            )
        })
        .collect();
    rows.extend(runs.states.iter().map(|InState { state, times }| {
        at_least(
            format!(
                "step on a node, {}: at least {STEP_GOAL:.0} times shorter than the shell's",
                state.name()
            ),
            times.shell.step.ratio_to(&times.program.step),
            STEP_GOAL,
        )
    }));
    rows.push(at_least(
        format!(
            "memory limit in `tekton/` ({} MiB): at least {LIMIT_GOAL:.0} times the step's peak",
            runs.memory_limit >> 20
        ),
        ratio(runs.memory_limit, runs.memory.program),
        LIMIT_GOAL,
    ));
    rows
}

/// The section.
pub fn section(node: &Result<Figures, String>) -> String {
    match node {
        Ok(figures) => measured(figures),
        Err(obstacle) => format!("{HEADING}\nNot measured: {obstacle}.\n"),
    }
}

fn measured(Figures { images, runs }: &Figures) -> String {
    let Pair { program, shell } = &runs.memory;
    let size_rows = IMAGE_SIZES.iter().map(|(name, size)| {
        let (program, shell) = (size(&images.program), size(&images.shell));
        row(name, megabytes(program), megabytes(shell), ratio(shell, program))
    });
    let memory_row = row(
        "peak of the step's control group",
        megabytes(*program),
        megabytes(*shell),
        ratio(*shell, *program),
    );
    let time_rows = runs.states.iter().flat_map(time_rows);
    format!(
        "{HEADING}\nBoth as a step of a Tekton Task on one node, with a pod for each run. Median and, in brackets, lower \
         quartile,\nin milliseconds.\n\n{}\n{}\n{METHOD}\n{} rounds in each state after one to warm up. The node:\n{}.\n",
        table(&HEADS, time_rows),
        table(&HEADS, size_rows.chain(std::iter::once(memory_row))),
        runs.rounds,
        runs.versions,
    )
}

fn time_rows(InState { state, times }: &InState) -> [Vec<String>; 3] {
    let of = |what: &str, samples: fn(&Times) -> &Samples| {
        let (program, shell) = (samples(&times.program), samples(&times.shell));
        row(
            &format!("{}: {what}", state.name()),
            self::times(program),
            self::times(shell),
            shell.ratio_to(program),
        )
    };
    [
        of("pod, from created to finished", |times| &times.pod),
        of("**step**", |times| &times.step),
        of("the command in it", |times| &times.command),
    ]
}

fn row(name: &str, program: String, shell: String, ratio: f64) -> Vec<String> {
    vec![name.to_owned(), program, shell, format!("{ratio:.1}")]
}

/// How many times as much the first is.
fn ratio(more: u64, less: u64) -> f64 {
    more as f64 / less as f64
}

/// A name, and how it is read from an image's size.
type NamedSize = (&'static str, fn(&ImageSize) -> u64);

const IMAGE_SIZES: [NamedSize; 2] = [
    ("compressed, as it is pulled", |size| size.pulled),
    ("unpacked", |size| size.unpacked),
];

const HEADS: [&str; 4] = ["", "the program", "the shell", "shell / program"];

const HEADING: &str = "## On a node\n";

const METHOD: &str = "\
- **Pod**: seen by somebody who watches, from the event that creates it to the one in which it has finished. Most of it is
  the same for both: scheduling, sandbox, Tekton's init container. The kubelet looks for what has ended once a second, so
  that a step's end shows at the next look, and what is saved within a second may not show at all.
- **Step**: the container's life by containerd's events (`/tasks/start`, `exited_at` of `/tasks/exit`), which is what
  the status has as `startedAt` and `finishedAt`, in nanoseconds instead of seconds. Tekton's entrypoint is in it.
- **The command in it**: from the moment in which the entrypoint starts it, by the entrypoint's own word in milliseconds,
  to the container's end. Nothing is added to either image, and nobody looks on while the time runs.
- **Memory**: the most that the step's control group ever had, the entrypoint included, read when its last process was
  gone; five runs in each state, apart from those that are timed. Pages of files count for who read them first: those
  of the images had been read before.
- **Images**: both built and compressed by the same builder. The shell's has nothing but kubectl, Debian's bash with its
  libraries, and the script.

The program's Task is the shipped one, in the user's kustomization; the shell's is the same kind of step. Contenders,
states and turns are those of the method below, but for what a pod brings along: kubectl's discovery cache is cold, and the
registry's door is an optimised build. After each run its TaskRun and pod are removed before the next one starts.
";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::{node::figures::Runs, state::State};

    fn figures(step_of_shell: u64, peak: u64) -> Figures {
        let times = |step| {
            let mut times = Times::default();
            times.step.add_if(true, Duration::from_millis(step));
            times
        };
        let size = |bytes| ImageSize {
            pulled: bytes,
            unpacked: bytes,
        };
        Figures {
            images: Pair {
                program: size(1_000_000),
                shell: size(20_000_000),
            },
            runs: Runs {
                rounds: 3,
                states: vec![InState {
                    state: State::Steady,
                    times: Pair {
                        program: times(10),
                        shell: times(step_of_shell),
                    },
                }],
                memory: Pair {
                    program: peak,
                    shell: 90_000_000,
                },
                memory_limit: 64 << 20,
                versions: "kubelet".to_owned(),
            },
        }
    }

    fn reached(figures: &Figures) -> Vec<String> {
        goals(figures)
            .into_iter()
            .filter_map(|mut row| row.pop())
            .collect()
    }

    #[test]
    fn a_goal_that_is_just_reached_is_and_one_that_is_just_missed_is_not() {
        assert_eq!(reached(&figures(50, 32 << 20)), ["yes"; 4]);
        let missed = reached(&figures(49, (32 << 20) + 1));
        assert_eq!(missed, ["yes", "yes", "**no**", "**no**"]);
    }

    #[test]
    fn where_nothing_was_measured_the_section_says_why() {
        let section = section(&Err("a node needs root".to_owned()));
        assert_eq!(section, "## On a node\n\nNot measured: a node needs root.\n");
    }

    #[test]
    fn each_state_has_its_times_side_by_side() {
        let section = section(&Ok(figures(50, 1)));
        assert!(
            section.contains("| steady state: **step** | 10.0 (10.0) | 50.0 (50.0) | 5.0 |"),
            "{section}"
        );
    }
}
