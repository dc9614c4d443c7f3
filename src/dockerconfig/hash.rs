//! Tables by name.

use std::collections::{HashMap, HashSet};

/// What names are hashed with: chance, so that nobody can make up a document whose names collide. A fuzz target has to do
/// the same with the same bytes, so there it is nothing.
#[cfg(not(fuzzing))]
type Hasher = std::hash::RandomState;
#[cfg(fuzzing)]
type Hasher = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

/// Values by name.
pub(super) type Map<Name, Value> = HashMap<Name, Value, Hasher>;
/// Names, or places, each once.
pub(super) type Set<Name> = HashSet<Name, Hasher>;
