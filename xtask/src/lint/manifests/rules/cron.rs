//! When a schedule runs: the five fields of cron, as far as a day tells all of it.
//!
//! Own code rather than a crate: the gaps between the runs of a day are all that is asked, and a schedule that a day
//! doesn't tell is refused instead of computed.

use anyhow::{Context as _, Result, bail, ensure};

const MINUTES_OF_A_DAY: u32 = 24 * 60;

/// The shortest and the longest time between two runs, in seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Gaps {
    /// What a run's own time must fit into.
    pub shortest: u64,
    /// What a credential must outlive.
    pub longest: u64,
}

/// The gaps of `schedule`: minute and hour are `*`, `*/n`, a number, a range, or several of them with commas; every day is
/// the same.
///
/// # Errors
/// Where it is another form, or never runs.
pub fn gaps(schedule: &str) -> Result<Gaps> {
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    let [minute, hour, days @ ..] = &fields[..] else {
        bail!("{schedule:?} has not five fields");
    };
    ensure!(
        days == ["*"; 3],
        "{schedule:?} is not the same every day: its gaps are not computed here"
    );
    let (minutes, hours) = (values(minute, 60)?, values(hour, 24)?);
    let runs: Vec<u32> = hours
        .iter()
        .flat_map(|hour| minutes.iter().map(move |minute| hour * 60 + minute))
        .collect();
    let first = runs.first().context("it never runs")?;
    let next = runs.iter().skip(1).copied().chain([first + MINUTES_OF_A_DAY]);
    let gaps: Vec<u64> = runs
        .iter()
        .zip(next)
        .map(|(run, next)| u64::from(next - run) * 60)
        .collect();
    let (shortest, longest) = gaps
        .iter()
        .copied()
        .fold((u64::MAX, 0), |(min, max), gap| (min.min(gap), max.max(gap)));
    Ok(Gaps { shortest, longest })
}

/// What a field stands for, in ascending order.
fn values(field: &str, below: u32) -> Result<Vec<u32>> {
    let mut values = Vec::new();
    for part in field.split(',') {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let number = |text: &str| {
            let value: u32 = text
                .parse()
                .with_context(|| format!("{text:?} in {field:?} is no number"))?;
            ensure!(value < below, "{value} in {field:?} is not below {below}");
            Ok(value)
        };
        let step: usize = step
            .parse()
            .with_context(|| format!("{step:?} in {field:?} is no step"))?;
        ensure!(step > 0, "a step of {field:?} is 0");
        let (first, last) = match (range, range.split_once('-')) {
            ("*", _) => (0, below - 1),
            (_, Some((first, last))) => (number(first)?, number(last)?),
            (one, None) if part.contains('/') => (number(one)?, below - 1),
            (one, None) => (number(one)?, number(one)?),
        };
        values.extend((first..=last).step_by(step));
    }
    values.sort_unstable();
    values.dedup();
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_those_of_a_day_and_the_night_after_it() -> Result<()> {
        for (schedule, shortest, longest) in [
            ("* * * * *", 60, 60),
            ("17 */4 * * *", 4 * 3600, 4 * 3600),
            ("*/7 * * * *", 4 * 60, 7 * 60),
            ("0 */5 * * *", 4 * 3600, 5 * 3600),
            ("5 0 * * *", 24 * 3600, 24 * 3600),
            ("0,30 9-17/4 * * *", 30 * 60, 15 * 3600 + 30 * 60),
            ("10/20 3 * * *", 20 * 60, 24 * 3600 - 40 * 60),
        ] {
            assert_eq!(gaps(schedule)?, Gaps { shortest, longest }, "{schedule}");
        }
        Ok(())
    }

    #[test]
    fn what_a_day_does_not_tell_or_is_wrong_is_refused() {
        for schedule in [
            "",
            "@daily",
            "0 0 1 * *",
            "0 0 * * 1-5",
            "60 * * * *",
            "* 24 * * *",
            "*/0 * * * *",
            "x * * * *",
            "9-3 * * * *",
        ] {
            assert!(gaps(schedule).is_err(), "{schedule:?}");
        }
    }
}
