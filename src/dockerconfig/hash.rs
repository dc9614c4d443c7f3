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
