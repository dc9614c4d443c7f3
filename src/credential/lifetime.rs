//! Lifetime and validity of a credential.

use std::fmt;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// Error of an invalid duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a whole number above 0 and one of s, m, h, d, such as 90s, 15m, 24h or 7d")]
pub struct LifetimeError;

/// Duration in whole seconds, at least one: `90s`, `15m`, `24h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lifetime {
    seconds: i64,
}

/// Units of a duration, the longest first, in seconds.
const UNITS: [(char, i64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

impl Lifetime {
    /// Parses a duration: a whole number and a unit.
    ///
    /// # Errors
    /// The text doesn't have this form, is zero, or exceeds 63 bits of seconds.
    pub fn parse(text: &str) -> Result<Self, LifetimeError> {
        let (unit, factor) = UNITS
            .into_iter()
            .find(|(unit, _)| text.ends_with(*unit))
            .ok_or(LifetimeError)?;
        let number = parse_digits(text.strip_suffix(unit).ok_or(LifetimeError)?).ok_or(LifetimeError)?;
        number
            .checked_mul(factor)
            .and_then(Self::from_secs)
            .ok_or(LifetimeError)
    }

    /// Duration of this number of seconds; `None` for less than one.
    pub const fn from_secs(seconds: i64) -> Option<Self> {
        if seconds > 0 { Some(Self { seconds }) } else { None }
    }

    /// Seconds, for the `expirationSeconds` of a TokenRequest.
    pub const fn as_secs(self) -> i64 {
        self.seconds
    }
}

/// Whole number of the longest possible unit; one day is `24h`.
impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one_day = self.seconds == 86_400;
        let whole = UNITS.into_iter().find(|(unit, factor)| {
            self.seconds.checked_rem(*factor) == Some(0) && !(one_day && *unit == 'd')
        });
        let (unit, factor) = whole.unwrap_or(('s', 1));
        write!(
            f,
            "{}{unit}",
            self.seconds.checked_div(factor).unwrap_or(self.seconds)
        )
    }
}

/// Error of an invalid percentage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a whole number from 0 to 100 and a percent sign, such as 40%")]
pub struct PercentageError;

/// Whole percentage, 0 to 100: `40%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percentage {
    percent: i64,
}

impl Percentage {
    /// Parses a percentage.
    ///
    /// # Errors
    /// The text isn't a whole number from 0 to 100 and a percent sign.
    pub fn parse(text: &str) -> Result<Self, PercentageError> {
        let percent = text
            .strip_suffix('%')
            .and_then(parse_digits)
            .filter(|percent| *percent <= 100);
        Ok(Self {
            percent: percent.ok_or(PercentageError)?,
        })
    }
}

impl fmt::Display for Percentage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.percent)
    }
}

/// Number of digits only: `i64::from_str` accepts a sign too.
fn parse_digits(text: &str) -> Option<i64> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// Validity of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Time of issue, the start of the lifetime.
    pub issued_at: Timestamp,
    /// Expiry: the token's `exp`.
    pub expires_at: Timestamp,
}

impl Validity {
    /// Remaining lifetime at `now`; zero or negative if expired.
    pub fn remaining(&self, now: Timestamp) -> SignedDuration {
        self.expires_at.duration_since(now)
    }

    /// True if expired at `now`.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }

    /// True if still valid after `wait`.
    pub fn outlives(&self, now: Timestamp, wait: Lifetime) -> bool {
        self.remaining(now) > SignedDuration::from_secs(wait.as_secs())
    }

    /// True if the credential need not be refreshed: it isn't expired, at least `refresh_below` of its lifetime is left,
    /// and it is valid until the next run, if that is known.
    pub fn has_enough_left(
        &self,
        now: Timestamp,
        refresh_below: Percentage,
        next_run_within: Option<Lifetime>,
    ) -> bool {
        let lifetime = self.expires_at.duration_since(self.issued_at).as_nanos();
        // Timestamps span 10^4 years, less than 10^21 ns: 100 times that fits into 128 bits.
        let left = self.remaining(now).as_nanos().saturating_mul(100);
        !self.is_expired(now)
            && left >= lifetime.saturating_mul(i128::from(refresh_below.percent))
            && next_run_within.is_none_or(|wait| self.outlives(now, wait))
    }
}

