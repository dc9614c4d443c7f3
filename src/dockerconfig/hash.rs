//! Tables by name.

use std::collections::{HashMap, HashSet};

/// What names are hashed with: chance, so that nobody can make up a document whose names collide. A fuzz target has to do
/// the same with the same bytes, so there it is nothing.
#[cfg(not(fuzzing))]
type Keys = std::hash::RandomState;
#[cfg(fuzzing)]
type Keys = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

/// Values by name.
pub(super) type Table<Name, Value> = HashMap<Name, Value, Keys>;
/// Names, or places, each once.
pub(super) type Set<Name> = HashSet<Name, Keys>;
