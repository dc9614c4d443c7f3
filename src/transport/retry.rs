//! The retry policy: what is tried again, after which pause, how often, and until when (DESIGN decision 8).
//!
//! Pure but for [`Retry::again`], which waits.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use http::{StatusCode, header::RETRY_AFTER};
use tokio::time::Instant;

use super::{Answer, Failure};

/// First pause after a transient failure; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause after a transient failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Pause after a refusal of the API server: longer than a starting one on an idle machine refuses good tokens (0.25 s were
/// seen).
const REFUSAL_PAUSE: Duration = Duration::from_secs(1);
/// How long after a failure the API server's refusals are retried: it may be starting, and takes a second on an idle
/// machine until it has read accounts and roles.
const REFUSAL_RETRY_WINDOW: Duration = Duration::from_secs(10);

/// Pause after a registry's refused login (CONTRACT section 5).
const LOGIN_PAUSE: Duration = Duration::from_secs(2);
/// How often a credential may fail to log in at one registry in one run: registries lock accounts and addresses.
pub const MAX_FAILED_LOGINS: u32 = 2;

/// Why something is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryCause {
    /// A failure that may pass, until the deadline; the pauses grow, and are not shorter than the server's `Retry-After`.
    Transient {
        /// `Retry-After`, where the server sent one.
        retry_after: Option<Duration>,
    },
    /// A refusal, which counts once it is repeated.
    Refusal {
        /// Pause before each retry.
        pause: Duration,
        /// How many refusals may be retried.
        retries: u32,
    },
}

impl RetryCause {
    /// A failure without `Retry-After`: a write conflict, or a registry that refuses what the API server accepts.
    pub const TRANSIENT: Self = Self::Transient { retry_after: None };

    /// A transient outcome of an exchange.
    pub fn transient(outcome: &Result<Answer, Failure>) -> Self {
        let retry_after = outcome.as_ref().ok().and_then(retry_after);
        Self::Transient { retry_after }
    }

    /// A refusal of the API server, or of a registry that asks it: retried `retries` times, and without limit soon after a failure.
    pub fn api_refusal(retries: u32, since_failure: Option<Duration>) -> Self {
        let may_be_starting = since_failure.is_some_and(|since| since < REFUSAL_RETRY_WINDOW);
        Self::Refusal {
            pause: REFUSAL_PAUSE,
            retries: if may_be_starting { u32::MAX } else { retries },
        }
    }

    /// A refused login at a registry where the credential failed to log in `failed` times in this run.
    pub const fn login_refusal(failed: u32) -> Self {
        Self::Refusal {
            pause: LOGIN_PAUSE,
            retries: MAX_FAILED_LOGINS.saturating_sub(failed),
        }
    }
}

/// Whether there is time before `until` to ask a refused login once more: without it, a refusal may be one that passes.
pub fn can_confirm_login(until: Instant) -> bool {
    Instant::now() + LOGIN_PAUSE < until
}

/// Whether the outcome of an exchange may be another a moment later: 429, 5xx but "not implemented", a broken connection
/// and no answer in time.
pub fn is_transient(outcome: &Result<Answer, Failure>) -> bool {
    match outcome {
        Ok(answer) => {
            answer.status == StatusCode::TOO_MANY_REQUESTS
                || (answer.status.is_server_error() && answer.status != StatusCode::NOT_IMPLEMENTED)
        }
        Err(failure) => failure.is_transient(),
    }
}

/// `Retry-After` in seconds. Its other form, a date, is not sent by API servers and registries and counts as absent.
fn retry_after(answer: &Answer) -> Option<Duration> {
    let value = answer.headers.get(RETRY_AFTER)?.to_str().ok()?;
    Some(Duration::from_secs(value.trim().parse().ok()?))
}

/// The retries of one request or operation.
#[derive(Debug)]
pub struct Retry {
    until: Instant,
    next_pause: Duration,
    refusals: u32,
}

impl Retry {
    /// No retry yet; none begins at or after `until`.
    pub const fn new(until: Instant) -> Self {
        Self {
            until,
            next_pause: FIRST_PAUSE,
            refusals: 0,
        }
    }

    /// Waits for the next attempt; false, at once, where there is none.
    pub async fn again(&mut self, cause: RetryCause) -> bool {
        // The process's hash seed is random enough to spread runs apart.
        let random = RandomState::new().hash_one(self.next_pause);
        match self.next(cause, Instant::now(), random) {
            Some(at) => {
                tokio::time::sleep_until(at).await;
                true
            }
            None => false,
        }
    }

    /// When the next attempt begins; none where the last one was final.
    fn next(&mut self, cause: RetryCause, now: Instant, random: u64) -> Option<Instant> {
        let pause = match cause {
            RetryCause::Transient { retry_after } => {
                let longest = self.next_pause;
                self.next_pause = (longest * 2).min(LONGEST_PAUSE);
                // At least half of it.
                let thousandths = u32::try_from(random % 1000).unwrap_or_default();
                (longest / 2 + longest / 2 * thousandths / 1000).max(retry_after.unwrap_or_default())
            }
            RetryCause::Refusal { retries, .. } if self.refusals >= retries => return None,
            RetryCause::Refusal { pause, .. } => {
                self.refusals += 1;
                pause
            }
        };
        now.checked_add(pause).filter(|at| *at < self.until)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::transport::CertificateFailure;

    const MINUTE: Duration = Duration::from_secs(60);

    fn outcome(status: u16, retry_after: Option<&'static str>) -> Result<Answer, Failure> {
        let headers = retry_after.map(|value| (RETRY_AFTER, HeaderValue::from_static(value)));
        Ok(Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::from_iter(headers),
            body: "".into(),
        })
    }

