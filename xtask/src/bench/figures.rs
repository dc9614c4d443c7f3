//! Measured figures, and their text.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// State of the Secret before a run.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum State {
    /// No Secret.
    FirstRun,
    /// A Secret whose token has to be replaced.
    Refresh,
    /// A Secret that needs no change.
    Steady,
}

impl State {
    /// All states, in the order of the tables.
    pub const ALL: [Self; 3] = [Self::FirstRun, Self::Refresh, Self::Steady];

    /// Name of the state in the tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstRun => "first run",
            Self::Refresh => "refresh",
            Self::Steady => "steady state",
        }
    }

    /// Result ACTION that the program must have.
    pub const fn action(self) -> &'static str {
        match self {
            Self::FirstRun => "created",
            Self::Refresh => "refreshed",
            Self::Steady => "unchanged",
        }
    }
}

/// Times and memory of one contender in one state.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Score {
    times: Vec<Duration>,
    /// Peak memory of one run, in bytes.
    pub memory: u64,
}

/// Scores of all contenders in one state, in the order of the contenders.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Scores {
    /// The state.
    pub state: State,
    /// One score for each contender.
    pub of: Vec<Score>,
}

impl Score {
    /// Adds the time of a run.
    pub fn add(&mut self, time: Duration) {
        let place = self.times.partition_point(|other| *other <= time);
        self.times.insert(place, time);
    }

    /// Ratio of the median to the median of `other`.
    pub fn ratio_to(&self, other: &Self) -> f64 {
        self.quantile(2).as_secs_f64() / other.quantile(2).as_secs_f64()
    }

    /// Median and lower quartile, in milliseconds.
    pub fn times(&self) -> String {
        let [median, quartile] = [2, 4].map(|parts| self.quantile(parts).as_secs_f64() * 1000.0);
        format!("{median:.1} ({quartile:.1})")
    }

    /// Time that one of `parts` equal parts of the runs does not exceed; zero without a run.
    fn quantile(&self, parts: usize) -> Duration {
        let place = self.times.len().saturating_sub(1) / parts;
        self.times.get(place).copied().unwrap_or_default()
    }
}

/// Bytes in the unit of the goals.
pub fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_runs_does_not_change_median_and_quartile() {
        let mut score = Score::default();
        for milliseconds in [9, 1, 5, 100, 3] {
            score.add(Duration::from_millis(milliseconds));
        }
        assert_eq!(score.times(), "5.0 (3.0)");
        let mut other = Score::default();
        other.add(Duration::from_millis(2));
        assert!((score.ratio_to(&other) - 2.5).abs() < 1e-9);
    }
}
