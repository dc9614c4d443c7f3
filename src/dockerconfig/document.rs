//! Document that can be edited.

use std::{borrow::Cow, fmt};

use serde_json::value::RawValue;

use super::entry::Entry;
use super::error::{Ambiguity, DocumentError, Place, Unreadable};
use super::go_json::{self, Member, Members};
use super::hash;
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

/// Document that all clients interpret the same way, so that it can be edited. Only its text is kept: the members of a
/// document of 1 MiB take several times as much.
#[derive(Clone)]
pub struct Document<'a> {
    pub(super) source: &'a str,
    auths: Option<Member<'a>>,
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
        let mut top =
            go_json::members(source, 0).ok_or(DocumentError::Unreadable(Unreadable::NotAnObject))?;
        let auths = top.find(|member| member.name == AUTHS);
        check_type(auths.as_ref()).map_err(DocumentError::Unreadable)?;
        let document = Self { source, auths };
        let is_missing = document.auths.is_none();
        let name = |member: Member<'a>| member.name;
        let is_key = |member: &Member<'_>| is_missing && looks_like_entry(member);
        let names: Vec<_> = document
            .top()
            .filter(|member| !is_key(member))
            .map(name)
            .collect();
        check_members(&names, &|| Place::Top, &TOP_MEMBERS)?;
        let names: Vec<_> = document.top().filter(is_key).map(name).collect();
        check_duplicates(&names, Place::Top)?;
        let names: Vec<_> = document.entries().map(name).collect();
        check_duplicates(&names, Place::Auths)?;
        drop(names);
        let mut entries = document.entries();
        if let (Some(only), None) = (entries.next(), entries.next())
            && only.name == AUTHS
            && only.value.starts_with('{')
        {
            return Err(DocumentError::WrappedTwice);
        }
        for entry in document.entries().chain(document.unwrapped_entries()) {
            let members = go_json::members(entry.value, entry.value_start).unwrap_or_default();
            let names: Vec<_> = members.map(name).collect();
            check_members(
                &names,
                &|| Place::Entry(SafeName::new(&entry.name)),
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
    pub fn keys(&self) -> impl Iterator<Item = Cow<'a, str>> {
        self.entries().map(|entry| entry.name)
    }

    /// Entries under `auths` with their keys, in order.
    pub fn named_entries(&self) -> impl Iterator<Item = (Cow<'a, str>, Entry)> {
        self.entries().map(|entry| (entry.name, Entry::read(entry.value)))
    }

    /// Entry under `auths` with exactly this key.
    pub fn entry(&self, key: &str) -> Option<Entry> {
        let found = self.entries().find(|entry| entry.name == key)?;
        Some(Entry::read(found.value))
    }

    /// All entries, in order; those at the top where `auths` is missing, too.
    pub fn all_entries(&self) -> impl Iterator<Item = Entry> {
        let entries = self.entries().chain(self.unwrapped_entries());
        entries.map(|entry| Entry::read(entry.value))
    }

    /// Members of the outermost object, in order.
    pub(super) fn top(&self) -> Members<'a> {
        go_json::members(self.source, 0).unwrap_or_default()
    }

    /// Members of `auths`, in order; none if it is absent or null.
    pub(super) fn entries(&self) -> Members<'a> {
        let auths = self.auths.as_ref();
        auths
            .and_then(|auths| go_json::members(auths.value, auths.value_start))
            .unwrap_or_default()
    }

    pub(super) const fn auths_member(&self) -> Option<&Member<'a>> {
        self.auths.as_ref()
    }

    /// Members at the top that belong under a missing `auths`.
    pub(super) fn unwrapped_entries(&self) -> impl Iterator<Item = Member<'a>> {
        let top = self.auths.is_none().then(|| self.top());
        top.into_iter().flatten().filter(looks_like_entry)
    }
}

/// Prints only names and counts: everything else may be a secret.
impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<SafeName> = self.keys().map(|key| SafeName::new(&key)).collect();
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

/// Rejects an `auths` that is neither an object nor null: it may be the only copy of a credential.
fn check_type(auths: Option<&Member<'_>>) -> Result<(), Unreadable> {
    let kind = match auths.and_then(|auths| auths.value.chars().next()) {
        None | Some('{' | 'n') => return Ok(()),
        Some('[') => "a list",
        Some('"') => "a string",
        Some('t' | 'f') => "a boolean",
        Some(_) => "a number",
    };
    Err(Unreadable::AuthsNotAnObject(kind))
}

/// Rejects duplicate names, and names that differ only in case from another or from one of the `known` names.
fn check_members(
    names: &[Cow<'_, str>],
    place: &dyn Fn() -> Place,
    known: &[&'static str],
) -> Result<(), DocumentError> {
    let folded: Vec<Cow<'_, str>> = names.iter().map(|name| go_json::fold(name)).collect();
    let usual = |(name, folded): (&Cow<'_, str>, &Cow<'_, str>)| {
        let is_usual = |known: &&&str| go_json::fold(known) == *folded && **known != *name;
        known.iter().find(is_usual).copied()
    };
    let mut unusual = (0..).zip(names.iter().zip(&folded).map(usual));
    let unusual = unusual.find_map(|(place, usual)| Some((place, usual?)));
    let repeated = hash::first_repeated(&folded);
    let name = |place: usize| names.get(place).map_or("", |name| name);
    match (repeated, unusual) {
        (Some((later, earlier)), unusual) if unusual.is_none_or(|(place, _)| later <= place) => {
            Err(ambiguous(place(), name(later), name(earlier)))
        }
        (_, Some((unusual, usual))) => Err(ambiguous(place(), name(unusual), usual)),
        (_, None) => Ok(()),
    }
}

/// Rejects duplicate names.
fn check_duplicates(names: &[Cow<'_, str>], place: Place) -> Result<(), DocumentError> {
    let repeated = hash::first_repeated(names);
    let duplicate = repeated.and_then(|(later, _)| names.get(later));
    duplicate.map_or(Ok(()), |name| Err(ambiguous(place, name, name)))
}

fn ambiguous(place: Place, name: &str, collides_with: &str) -> DocumentError {
    DocumentError::Ambiguous(Ambiguity {
        place,
        name: SafeName::new(name),
        collides_with: SafeName::new(collides_with),
    })
}

/// True for a registry's name with a credential: no other member at the top of a Docker configuration has this form.
pub(super) fn looks_like_entry(member: &Member<'_>) -> bool {
    let names_registry = member.name == "localhost" || member.name.contains(['.', ':']);
    let holds_credential = || {
        let mut members = go_json::members(member.value, member.value_start).unwrap_or_default();
        members.any(|inner| {
            ENTRY_MEMBERS.contains(&&*go_json::fold(&inner.name)) && inner.value.starts_with('"')
        })
    };
    names_registry && holds_credential()
}
