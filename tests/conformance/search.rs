//! The search for a disagreement.

use std::{cell::RefCell, collections::BTreeMap, fmt::Debug};

use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner},
};

/// Number of cases if PROPTEST_CASES is unset.
const CASES: u32 = 6_000;
/// Number of cases that PROPTEST_CASES can't lower.
const AT_LEAST: u32 = 2_000;

/// Kinds of cases that occurred: a search that never reaches a kind shows nothing about it.
#[derive(Default)]
pub struct Tally(BTreeMap<&'static str, u32>);

impl Tally {
    /// Counts a case of this kind.
    pub fn count(&mut self, kind: &'static str) {
        *self.0.entry(kind).or_default() += 1;
    }
}

/// A case in which two disagree; no smaller one was found.
#[derive(Debug)]
pub struct Disagreement<T> {
    /// Difference between the results.
    pub reason: String,
    /// The case.
    pub case: T,
}

/// Tries cases until `judge` objects to one, and looks for the smallest that it objects to.
pub fn search<S: Strategy>(
    config: Config,
    cases: &S,
    judge: impl Fn(S::Value, &mut Tally) -> Result<(), String>,
) -> Result<Tally, Disagreement<S::Value>> {
    let tally = RefCell::default();
    let result = TestRunner::new(config).run(cases, |case| {
        judge(case, &mut tally.borrow_mut()).map_err(TestCaseError::fail)
    });
    match result {
        Ok(()) => Ok(tally.into_inner()),
        Err(TestError::Fail(reason, case)) => Err(Disagreement {
            reason: reason.message().to_owned(),
            case,
        }),
        Err(TestError::Abort(reason)) => panic!("no cases could be made: {reason}"),
    }
}

/// Searches the configured number of cases, and fails with the smallest difference. Each of `kinds` must occur at least
/// once in this number of cases.
pub fn agree<S: Strategy>(
    cases: S,
    kinds: &[(&str, u32)],
    judge: impl Fn(S::Value, &mut Tally) -> Result<(), String>,
) where
    S::Value: Debug,
{
    let config = configuration();
    let (count, seed) = (config.cases, config.rng_seed);
    match search(config, &cases, judge) {
        Ok(Tally(counts)) => {
            println!("{count} cases: {counts:?}");
            for (kind, one_in) in kinds {
                let seen = counts.get(kind).copied().unwrap_or_default();
                assert!(
                    seen >= count / one_in,
                    "only {seen} of {count} cases are of the kind {kind:?}: {counts:?}"
                );
            }
        }
        Err(Disagreement { reason, case }) => {
            let RngSeed::Fixed(seed) = seed else {
                unreachable!("it was fixed")
            };
            panic!("{reason}\nthe smallest case: {case:?}\nfound again with PROPTEST_RNG_SEED={seed}");
        }
    }
}

/// The environment's configuration with a known seed.
pub fn configuration() -> Config {
    let mut config = Config::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    config.cases = config.cases.max(AT_LEAST);
    if config.rng_seed == RngSeed::Random {
        let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), std::process::id());
        config.rng_seed = RngSeed::Fixed(seed);
    }
    config.failure_persistence = None;
    // Enough for the smallest in all but name, and over in seconds.
    config.max_shrink_iters = 5_000;
    config
}
