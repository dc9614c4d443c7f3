//! Document that can be edited.

use std::fmt;

use serde_json::value::RawValue;

use super::entry::Entry;
use super::error::{Ambiguity, DocumentError, Place, Unreadable};
use super::go_json::{self, Member};
use super::hash::{Map, Set};
use crate::text::SafeName;

/// Member with the credentials.
pub(super) const AUTHS: &str = "auths";
/// Members of the outermost object that affect credentials (docker/cli
/// `cli/config/configfile/file.go`).
const TOP_MEMBERS: [&str; 3] = [AUTHS, "credHelpers", "credsStore"];
/// Members of an entry that contain a credential (docker/cli `cli/config/types/authconfig.go`).
const ENTRY_MEMBERS: [&str; 5] = ["auth", "username", "password", "identitytoken", "registrytoken"];

/// Form of `auths`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Auths {
    /// An object, maybe empty.
    Present,
    /// Absent.
    Missing,
    /// `null`.
    Null,
}

/// Document that all clients interpret the same way, so that it can be edited.
#[derive(Clone)]
pub struct Document<'a> {
    pub(super) source: &'a str,
    /// Members of the outermost object, in order.
    pub(super) top: Vec<Member<'a>>,
    /// Members of `auths`, in order; none if it is absent or null.
    pub(super) entries: Vec<Member<'a>>,
}

impl<'a> Document<'a> {
    /// Parses `.dockerconfigjson`.
    ///
    /// # Errors
    /// - [`DocumentError::Unreadable`]: not UTF-8, not JSON, not an object, trailing text, or an `auths`
    ///   that is neither an object nor null.
    /// - [`DocumentError::Ambiguous`]: at the top, under `auths` or in an entry, a member is duplicate; or, but for keys of
    ///   `auths`, differs only in case from another one or from the name that clients know. Go's readers ignore case there
    ///   and use the last one, others don't. Keys that differ in case are different hosts' for all clients.
    /// - [`DocumentError::WrappedTwice`]: the only member of `auths` is an object named `auths`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DocumentError> {
        let source = read(bytes).map_err(DocumentError::Unreadable)?;
        let top = go_json::members(source, 0).ok_or(DocumentError::Unreadable(Unreadable::NotAnObject))?;
        let entries = match top.iter().find(|member| member.name == AUTHS) {
            Some(auths) => entries(auths).map_err(DocumentError::Unreadable)?,
            None => Vec::new(),
        };
        let document = Self { source, top, entries };
        let is_missing = document.auths_member().is_none();
        let is_key = |member: &&Member<'_>| is_missing && looks_like_entry(member);
        check_members(
            document.top.iter().filter(|m| !is_key(m)),
            &Place::Top,
            &TOP_MEMBERS,
        )?;
        check_duplicates(document.top.iter().filter(is_key), &Place::Top)?;
        check_duplicates(&document.entries, &Place::Auths)?;
        if let [only] = document.entries.as_slice()
            && only.name == AUTHS
            && only.value.starts_with('{')
        {
            return Err(DocumentError::WrappedTwice);
        }
        for entry in document.entries.iter().chain(document.unwrapped_entries()) {
            let members = go_json::members(entry.value, entry.value_start).unwrap_or_default();
            check_members(
                &members,
                &Place::Entry(SafeName::new(&entry.name)),
                &ENTRY_MEMBERS,
            )?;
        }
        Ok(document)
    }

    /// Form of `auths`.
    pub fn auths(&self) -> Auths {
        match self.auths_member() {
            None => Auths::Missing,
            Some(member) if member.value == "null" => Auths::Null,
            Some(_) => Auths::Present,
        }
    }

    /// True if the wrapper `auths` is missing and members at the top look like registry entries, as in a `.dockercfg`. No
    /// client finds a credential in such a document.
    pub fn looks_unwrapped(&self) -> bool {
        self.unwrapped_entries().next().is_some()
    }

    /// Keys under `auths`, in order; none without `auths`.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// Entries under `auths` with their keys, in order.
    pub fn named_entries(&self) -> impl Iterator<Item = (&str, Entry)> {
        let entries = self.entries.iter();
        entries.map(|entry| (entry.name.as_str(), Entry::read(entry.value)))
    }

    /// Entry under `auths` with exactly this key.
    pub fn entry(&self, key: &str) -> Option<Entry> {
        self.entries
            .iter()
            .find(|entry| entry.name == key)
            .map(|entry| Entry::read(entry.value))
    }

    /// All entries, in order; those at the top where `auths` is missing, too.
    pub fn all_entries(&self) -> impl Iterator<Item = Entry> {
        let entries = self.entries.iter().chain(self.unwrapped_entries());
        entries.map(|entry| Entry::read(entry.value))
    }

    pub(super) fn auths_member(&self) -> Option<&Member<'a>> {
        self.top.iter().find(|member| member.name == AUTHS)
    }

    /// Members at the top that belong under a missing `auths`.
    pub(super) fn unwrapped_entries(&self) -> impl Iterator<Item = &Member<'a>> {
        let is_missing = self.auths_member().is_none();
        self.top
            .iter()
            .filter(move |member| is_missing && looks_like_entry(member))
    }
}

