//! Editing of the document in place: managed entries are replaced or inserted at their offsets, a missing `auths` is added,
//! and all other bytes stay.

use std::{fmt, iter, ops::Range};

use serde_json::Value;

use super::document::{AUTHS, Document, looks_like_entry};
use super::entry::Entry;
use super::go_json::Member;

/// Edited document.
#[derive(Clone, PartialEq, Eq)]
pub struct EditedDocument {
    /// Bytes to store.
    pub bytes: Vec<u8>,
    /// True if the structure was repaired: entries at the top were wrapped, or an `auths` that was absent or null was
    /// replaced.
    pub shape_repaired: bool,
}

/// Prints no bytes: they contain the credentials.
impl fmt::Debug for EditedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EditedDocument")
            .field("shape_repaired", &self.shape_repaired)
            .finish_non_exhaustive()
    }
}

/// Range of the source and its replacement.
type Edit = (Range<usize>, String);

impl Document<'_> {
    /// Document with these entries under `auths`, each under its key, and a repaired structure.
    ///
    /// An equal entry keeps its bytes, so a document without a change keeps all of them. A new entry comes last. Of several
    /// entries for one key the last one is written. Without entries only the structure is repaired.
    pub fn with_entries(&self, entries: &[(&str, &Entry)]) -> EditedDocument {
        let entries = last_of_each(entries);
        let (edits, shape_repaired) = match self.auths_member() {
            Some(auths) if auths.value.starts_with('{') => (self.edit_auths(auths, &entries), false),
            Some(auths) => (vec![(auths.value_start..auths.end, new_auths(&entries))], true),
            None if self.looks_unwrapped() => (self.wrap(&entries), true),
            None => {
                let auths = format!("{}:{}", quote(AUTHS), new_auths(&entries));
                (vec![append(self.top(), self.top_start(), &[auths])], true)
            }
        };
        EditedDocument {
            bytes: splice(self.source, edits).into_bytes(),
            shape_repaired,
        }
    }

    /// Start of the outermost object; only white space may precede it.
    fn top_start(&self) -> usize {
        self.source.find('{').unwrap_or_default()
    }

    fn edit_auths(&self, auths: &Member<'_>, entries: &[(&str, &Entry)]) -> Vec<Edit> {
        let mut edits: Vec<Edit> = self
            .entries()
            .filter_map(|found| Some((found.value_start..found.end, new_value(&found, entries)?)))
            .collect();
        let new = new_members(self.entries(), entries);
        if !new.is_empty() {
            edits.push(append(self.entries(), auths.value_start, &new));
        }
        edits
    }

    /// Moves the entries at the top under an `auths` in place of the first of them, with the text between adjacent entries.
    fn wrap(&self, entries: &[(&str, &Entry)]) -> Vec<Edit> {
        let text = |range: Range<usize>| self.source.get(range).unwrap_or_default();
        let mut inner = String::new();
        let mut edits: Vec<Edit> = Vec::new();
        let mut first_span = 0..0;
        let mut previous: Option<(usize, bool)> = None;
        for member in self.top() {
            let is_moved = looks_like_entry(&member);
            if is_moved {
                if inner.is_empty() {
                    first_span = member.start..member.end;
                } else {
                    let gap = previous.map_or(member.start, |(end, _)| end)..member.start;
                    let is_beside = previous.is_some_and(|(_, is_moved)| is_moved);
                    edits.push((gap.start..member.end, String::new()));
                    inner.push_str(if is_beside { text(gap) } else { "," });
                }
                inner.push_str(text(member.start..member.value_start));
                inner.push_str(new_value(&member, entries).as_deref().unwrap_or(member.value));
            }
            previous = Some((member.end, is_moved));
        }
        for new in new_members(self.unwrapped_entries(), entries) {
            inner.push(',');
            inner.push_str(&new);
        }
        edits.insert(0, (first_span, format!("{}:{{{inner}}}", quote(AUTHS))));
        edits
    }
}

/// Replacement of the value of an existing entry; `None` if it stays.
fn new_value(found: &Member<'_>, entries: &[(&str, &Entry)]) -> Option<String> {
    let (_, entry) = entries.iter().find(|(key, _)| *key == found.name)?;
    (!entry.is_same_as(&Entry::read(found.value))).then(|| entry.to_json())
}

/// Members for the entries that aren't in `found`.
fn new_members<'a>(found: impl Iterator<Item = Member<'a>>, entries: &[(&str, &Entry)]) -> Vec<String> {
    let mut new = entries.to_vec();
    for member in found {
        new.retain(|(key, _)| *key != member.name);
    }
    new.iter()
        .map(|(key, entry)| format!("{}:{}", quote(key), entry.to_json()))
        .collect()
}

fn new_auths(entries: &[(&str, &Entry)]) -> String {
    format!("{{{}}}", new_members(iter::empty(), entries).join(","))
}

/// Edit that adds members to an object: after its last one, or after the brace at `object_start`.
fn append<'a>(members: impl Iterator<Item = Member<'a>>, object_start: usize, new: &[String]) -> Edit {
    match members.last() {
        Some(last) => (last.end..last.end, format!(",{}", new.join(","))),
        None => {
            let inside = object_start.saturating_add(1);
            (inside..inside, new.join(","))
        }
    }
}

/// Last entry of each key, in the order of the first ones.
fn last_of_each<'e>(entries: &[(&'e str, &'e Entry)]) -> Vec<(&'e str, &'e Entry)> {
    let mut unique: Vec<(&str, &Entry)> = Vec::with_capacity(entries.len());
    for (key, entry) in entries {
        match unique.iter_mut().find(|(other, _)| other == key) {
            Some(slot) => *slot = (key, entry),
            None => unique.push((key, entry)),
        }
    }
    unique
}

/// JSON string with only the required escapes.
fn quote(text: &str) -> String {
    Value::from(text).to_string()
}

/// Applies edits, which are in order and don't overlap.
fn splice(source: &str, edits: Vec<Edit>) -> String {
    let mut edited = String::with_capacity(source.len());
    let mut kept_to = 0;
    for (range, replacement) in edits {
        edited.push_str(source.get(kept_to..range.start).unwrap_or_default());
        edited.push_str(&replacement);
        kept_to = range.end;
    }
    edited.push_str(source.get(kept_to..).unwrap_or_default());
    edited
}
