//! Deadline of a run, and its shares.
//!
//! All registry work before the write ends at half of the time, so that a slow registry never prevents a refresh. The last
//! part is reserved for apply, read-back and results.

use std::time::Duration;

use tokio::time::Instant;

/// Time reserved for apply, read-back and results; a tenth of the whole, where that is less.
const WRITE_RESERVE: Duration = Duration::from_secs(10);

/// Least time of one attempt, from dialling to the answer's last byte.
const ATTEMPT: Duration = Duration::from_secs(15);

/// End of an attempt that begins now: after half of what is left until `until`, so that a slow server is waited for and a
/// lost connection still leaves time for another; after 15 s at least, but not past `until`.
pub fn attempt_end(until: Instant) -> Instant {
    let now = Instant::now();
    let half = until.saturating_duration_since(now) / 2;
    until.min(now + half.max(ATTEMPT))
}

/// Ends of the shares of a run.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// End of the run.
    pub end: Instant,
    /// End of reading, token requests and starting over; the rest is for apply and read-back.
    pub writing: Instant,
    /// A registry that hasn't answered by then is unreachable.
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

    /// End of the write; after it, a read shows whether a write without an answer was done.
    pub fn write_end(&self) -> Instant {
        self.end - (self.end - self.writing) / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadline_has_shares_for_registries_and_the_write() {
        let start = Instant::now();
        let long = Deadline::new(start, Duration::from_secs(120));
        assert_eq!(long.registry - start, Duration::from_secs(60));
        assert_eq!(long.end - long.writing, Duration::from_secs(10));
        assert_eq!(long.end - long.write_end(), Duration::from_millis(2500));
        let short = Deadline::new(start, Duration::from_secs(5));
        assert_eq!(short.end - short.writing, Duration::from_millis(500));
    }
}
