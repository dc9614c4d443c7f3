//! What is measured on a node.

use serde::{Deserialize, Serialize};

use crate::bench::{samples::Samples, state::State};

/// All that was measured on a node.
pub struct Figures {
    /// The images' sizes.
    pub images: Pair<ImageSize>,
    /// What was measured while they ran.
    pub runs: Runs,
}

/// The same of both contenders.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Pair<T> {
    /// The program.
    pub program: T,
    /// The script with kubectl.
    pub shell: T,
}

/// An image's size.
#[derive(Clone, Copy, Debug)]
pub struct ImageSize {
    /// What a node fetches, in bytes: compressed.
    pub pulled: u64,
    /// What it makes of that, in bytes.
    pub unpacked: u64,
}

/// What was measured inside of the node's namespaces, as it is handed out of them.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Runs {
    /// How often each contender ran in each state.
    pub rounds: u32,
    /// The states, in the order of the tables.
    pub states: Vec<InState>,
    /// The most memory that the step's control group ever had, in bytes, the most of all states.
    pub memory: Pair<u64>,
    /// The limit of the shipped Task's step, in bytes.
    pub memory_limit: u64,
    /// What the node is made of, with versions.
    pub versions: String,
}

/// Both contenders in one state.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct InState {
    /// The state.
    pub state: State,
    /// Their times.
    pub times: Pair<Times>,
}

/// How long each part of a run took.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Times {
    /// The pod, from created to finished.
    pub pod: Samples,
    /// The step's container, from started to ended: Tekton's entrypoint with the step's command in it.
    pub step: Samples,
    /// The step's command, from the moment in which Tekton's entrypoint starts it to the container's end.
    pub command: Samples,
}