/// RFC 3339 in UTC, whole seconds: `2026-01-02T03:04:05Z`. A fraction of a second is dropped.
pub fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("24h", 86_400),
            ("7d", 604_800),
            ("001s", 1),
        ] {
            assert_eq!(
                Lifetime::parse(text).map(Lifetime::as_secs),
                Ok(seconds),
                "{text}"
            );
        }
        for text in [
            "",
            "h",
            "24",
            "0h",
            "-1h",
            "+1h",
            "1.5h",
            "1h30m",
            "24H",
            " 24h",
            "24 h",
            "1w",
            "\u{661}h",
            "\u{e9}",
            "9223372036854775807d",
            "99999999999999999999s",
        ] {
            assert_eq!(Lifetime::parse(text), Err(LifetimeError), "{text}");
        }
    }

    #[test]
    fn durations_are_shown_in_their_longest_whole_unit() {
        for (text, shown) in [
            ("90s", "90s"),
            ("120s", "2m"),
            ("25h", "25h"),
            ("24h", "24h"),
            ("1d", "24h"),
            ("48h", "2d"),
        ] {
            assert_eq!(Lifetime::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn percentages_are_whole_and_within_a_hundred() {
        for text in ["0%", "40%", "100%"] {
            assert_eq!(Percentage::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "%", "40", "101%", "-1%", "+1%", "4.5%", "40 %"] {
            assert_eq!(Percentage::parse(text), Err(PercentageError), "{text}");
        }
    }

    #[test]
    fn credential_stays_while_enough_is_left_for_the_next_run() {
        let hour = |hour: i64| Timestamp::from_second(1_767_225_600 + hour * 3_600).unwrap();
        let validity = Validity {
            issued_at: hour(0),
            expires_at: hour(10),
        };
        for (now, below, next_run, expected) in [
            (0, "40%", None, true),
            (6, "40%", None, true),
            (7, "40%", None, false),
            (6, "41%", None, false),
            (0, "100%", None, true),
            (1, "100%", None, false),
            (9, "0%", None, true),
            (10, "0%", None, false),
            (11, "0%", None, false),
            (5, "40%", Some("4h"), true),
            (5, "40%", Some("5h"), false),
            (5, "40%", Some("6h"), false),
        ] {
            let next_run = next_run.map(|text| Lifetime::parse(text).unwrap());
            let below = Percentage::parse(below).unwrap();
            assert_eq!(
                validity.has_enough_left(hour(now), below, next_run),
                expected,
                "{now} {below} {next_run:?}"
            );
        }
    }

    #[test]
    fn validity_that_ends_before_it_starts_is_expired() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let validity = Validity {
            issued_at: at(1_000),
            expires_at: at(10),
        };
        assert!(!validity.has_enough_left(at(1_000), Percentage::parse("40%").unwrap(), None));
    }

    #[test]
    fn times_are_written_in_utc_to_the_second() {
        let time: Timestamp = "2026-01-02T05:04:05.999+02:00".parse().unwrap();
        assert_eq!(rfc3339(time), "2026-01-02T03:04:05Z");
    }

    proptest! {
        #[test]
        fn no_time_overflows(
            issued_at in -377_705_023_201_i64..=253_402_207_200,
            expires_at in -377_705_023_201_i64..=253_402_207_200,
            now in -377_705_023_201_i64..=253_402_207_200,
            wait in 1..=i64::MAX,
        ) {
            let at = |second| Timestamp::from_second(second).unwrap();
            let validity = Validity { issued_at: at(issued_at), expires_at: at(expires_at) };
            let enough = validity.has_enough_left(at(now), Percentage::parse("40%").unwrap(), Lifetime::from_secs(wait));
            prop_assert!(!enough || now < expires_at);
        }
    }
}
