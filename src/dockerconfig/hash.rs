//! Sets of names that hostile documents can't slow down.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

/// Randomly seeded, so a hostile document can't force hash collisions. Fixed seed when fuzzing, for reproducibility.
#[cfg(not(fuzzing))]
type Hasher = std::hash::RandomState;
#[cfg(fuzzing)]
type Hasher = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

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

/// Place of the first name that was there before, and of the one before it with the same name. Names are sorted: a set of
/// 100,000 takes three times the memory.
pub(super) fn first_repeated(names: &[Cow<'_, str>]) -> Option<(usize, usize)> {
    let mut sorted: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
    sorted.sort_unstable();
    let is_repeated = |name: &str| {
        let end = sorted.partition_point(|other| *other <= name.as_bytes());
        let before = end.checked_sub(2).and_then(|before| sorted.get(before));
        before.is_some_and(|before| *before == name.as_bytes())
    };
    let has_repeated = sorted
        .windows(2)
        .any(|pair| matches!(pair, [one, other] if one == other));
    if !has_repeated {
        return None;
    }
    let mut first_places: HashMap<&str, usize, Hasher> = HashMap::default();
    let repeated = names.iter().enumerate().filter(|(_, name)| is_repeated(name));
    for (place, name) in repeated {
        if let Some(earlier) = first_places.insert(name, place) {
            return Some((place, earlier));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_repeated_name_is_found_with_the_one_before_it() {
        for (names, expected) in [
            (&[][..], None),
            (&["b", "a", "c"], None),
            (&["b", "a", "a", "b"], Some((2, 1))),
            (&["b", "a", "c", "b", "a"], Some((3, 0))),
            (&["", "a", "", ""], Some((2, 0))),
        ] {
            let names: Vec<Cow<'_, str>> = names.iter().map(|name| Cow::Borrowed(*name)).collect();
            assert_eq!(first_repeated(&names), expected, "{names:?}");
        }
    }
}
