//! Maps and sets that hostile documents can't slow down.

use std::collections::{HashMap, HashSet};

/// Randomly seeded, so a hostile document can't force hash collisions. Fixed seed when fuzzing, for reproducibility.
#[cfg(not(fuzzing))]
type Hasher = std::hash::RandomState;
#[cfg(fuzzing)]
type Hasher = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

/// Map by name.
pub(super) type Map<Name, Value> = HashMap<Name, Value, Hasher>;
/// Set of names or offsets.
pub(super) type Set<Name> = HashSet<Name, Hasher>;

/// Removes all but the last of the entries with one name; the order stays.
pub(super) fn keep_last<T>(entries: &mut Vec<T>, name: impl Fn(&T) -> &str) {
    let mut names: Set<&str> = Set::default();
    let is_last: Vec<bool> = entries
        .iter()
        .rev()
        .map(|entry| names.insert(name(entry)))
        .collect();
    let mut is_last = is_last.into_iter().rev();
    entries.retain(|_| is_last.next().unwrap_or(true));
}