    /// The pauses before each further attempt, in a minute, until one is final.
    fn pauses(causes: &[RetryCause], random: u64) -> Vec<Option<Duration>> {
        let now = Instant::now();
        let mut retry = Retry::new(now + MINUTE);
        let pause = |cause| retry.next(cause, now, random).map(|at| at - now);
        causes.iter().copied().map(pause).collect()
    }

    #[test]
    fn only_transient_outcomes_are_retried() {
        for status in [429, 500, 502, 503, 504] {
            assert!(is_transient(&outcome(status, None)), "{status}");
        }
        for status in [200, 301, 400, 401, 403, 404, 409, 422, 501] {
            assert!(!is_transient(&outcome(status, None)), "{status}");
        }
        for (failure, expected) in [
            (Failure::NoRoute, true),
            (Failure::NoConnection, true),
            (Failure::TimedOut, true),
            (Failure::Refused, true),
            (Failure::Certificate(CertificateFailure::UnknownCa), false),
            (Failure::Handshake, false),
            (Failure::NotTls, false),
            (Failure::NotHttp, false),
            (Failure::TooLong, false),
        ] {
            assert_eq!(is_transient(&Err(failure.clone())), expected, "{failure}");
        }
    }

    #[test]
    fn retry_after_is_seconds_and_anything_else_is_none() {
        let given = |value| match RetryCause::transient(&outcome(429, Some(value))) {
            RetryCause::Transient { retry_after } => retry_after,
            RetryCause::Refusal { .. } => None,
        };
        assert_eq!(given("3"), Some(Duration::from_secs(3)));
        assert_eq!(given("18446744073709551615"), Some(Duration::from_secs(u64::MAX)));
        for value in ["", "-1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(given(value), None, "{value}");
        }
        let lost = RetryCause::transient(&Err(Failure::TimedOut));
        assert_eq!(lost, RetryCause::TRANSIENT);
    }

    #[test]
    fn pauses_grow_to_five_seconds_and_are_at_least_half_of_their_step() {
        let steps = [200, 400, 800, 1600, 3200, 5000, 5000].map(Duration::from_millis);
        let causes = [RetryCause::TRANSIENT; 7];
        assert_eq!(pauses(&causes, 0), steps.map(|step| Some(step / 2)));
        for (pause, step) in pauses(&causes, 999).into_iter().zip(steps) {
            assert!(pause > Some(step * 9 / 10) && pause < Some(step), "{pause:?}");
        }
    }

    #[test]
    fn a_longer_retry_after_is_honoured_until_the_deadline() {
        for (seconds, expected) in [(0, 200), (7, 7_000), (59, 59_000)] {
            let retry_after = Some(Duration::from_secs(seconds));
            let pause = pauses(&[RetryCause::Transient { retry_after }], 999)[0];
            let expected = Duration::from_millis(expected);
            assert!(pause <= Some(expected) && pause > Some(expected / 2), "{pause:?}");
        }
        for seconds in [60, 61, u64::MAX] {
            let retry_after = Some(Duration::from_secs(seconds));
            let cause = RetryCause::Transient { retry_after };
            assert_eq!(pauses(&[cause], 0), [None], "{seconds}");
        }
    }

    #[test]
    fn a_refusal_is_retried_once_and_longer_after_a_failure() {
        let second = Some(Duration::from_secs(1));
        let later = Some(REFUSAL_RETRY_WINDOW);
        for (cause, expected) in [
            (RetryCause::api_refusal(1, None), [second, None, None]),
            (RetryCause::api_refusal(1, later), [second, None, None]),
            (RetryCause::api_refusal(1, second), [second; 3]),
            // A denied review: the registry denied too.
            (RetryCause::api_refusal(0, None), [None; 3]),
            (RetryCause::api_refusal(0, later), [None; 3]),
            (RetryCause::api_refusal(0, second), [second; 3]),
            (RetryCause::login_refusal(1), [Some(LOGIN_PAUSE), None, None]),
            (RetryCause::login_refusal(2), [None; 3]),
            (RetryCause::login_refusal(3), [None; 3]),
        ] {
            assert_eq!(pauses(&[cause; 3], 0), expected, "{cause:?}");
        }
    }

    #[test]
    fn a_refusal_does_not_lengthen_the_pause_after_a_failure() {
        let refusal = RetryCause::api_refusal(1, None);
        let found = pauses(&[refusal, RetryCause::TRANSIENT], 0);
        assert_eq!(found, [Some(REFUSAL_PAUSE), Some(FIRST_PAUSE / 2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_would_outlast_the_deadline_is_not_begun() {
        let start = Instant::now();
        let mut retry = Retry::new(start + MINUTE);
        let retry_after = Some(MINUTE);
        assert!(!retry.again(RetryCause::Transient { retry_after }).await);
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!(retry.again(RetryCause::api_refusal(1, None)).await);
        assert_eq!(start.elapsed(), REFUSAL_PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_are_spread_over_the_upper_half_of_their_step() {
        let mut pauses = Vec::new();
        for _ in 0..64 {
            let start = Instant::now();
            assert!(Retry::new(start + MINUTE).again(RetryCause::TRANSIENT).await);
            pauses.push(start.elapsed());
        }
        let middle = FIRST_PAUSE * 3 / 4;
        assert!(pauses.iter().any(|pause| *pause < middle), "{pauses:?}");
        assert!(pauses.iter().any(|pause| *pause > middle), "{pauses:?}");
    }
}