/// Prints only names and counts: everything else may be a secret.
impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<SafeName> = self.keys().map(SafeName::new).collect();
        f.debug_struct("Document")
            .field("auths", &self.auths())
            .field("keys", &keys)
            .finish_non_exhaustive()
    }
}

fn read(bytes: &[u8]) -> Result<&str, Unreadable> {
    let source = std::str::from_utf8(bytes).map_err(|_| Unreadable::NotUtf8)?;
    if source.starts_with('\u{feff}') {
        return Err(Unreadable::ByteOrderMark);
    }
    let value: &RawValue = serde_json::from_str(source).map_err(|error| Unreadable::NotJson {
        line: error.line(),
        column: error.column(),
    })?;
    if !value.get().starts_with('{') {
        return Err(Unreadable::NotAnObject);
    }
    if go_json::is_too_deep(source) {
        return Err(Unreadable::TooDeep);
    }
    Ok(source)
}

/// Members of `auths`, none if it is null. Another value is an error: it may be the only copy of a credential.
fn entries<'a>(auths: &Member<'a>) -> Result<Vec<Member<'a>>, Unreadable> {
    let kind = match auths.value.chars().next() {
        Some('{') => return Ok(go_json::members(auths.value, auths.value_start).unwrap_or_default()),
        Some('n') => return Ok(Vec::new()),
        Some('[') => "a list",
        Some('"') => "a string",
        Some('t' | 'f') => "a boolean",
        _ => "a number",
    };
    Err(Unreadable::AuthsNotAnObject(kind))
}

/// Rejects duplicate names, and names that differ only in case from another or from one of the `known` names.
fn check_members<'m, 'a: 'm>(
    members: impl IntoIterator<Item = &'m Member<'a>>,
    place: &Place,
    known: &[&str],
) -> Result<(), DocumentError> {
    let mut spellings: Map<String, &str> = Map::default();
    for Member { name, .. } in members {
        let folded = go_json::fold(name);
        let usual = known
            .iter()
            .find(|known| go_json::fold(known) == folded && *known != name);
        if let Some(earlier) = spellings.insert(folded, name).or(usual.copied()) {
            return Err(ambiguous(place, name, earlier));
        }
    }
    Ok(())
}

/// Rejects duplicate names.
fn check_duplicates<'m, 'a: 'm>(
    members: impl IntoIterator<Item = &'m Member<'a>>,
    place: &Place,
) -> Result<(), DocumentError> {
    let mut names: Set<&str> = Set::default();
    let duplicate = members.into_iter().find(|member| !names.insert(&member.name));
    duplicate.map_or(Ok(()), |member| Err(ambiguous(place, &member.name, &member.name)))
}

fn ambiguous(place: &Place, name: &str, collides_with: &str) -> DocumentError {
    DocumentError::Ambiguous(Ambiguity {
        place: place.clone(),
        name: SafeName::new(name),
        collides_with: SafeName::new(collides_with),
    })
}

/// True for a registry's name with a credential: no other member at the top of a Docker configuration has this form.
fn looks_like_entry(member: &Member<'_>) -> bool {
    let names_registry = member.name == "localhost" || member.name.contains(['.', ':']);
    let holds_credential = || {
        let members = go_json::members(member.value, member.value_start).unwrap_or_default();
        members.iter().any(|inner| {
            ENTRY_MEMBERS.contains(&go_json::fold(&inner.name).as_str()) && inner.value.starts_with('"')
        })
    };
    names_registry && holds_credential()
}
