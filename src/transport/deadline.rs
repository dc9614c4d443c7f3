//! One deadline around everything, and its shares.
//!
//! All registry work before the write ends at half of the time, so that a slow registry never keeps a credential from
//! being refreshed. The last part is kept for apply, re-read and results.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use tokio::time::Instant;

/// The longest time that is kept for apply, re-read and results; a tenth of the whole, where that is less.
const WRITE_RESERVE: Duration = Duration::from_secs(10);

/// How long a refusal, the API server's or a registry's, is left to stand before it is asked for once more: longer than
/// the moment for which an API server that starts on an idle machine refuses good tokens (0.25 s were seen).
pub const REFUSAL_PAUSE: Duration = Duration::from_secs(1);

/// The pause before a registry's refused login is asked once more (CONTRACT section 5).
pub const LOGIN_RETRY_PAUSE: Duration = Duration::from_secs(2);

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

/// How long to wait before the next try: 0.2 s, doubled each time up to 5 s, of which at least half at random.
#[derive(Clone, Debug)]
pub struct Backoff {
    next: Duration,
    random: RandomState,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(200);
    const LONGEST: Duration = Duration::from_secs(5);

    /// Starts anew; the randomness is the process's own hash seed, which is enough to spread runs apart.
    pub fn new() -> Self {
        Self {
            next: Self::FIRST,
            random: RandomState::new(),
        }
    }

    /// The next pause; what the server asked for (`Retry-After`), where that is longer.
    pub fn pause(&mut self, retry_after: Option<Duration>) -> Duration {
        let longest = self.next;
        self.next = (longest * 2).min(Self::LONGEST);
        let thousandths = u32::try_from(self.random.hash_one(longest) % 1000).unwrap_or(0);
        let jittered = longest / 2 + longest / 2 * thousandths / 1000;
        jittered.max(retry_after.unwrap_or_default())
    }

    /// Waits for the next pause; false, at once, where that would not end before `until`.
    pub async fn wait(&mut self, retry_after: Option<Duration>, until: Instant) -> bool {
        let resume = Instant::now().checked_add(self.pause(retry_after));
        match resume {
            Some(resume) if resume < until => {
                tokio::time::sleep_until(resume).await;
                true
            }
            _ => false,
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
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

    #[test]
    fn pauses_grow_to_five_seconds_and_never_fall_below_half_of_their_step() {
        let mut backoff = Backoff::new();
        let mut step = Backoff::FIRST;
        for _ in 0..10 {
            let pause = backoff.pause(None);
            assert!(pause >= step / 2 && pause <= step, "{pause:?} of {step:?}");
            step = (step * 2).min(Backoff::LONGEST);
        }
    }

    #[test]
    fn pauses_are_spread_over_the_upper_half_of_their_step() {
        let pauses: Vec<_> = (0..64).map(|_| Backoff::new().pause(None)).collect();
        let middle = Backoff::FIRST * 3 / 4;
        assert!(pauses.iter().any(|pause| *pause < middle), "{pauses:?}");
        assert!(pauses.iter().any(|pause| *pause > middle), "{pauses:?}");
    }

    #[test]
    fn a_longer_retry_after_is_honoured() {
        assert_eq!(
            Backoff::new().pause(Some(Duration::from_secs(7))),
            Duration::from_secs(7)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_would_outlast_the_share_is_not_begun() {
        let start = Instant::now();
        let huge = Some(Duration::from_secs(u64::MAX));
        assert!(!Backoff::new().wait(huge, start + Duration::from_secs(60)).await);
        for seconds in [60, 61] {
            let retry_after = Some(Duration::from_secs(seconds));
            assert!(
                !Backoff::new()
                    .wait(retry_after, start + Duration::from_secs(60))
                    .await
            );
        }
        assert_eq!(Instant::now(), start);
        assert!(Backoff::new().wait(None, start + Duration::from_secs(60)).await);
    }
}
