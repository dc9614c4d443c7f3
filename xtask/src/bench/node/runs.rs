//! What is measured inside of a node's namespaces: the contenders take turns, round after round.

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::Node;
use kube::{Api, api::ListParams};
use node_tests::push_layout;
use test_cluster::access::ClusterAccess;

use super::{
    container_events::ContainerEvents,
    contender::Contender,
    figures::{InState, Pair, Runs, Times},
    memory::MemoryWatch,
    memory_limit, tekton_version, turn,
};
use crate::{
    bench::{node::turn::Turn, state::State},
    interrupt,
};

/// How often the memory is measured in each state; the most counts.
const MEMORY_RUNS: u32 = 5;
/// How many runs one measurement may take: on a busy machine a control group may be gone before its peak is read.
const MEMORY_ATTEMPTS: u32 = 5;
/// The shell's repository.
const REPOSITORY: &str = "tools/shell";

/// Measures on the node that `TEST_CLUSTER` names, and writes [`Runs`] as JSON to `figures`. `shell` is the OCI layout of
/// the shell's image.
///
/// # Errors
/// Where a contender fails, or the file can't be written.
pub fn measure(rounds: u32, shell: &Path, figures: &Path) -> Result<ExitCode> {
    interrupt::run(async {
        let runs = run(rounds, shell).await?;
        fs::write(figures, serde_json::to_vec(&runs)?)
            .with_context(|| format!("cannot write {}", figures.display()))?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn run(rounds: u32, shell: &Path) -> Result<Runs> {
    let access = ClusterAccess::shared();
    let image = tokio::task::block_in_place(|| push_layout(shell, REPOSITORY))?;
    let mut contenders = Pair {
        program: Contender::program().await?,
        shell: Contender::shell(&image.reference()).await?,
    };
    let events = ContainerEvents::listen(&access.node()?.container_runtime)?;
    let mut states = Vec::new();
    let mut memory = Pair::default();
    for state in State::ALL {
        eprintln!("xtask: {} on a node: {rounds} rounds", state.name());
        let times = race(&mut contenders, &events, state, rounds).await?;
        states.push(InState { state, times });
        for (contender, most) in [
            (&mut contenders.program, &mut memory.program),
            (&mut contenders.shell, &mut memory.shell),
        ] {
            for _ in 0..MEMORY_RUNS {
                *most = peak(contender, &events, state).await?.max(*most);
            }
        }
    }
    Ok(Runs {
        rounds,
        states,
        memory,
        memory_limit: memory_limit::of_the_shipped_task()?,
        versions: versions(access).await?,
    })
}

/// The times, taken in turns. The round before the first one has the images pulled, and doesn't count.
async fn race(
    contenders: &mut Pair<Contender>,
    events: &ContainerEvents,
    state: State,
    rounds: u32,
) -> Result<Pair<Times>> {
    let mut times = Pair::<Times>::default();
    for round in 0..=rounds {
        let mut pair = [
            (&mut contenders.program, &mut times.program),
            (&mut contenders.shell, &mut times.shell),
        ];
        // Neither is always the one that comes after the other's end.
        if round % 2 == 1 {
            pair.reverse();
        }
        for (contender, times) in pair {
            let turn = take(contender, events, state).await?;
            times.pod.add_if(round > 0, turn.pod);
            times.step.add_if(round > 0, turn.step);
            times.command.add_if(round > 0, turn.command);
        }
    }
    Ok(times)
}

/// One run, from a Secret put back to a result that is right.
async fn take(contender: &mut Contender, events: &ContainerEvents, state: State) -> Result<Turn> {
    contender.prepare(state).await?;
    let turn = turn::take(contender.world(), events, contender.task_run()).await?;
    contender.check(state, &turn.status)?;
    Ok(turn)
}

/// The most memory that the step's control group had in a run of its own, in bytes.
async fn peak(contender: &mut Contender, events: &ContainerEvents, state: State) -> Result<u64> {
    for _ in 0..MEMORY_ATTEMPTS {
        let watch = MemoryWatch::start(contender.world().control_group())?;
        let turn = take(contender, events, state).await?;
        if let Some(peak) = watch.finish()?.get(&turn.container) {
            return Ok(*peak);
        }
    }
    bail!(
        "a step's control group was gone before its peak was read, {MEMORY_ATTEMPTS} times: the machine is too busy"
    )
}

/// What the node says it is made of.
async fn versions(access: &ClusterAccess) -> Result<String> {
    let nodes: Api<Node> = Api::all(access.client().await?);
    let nodes = nodes.list(&ListParams::default()).await?;
    let info = nodes
        .items
        .into_iter()
        .next()
        .and_then(|node| node.status?.node_info)
        .context("the node says nothing of itself")?;
    Ok(format!(
        "kubelet {}, {}, Tekton {}, Linux {}, control groups version {}",
        info.kubelet_version,
        info.container_runtime_version.replace("://", " "),
        tekton_version()?,
        info.kernel_version,
        if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            2
        } else {
            1
        },
    ))
}
