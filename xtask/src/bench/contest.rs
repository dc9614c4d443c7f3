//! A contest: the contenders take turns in each state.

use std::time::Duration;

use anyhow::Result;

use super::figures::{Score, Scores, State};
use crate::steps::Steps;

/// One of those whose runs are measured.
pub trait Contender {
    /// Prepares what all runs in a state share.
    async fn enter(&mut self, state: State) -> Result<()>;

    /// Puts the Secret into the state, runs once, and fails when the run did something else than the state needs.
    async fn run(&mut self, state: State) -> Result<Duration>;

    /// As `run`; gives the peak memory of the run, in bytes.
    async fn peak_memory(&mut self, state: State) -> Result<u64>;
}

/// Runs all contenders in all states. The first round warms up and doesn't count. Each round starts with another
/// contender: how long a run takes depends on the state in which the run before it left the servers.
pub async fn run<C: Contender>(contenders: &mut [C], rounds: u32) -> Result<Vec<Scores>> {
    let mut all = Vec::new();
    let mut steps = Steps::new(State::ALL.len());
    for state in State::ALL {
        steps.next(
            &format!("{}, {rounds} rounds", state.name()),
            "1 min for 30 rounds",
        );
        let mut scores = vec![Score::default(); contenders.len()];
        for contender in &mut *contenders {
            contender.enter(state).await?;
        }
        let mut pairs: Vec<_> = contenders.iter_mut().zip(&mut scores).collect();
        for round in 0..=rounds {
            for (contender, score) in &mut pairs {
                let time = contender.run(state).await?;
                if round > 0 {
                    score.add(time);
                }
            }
            pairs.rotate_left(1);
        }
        for (contender, score) in pairs {
            score.memory = contender.peak_memory(state).await?;
        }
        all.push(Scores { state, of: scores });
    }
    steps.finish();
    Ok(all)
}
