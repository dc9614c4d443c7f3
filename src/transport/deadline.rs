//! One deadline around everything, and its shares.
//!
//! All registry work before the write ends at half of the time, so that a slow registry never keeps a credential from
//! being refreshed. The last part is kept for apply, re-read and results.

use std::time::Duration;

use tokio::time::Instant;

/// The longest time that is kept for apply, re-read and results; a tenth of the whole, where that is less.
const WRITE_RESERVE: Duration = Duration::from_secs(10);

/// The points in time at which the shares of a run end.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// Everything ends here.
    pub end: Instant,
    /// Reading, minting and starting over end here; what is left is for apply and re-read.
    pub writing: Instant,
    /// What a registry has not answered by then counts as unreachable.
    pub registry: Instant,
}

impl Deadline {
    /// The shares of a run that starts at `start` and may last `timeout`.
    pub fn new(start: Instant, timeout: Duration) -> Self {
        let end = start + timeout;
        Self {
            end,
            writing: end - WRITE_RESERVE.min(timeout / 10),
            registry: start + timeout / 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_is_for_registries_and_ten_seconds_or_a_tenth_for_the_write() {
        let start = Instant::now();
        let long = Deadline::new(start, Duration::from_secs(120));
        assert_eq!(long.registry - start, Duration::from_secs(60));
        assert_eq!(long.end - long.writing, Duration::from_secs(10));
        let short = Deadline::new(start, Duration::from_secs(5));
        assert_eq!(short.end - short.writing, Duration::from_millis(500));
    }
}
