//! Times of one contender, and what they come to.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The times of one contender's runs.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Adds a run's time, where it counts.
    pub fn add_if(&mut self, counts: bool, time: Duration) {
        if counts {
            self.add(time);
        }
    }

    fn add(&mut self, time: Duration) {
        let place = self.0.partition_point(|other| *other <= time);
        self.0.insert(place, time);
    }

    /// The time in the middle; the lower one of two. Zero without any run.
    pub fn median(&self) -> Duration {
        self.quantile(2)
    }

    /// The time that a quarter of the runs does not exceed.
    pub fn lower_quartile(&self) -> Duration {
        self.quantile(4)
    }

    /// How many times longer than the other's this one's median is.
    pub fn ratio_to(&self, other: &Self) -> f64 {
        self.median().as_secs_f64() / other.median().as_secs_f64()
    }

    fn quantile(&self, parts: usize) -> Duration {
        let place = self.0.len().saturating_sub(1) / parts;
        self.0.get(place).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        let mut samples = Samples::default();
        for milliseconds in [9, 1, 5, 100, 3] {
            samples.add(Duration::from_millis(milliseconds));
        }
        assert_eq!(samples.median(), Duration::from_millis(5));
        assert_eq!(samples.lower_quartile(), Duration::from_millis(3));
        let mut other = Samples::default();
        other.add(Duration::from_millis(2));
        assert!((samples.ratio_to(&other) - 2.5).abs() < 1e-9);
    }
}
